"""Names of types and versions, and the order of versions."""

from __future__ import annotations

import pytest

from events.names import MAX_TYPE_NAME, is_type_name, is_version, version_order
from events.retention import RETENTION


@pytest.mark.parametrize("name", ["complaint.opened", "a.b", "outside_purchase.observed", "a.b.c1"])
def test_dotted_lower_case_words_are_a_type_name(name: str) -> None:
    assert is_type_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        ".a",
        "a.",
        "a..b",
        "A.b",
        "a.b\n",
        "1a.b",
        "a b.c",
        "a.é",
        "a." + "b" * MAX_TYPE_NAME,
    ],
)
def test_anything_else_is_none(name: str) -> None:
    assert not is_type_name(name)


@pytest.mark.parametrize("text", ["1-0-0", "12-3-456"])
def test_model_revision_addition_is_a_version(text: str) -> None:
    assert is_version(text)


@pytest.mark.parametrize("text", ["", "1", "1-0", "0-1-0", "1.0.0", "1-00-0", "1-0-0-0", "1-0-0\n"])
def test_nothing_else_is_a_version(text: str) -> None:
    assert not is_version(text)


def test_versions_are_ordered_by_number_not_by_text() -> None:
    assert sorted(["1-0-10", "2-0-0", "1-0-9"], key=version_order) == ["1-0-9", "1-0-10", "2-0-0"]


def test_each_retention_class_says_how_long_and_why() -> None:
    for name, each in RETENTION.items():
        assert each.name == name
        assert each.keep_days is None or each.keep_days >= 365
        assert each.why.endswith(".")
