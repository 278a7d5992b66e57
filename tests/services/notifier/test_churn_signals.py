"""Given a churn signal, who hears what of it?"""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.alert import Alert, Withdrawal, message_body
from services.notifier.rules.churn_signals import react, rule
from tests.services.notifier.house import cleared, fact, raised, signal

KINDS = ["silence", "complaint_unresolved", "promise_broken", "rhythm_break", "made_up_tomorrow"]
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*raised(1), "missed", "late", "alerted", "simulated"])


def alert_for(data: dict[str, Any], **changes: Any) -> Alert:
    said = react(fact(data, **changes))
    assert isinstance(said, Alert)
    return said


@pytest.mark.parametrize("kind", KINDS)
def test_a_raised_signal_of_any_kind_is_told_with_reason_stake_and_playbook(kind: str) -> None:
    alert = alert_for(raised(1, kind=kind))
    assert alert.type == "churn_signal.alert"
    assert alert.policy_version == "default-1"
    assert alert.topic == signal(1)
    assert alert.line == (
        f"{kind.replace('_', ' ')}: No purchase for 91 days; usually one every 30."
        " Suggested playbook: win-back call."
    )
    assert alert.data == {
        "signal_id": signal(1),
        "kind": kind,
        "reason": "No purchase for 91 days; usually one every 30.",
        "playbook": "win-back call",
        "due_at": "2026-03-04T05:06:07Z",
        "value_at_stake": {"amount": "120.50", "currency": "GBP"},
        "simulated": False,
    }


def test_a_cleared_signal_withdraws_what_was_said_about_it() -> None:
    said = react(fact(cleared(1), "churn_signal.cleared"))
    assert said == Withdrawal(signal(1), "A purchase came in.")


@pytest.mark.parametrize("mark", [{"missed": True}, {"late": True}, {"alerted": False}])
def test_a_signal_found_out_afterwards_is_never_told(mark: dict[str, bool]) -> None:
    assert react(fact(raised(1, **mark))) is None


@pytest.mark.parametrize("mark", [{"missed": False}, {"late": False}, {"alerted": True}])
def test_a_signal_marked_as_news_is_told(mark: dict[str, bool]) -> None:
    assert isinstance(react(fact(raised(1, **mark))), Alert)


def test_other_facts_are_nobody_elses_business() -> None:
    assert react(fact({"total": "12.30"}, "purchase.completed")) is None


def test_a_signal_without_a_reason_is_told_in_the_words_of_its_kind() -> None:
    sealed = {"key": "k1", "sealed": "c2VhbGVk"}
    alert = alert_for(raised(1, kind="promise_broken", reason=sealed))
    assert alert.line.startswith("promise broken: A promise to the customer was not kept.")
    assert "c2VhbGVk" not in repr(alert)


def test_a_signal_without_a_playbook_suggests_none() -> None:
    data = raised(1)
    del data["playbook"]
    alert = alert_for(data)
    assert "playbook" not in alert.line
    assert alert.data["playbook"] is None


@pytest.mark.parametrize(
    ("data", "source"),
    [
        (raised(1), "simulator/sample-1"),
        (raised(1, reason="Simulated data: No purchase for 91 days."), "rapport/signals"),
        (raised(1, simulated=True), "rapport/signals"),
    ],
)
def test_a_signal_that_rests_on_made_up_data_says_so_once(
    data: dict[str, Any], source: str
) -> None:
    alert = alert_for(data, source=source)
    assert alert.line.startswith("silence: Simulated data: No purchase for 91 days")
    assert alert.line.count("Simulated") == 1
    assert alert.data["simulated"] is True


def test_only_known_fields_leave_the_house() -> None:
    personal = {"email": "jane@example.com", "contributing": ["jane@example.com"]}
    cause = fact(raised(1, **personal), event_id="jane@example.com")
    alert = react(cause)
    assert isinstance(alert, Alert)
    assert b"jane" not in message_body(alert, cause, rule().name)
    assert "jane" not in alert.line


@given(
    st.sampled_from(["churn_signal.raised", "churn_signal.cleared"]),
    st.dictionaries(FIELDS | st.text(), JSON),
)
def test_whatever_is_in_a_signal_the_rule_does_not_raise(kind: str, data: dict[str, Any]) -> None:
    cause = fact(data, kind)
    match react(cause):
        case Alert() as alert:
            assert kind == "churn_signal.raised"
            assert orjson.loads(message_body(alert, cause, "churn_signals"))["data"]["kind"]
        case Withdrawal(topic=topic):
            assert topic
        case None:
            pass
