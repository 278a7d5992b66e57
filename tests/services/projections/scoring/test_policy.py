"""A policy document is read strictly; what is wrong is said in words, with the field."""

from __future__ import annotations

from importlib.resources import files

import pytest

from services.projections.scoring.errors import PolicyRefused, PolicyUnknown
from services.projections.scoring.policy_reader import known_policies, load_policy, parse_policy

DEFAULT = (files("services.projections") / "policies" / "default-1.yaml").read_text()


def test_the_default_policy_loads_and_is_loaded_once() -> None:
    policy = load_policy()

    assert policy.version == "default/1"
    assert list(policy.groups) == ["rhythm", "experience", "advocacy", "reciprocity", "pressure"]
    assert load_policy("default/1") is policy


def test_every_document_in_the_folder_loads_under_its_own_name() -> None:
    assert "default/1" in known_policies()
    for version in known_policies():
        assert load_policy(version).version == version


@pytest.mark.parametrize("version", ["default/2", "../secrets", "default-1", ""])
def test_an_unknown_version_names_those_there_are(version: str) -> None:
    with pytest.raises(PolicyUnknown, match="default/1"):
        load_policy(version)


REFUSED = [
    ("base: 40", "base: 140", "base", "from 0 to 100"),
    ("base: 40", "base: forty", "base", "plain number"),
    ("base: 40", "base: '40'", "base", "plain number"),
    ("base: 40", "base: true", "base", "plain number"),
    ("base: 40", "base: 40\nbase: 41", "base", "Keep one"),
    ("base: 40", "basis: 40", "base", "Add it"),
    ("title: Default", "colour: red\ntitle: Default", "colour", "Remove it"),
    ("version: default/1", "version: default", "version", "name/number"),
    ("weight: 0.4,", "weight: 0.5,", "groups", "sum to 1"),
    ("advocacy: { weight", "Advocacy!: { weight", "groups.Advocacy!", "a letter first"),
    ("group: rhythm, points: 2.5", "group: rhytm, points: 2.5", "rules[0].group", "rhythm"),
    ("measure: days_late", "measure: hours_late", "rules[3].measure", "days_late"),
    ("- { from: 0.5, points: -2 }", "- { from: -8, points: -2 }", "rules[3].steps", "Order them"),
    ("name: return,", "name: purchase,", "rules.purchase", "its own name"),
    ("on: delivery.failed", "on: complaint.opened", "rules[4].on", "recovery keeps order"),
    ("on: [contact.handled]", "on: contact.handled", "thresholds[0].on", "[one, two]"),
    ("at_least: 4", "at_least: 4.5", "thresholds[0].at_least", "whole number"),
    ("{ kind: nps }", "{ kind: { a: 1 } }", "rules[6].where.kind", "a list of them"),
    ("model: null", "model: mbg", "pace.model", "not read yet"),
    ("unsaid: medium\n  half", "unsaid: bad\n  half", "complaint.severity_unsaid", "low"),
    ("campaign.sent], stale", "delivery.failed], stale", "feeds.marketing.types", "Keep it in one"),
    ("worst: -5", "worst: -1", "promise_overdue.worst", "-2"),
    ("wallet:\n", "wallet: 3\nrest:\n", "wallet", "fields below it"),
]  # fmt: skip


@pytest.mark.parametrize(("was", "becomes", "path", "cure"), REFUSED)
def test_a_wrong_field_is_named_with_its_cure(was: str, becomes: str, path: str, cure: str) -> None:
    assert DEFAULT.count(was) >= 1
    with pytest.raises(PolicyRefused) as refused:
        parse_policy(DEFAULT.replace(was, becomes, 1))

    assert refused.value.path == path
    assert cure in str(refused.value)


@pytest.mark.parametrize("text", ["", "- a\n- b", "a: [", "42", "a: &x 1\nb: *x"])
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(PolicyRefused):
        parse_policy(text)


def test_a_small_text_does_not_grow_by_aliases() -> None:
    bomb = "a: &a [1,1]\nb: &b [*a,*a]\nc: &c [*b,*b]\n"

    with pytest.raises(PolicyRefused, match="alias"):
        parse_policy(bomb)


def test_a_document_nested_without_end_is_refused_not_crashed() -> None:
    with pytest.raises(PolicyRefused):
        parse_policy("[" * 5000)
