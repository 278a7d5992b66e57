"""Ids, bodies and lines of alerts: laws that hold whatever is in a fact."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from uuid import UUID

import orjson
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.alert import Alert, alert_id, message_body, plain
from tests.services.notifier.house import OCCURRED, customer, fact, raised

TEXT = st.text(max_size=20)


def test_an_alert_id_is_the_same_on_any_machine_for_ever() -> None:
    cause = fact(raised(1), source="rapport/signals", event_id="s-1/raised")
    pinned = UUID("637ded66-8327-55ec-a1b9-de651cf279ad")
    assert alert_id(cause, "churn_signals", "default-1") == pinned


def test_an_alert_id_depends_on_nothing_but_event_rule_and_policy() -> None:
    one = alert_id(fact(raised(1)), "rule", "policy")
    moved = fact(
        raised(2), position=99, version=9, stream=customer(5), occurred_at=OCCURRED + timedelta(1)
    )
    assert alert_id(moved, "rule", "policy") == one


@given(
    first=st.tuples(TEXT, TEXT, TEXT, TEXT),
    second=st.tuples(TEXT, TEXT, TEXT, TEXT),
)
def test_two_different_causes_never_share_an_alert_id(
    first: tuple[str, str, str, str], second: tuple[str, str, str, str]
) -> None:
    def name(parts: tuple[str, str, str, str]) -> UUID:
        source, event_id, rule, policy = parts
        return alert_id(fact({}, source=source, event_id=event_id), rule, policy)

    assert (name(first) == name(second)) == (first == second)


def test_parts_of_an_id_do_not_run_into_each_other() -> None:
    left = alert_id(fact({}, source="a", event_id="bc"), "rule", "policy")
    right = alert_id(fact({}, source="ab", event_id="c"), "rule", "policy")
    assert left != right


def test_the_message_is_the_documented_json() -> None:
    alert = Alert("churn_signal.alert", "topic", "default-1", "line", {"kind": "silence"})
    cause = fact(raised(1))
    assert orjson.loads(message_body(alert, cause, "churn_signals")) == {
        "type": "churn_signal.alert",
        "timestamp": "2026-03-04T05:06:07Z",
        "data": {
            "alert_id": str(alert_id(cause, "churn_signals", "default-1")),
            "customer": str(customer(1)),
            "kind": "silence",
            "policy_version": "default-1",
            "position": 7,
            "rule": "churn_signals",
        },
    }


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_plain_text_is_one_short_line_without_control_characters(text: str, limit: int) -> None:
    line = plain(text, limit)
    assert len(line) <= limit
    assert line == line.strip()
    assert all(c == " " or unicodedata.category(c)[0] not in "CZ" for c in line)
    assert plain(line, limit) == line


def test_plain_text_keeps_what_a_person_wrote() -> None:
    assert plain("Zoë's café: 3 for £4 ☕", 100) == "Zoë's café: 3 for £4 ☕"


def test_plain_text_disarms_a_terminal() -> None:
    assert plain("a\x1b[2Jb\r\nc\u202ed", 100) == "a [2Jb c d"


@given(st.one_of(st.none(), st.integers(), st.dictionaries(TEXT, TEXT), st.lists(TEXT)))
def test_what_is_no_text_is_not_shown(value: object) -> None:
    assert plain(value, 100) == ""
