"""Only what is sealed by us is taken for sealed, whatever names a sender gives its own values."""

from __future__ import annotations

from uuid import UUID

import orjson
import pytest

from infra.plumbing.vault.opening import as_received, sealed_values

STREAM = UUID(int=7)
OURS = {"key": f"{STREAM}/1", "sealed": "AAAA"}


def body(lock: object) -> bytes:
    return orjson.dumps({"source": "shop", "id": "l-1", "subject": "crm:1", "data": {"lock": lock}})


def test_a_value_under_a_key_id_of_ours_is_sealed() -> None:
    assert list(sealed_values(body(OURS))) == [("/data/lock", OURS)]


@pytest.mark.parametrize(
    "key",
    ["k-1", "", "/1", str(STREAM), f"{STREAM}/", f"{STREAM}/0", f"{STREAM}/1\n", f"x{STREAM}/1"],
)
def test_a_senders_own_members_called_key_and_sealed_are_no_sealed_value(key: str) -> None:
    lock = {"key": key, "sealed": "yes"}
    assert list(sealed_values(body(lock))) == []
    assert as_received(body(lock), STREAM, {})["data"]["lock"] == lock


@pytest.mark.parametrize(
    "lock", [{"key": 1, "sealed": "yes"}, OURS | {"sealed": 1}, OURS | {"x": ""}]
)
def test_members_of_another_kind_or_number_are_no_sealed_value(lock: object) -> None:
    assert list(sealed_values(body(lock))) == []
