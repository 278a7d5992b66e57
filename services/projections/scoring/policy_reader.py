"""What must a policy document be like? Reads one strictly and says in words what is wrong.

`load_policy` is the only I/O of scoring: it reads `policies/<name>-<number>.yaml`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar, cast

from services.projections.scoring.complaints import TYPES as COMPLAINT_TYPES
from services.projections.scoring.document import Section, read_document
from services.projections.scoring.errors import PolicyRefused, PolicyUnknown
from services.projections.scoring.measures import MEASURES
from services.projections.scoring.policy import (
    DEFAULT_POLICY,
    ComplaintRule,
    Condition,
    Feed,
    Group,
    OverdueRule,
    OwnPace,
    Pace,
    Policy,
    Rule,
    SignalRules,
    Threshold,
    WalletRules,
)
from services.projections.scoring.times import DAY, HOUR

if TYPE_CHECKING:
    from collections.abc import Iterable

Named = TypeVar("Named", Rule, Threshold)

FOLDER = "services.projections"
VERSION = re.compile(r"([a-z][a-z0-9-]{0,39})/([1-9][0-9]{0,5})")
POINTS = 100.0
DAYS = 3650.0


def load_policy(version: str = DEFAULT_POLICY) -> Policy:
    """The policy of that version, from its document, which is read once.

    Raises:
        PolicyUnknown: there is no such document.
        PolicyRefused: the document is wrong; the message says where and how to cure it.
    """
    return _load(version)


@cache
def _load(version: str) -> Policy:
    found = known_policies()
    if version not in found:
        raise PolicyUnknown(version, found)
    path = files(FOLDER) / "policies" / f"{version.replace('/', '-')}.yaml"
    policy = parse_policy(path.read_bytes())
    if policy.version != version:
        raise PolicyRefused(
            "version", f"is {policy.version!r} in the file of {version!r}", "Make them the same."
        )
    return policy


def known_policies() -> tuple[str, ...]:
    """The versions that have a document, sorted."""
    stems = (entry.name for entry in (files(FOLDER) / "policies").iterdir())
    names = (name.removesuffix(".yaml") for name in stems if name.endswith(".yaml"))
    return tuple(sorted("/".join(name.rsplit("-", 1)) for name in names))


def parse_policy(text: str | bytes) -> Policy:
    """The policy in a YAML document.

    Raises:
        PolicyRefused: one field is wrong; only the first is told.
    """
    doc = read_document(text)
    groups = doc.named("groups", _group)
    names = frozenset(groups)
    feeds = doc.named("feeds", _feed)
    rules = doc.each("rules", lambda entry: _rule(entry, names))
    thresholds = doc.each("thresholds", lambda entry: _threshold(entry, names))
    _refuse_twins([*rules, *thresholds])
    policy = Policy(
        version=_version(doc),
        title=doc.text("title"),
        base=doc.number("base", 0, POINTS),
        minimum_coverage=doc.number("minimum_coverage", 0, 1),
        groups=groups,
        feeds=feeds,
        rules=rules,
        thresholds=thresholds,
        own_pace=_own_pace(doc.section("own_pace"), names),
        complaint=_complaint(doc.section("complaint"), names),
        overdue=_overdue(doc.section("promise_overdue"), names),
        pace=_pace(doc.section("pace")),
        signals=_signals(doc.section("signals")),
        wallet=_wallet(doc.section("wallet")),
        rules_on=_by_type((rule.type, rule) for rule in rules),
        thresholds_on=_by_type((type_, each) for each in thresholds for type_ in each.types),
        feed_of=_feed_of(feeds),
    )
    doc.done()
    total = sum(group.weight for group in groups.values())
    if abs(total - 1) > 1e-9:  # noqa: PLR2004 - what decimal weights may miss one by
        raise PolicyRefused("groups", f"weigh {total:g} together", "Make the weights sum to 1.")
    return policy


def _version(doc: Section) -> str:
    version = doc.text("version")
    if not VERSION.fullmatch(version):
        raise PolicyRefused("version", f"is {version!r}", "Write name/number, such as default/2.")
    return version


def _group(name: str, entry: Section) -> Group:
    group = Group(
        name,
        entry.number("weight", 0, 1),
        entry.number("least", -POINTS, 0),
        entry.number("most", 0, POINTS),
    )
    entry.done()
    return group


def _feed(name: str, entry: Section) -> Feed:
    types = frozenset(entry.texts("types"))
    feed = Feed(name, types, entry.number("stale_after_days", 1, DAYS) * DAY)
    entry.done()
    return feed


def _feed_of(feeds: dict[str, Feed]) -> dict[str, Feed]:
    found: dict[str, Feed] = {}
    for feed in feeds.values():
        for type_ in sorted(feed.types):
            if type_ in found:
                raise PolicyRefused(
                    f"feeds.{feed.name}.types", f"has {type_} of another feed", "Keep it in one."
                )
            found[type_] = feed
    return found


def _rule(entry: Section, groups: frozenset[str]) -> Rule:
    measured = entry.has("measure")
    type_ = entry.text("on")
    if type_ in COMPLAINT_TYPES:
        raise PolicyRefused(
            entry.at("on"),
            f"is {type_}",
            "Weigh complaints in `complaint`, so recovery keeps order.",
        )
    return Rule(
        name=entry.text("name"),
        type=type_,
        group=entry.choice("group", groups),
        half_life=entry.number("half_life_days", 1, DAYS) * DAY,
        where=_where(entry),
        points=0.0 if measured else entry.number("points", -POINTS, POINTS),
        measure=entry.choice("measure", frozenset(MEASURES)) if measured else None,
        steps=_steps(entry) if measured else (),
    )


def _steps(entry: Section) -> tuple[tuple[float, float], ...]:
    steps = entry.each(
        "steps",
        lambda step: (step.number("from", -DAYS, DAYS), step.number("points", -POINTS, POINTS)),
    )
    if not steps or any(low >= high for (low, _), (high, _) in pairwise(steps)):
        raise PolicyRefused(
            entry.at("steps"), "do not rise", "Order them by `from`, each once, at least one."
        )
    return steps


def _where(entry: Section) -> tuple[Condition, ...]:
    if not entry.has("where"):
        return ()
    section = entry.section("where")
    found: list[Condition] = []
    for name in section.names():
        value: object = section.take(name)
        allowed = cast("list[object]", value) if isinstance(value, list) else [value]
        plain = tuple(
            item for item in allowed if item is None or isinstance(item, str | bool | float | int)
        )
        if not plain or len(plain) != len(allowed):
            raise PolicyRefused(
                section.at(name), "is not a value", "Write a word, a number, or a list of them."
            )
        found.append((name, plain))
    return tuple(found)


def _threshold(entry: Section, groups: frozenset[str]) -> Threshold:
    return Threshold(
        name=entry.text("name"),
        types=frozenset(entry.texts("on")),
        group=entry.choice("group", groups),
        where=_where(entry),
        window=entry.number("window_days", 1, DAYS) * DAY,
        at_least=entry.whole("at_least", 1, 50),
        points=entry.number("points", -POINTS, 0),
        each_beyond=entry.number("each_beyond", -POINTS, 0),
        beyond_limit=entry.whole("beyond_limit", 0, 50),
    )


def _refuse_twins(entries: Iterable[Rule | Threshold]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise PolicyRefused(f"rules.{entry.name}", "is there twice", "Give each its own name.")
        seen.add(entry.name)


def _by_type(pairs: Iterable[tuple[str, Named]]) -> dict[str, tuple[Named, ...]]:
    found: dict[str, tuple[Named, ...]] = {}
    for type_, entry in pairs:
        found[type_] = (*found.get(type_, ()), entry)
    return found


def _own_pace(entry: Section, groups: frozenset[str]) -> OwnPace:
    pace = OwnPace(
        group=entry.choice("group", groups),
        most=entry.number("most", 0, POINTS),
        least=entry.number("least", -POINTS, 0),
        turning_gaps=entry.number("turning_gaps", 0.1, 100),
        steepness=entry.number("steepness", 0.1, 20),
        evidence_days=entry.number("evidence_days", 0.01, 100),
    )
    entry.done()
    return pace


def _complaint(entry: Section, groups: frozenset[str]) -> ComplaintRule:
    ageing, soon = entry.section("ageing"), entry.section("soon_after")
    soft, reopened = entry.section("softened_by_purchases"), entry.section("reopened")
    points = entry.numbers("points", -POINTS, -0.001)
    rule = ComplaintRule(
        group=entry.choice("group", groups),
        points=points,
        severity_unsaid=entry.choice("severity_unsaid", frozenset(points)),
        half_life=entry.number("half_life_days", 1, DAYS) * DAY,
        ageing=ageing.number("days", 0.01, DAYS) * DAY,
        ageing_extra=ageing.number("extra", 0, 10),
        responded_relief=entry.number("responded_relief", 0, 0.5),
        left_over=entry.numbers("left_over", 0.001, 1),
        outcome_unsaid=entry.number("outcome_unsaid", 0.001, 1),
        dissatisfied=entry.number("dissatisfied", 0.001, 1),
        soon_extra=soon.number("extra", 0, 10),
        soon_half_life=soon.number("half_life_days", 1, DAYS) * DAY,
        soft_least=soft.number("least", 0.01, 1),
        soft_half_days=soft.number("half_at_purchase_days", 0.01, 1000),
        reopened_factor=reopened.number("factor", 1, 10),
    )
    for section in (ageing, soon, soft, reopened, entry):
        section.done()
    return rule


def _overdue(entry: Section, groups: frozenset[str]) -> OverdueRule:
    points = entry.number("points", -POINTS, 0)
    rule = OverdueRule(
        group=entry.choice("group", groups),
        points=points,
        worst=entry.number("worst", -POINTS, points),
        worst_after=entry.number("worst_after_days", 0.01, DAYS) * DAY,
    )
    entry.done()
    return rule


def _pace(entry: Section) -> Pace:
    if entry.take("model") is not None:
        raise PolicyRefused(
            entry.at("model"), "names a model", "Write null: fitted crossings are not read yet."
        )
    floor = entry.number("floor_days", 1, DAYS)
    pace = Pace(
        prior_gap_days=entry.number("prior_gap_days", 1, DAYS),
        prior_weight=entry.number("prior_weight", 0.001, 1000),
        model=None,
        least_purchase_days=entry.whole("least_purchase_days", 1, 1000),
        factor=entry.number("factor", 1, 100),
        floor_days=floor,
        ceiling_days=entry.number("ceiling_days", floor, DAYS),
    )
    entry.done()
    return pace


def _signals(entry: Section) -> SignalRules:
    silence = entry.section("silence")
    complaint = entry.section("complaint_unresolved")
    promise = entry.section("promise_broken")
    hours = complaint.numbers("due_hours", 0.01, DAYS * 24)
    rules = SignalRules(
        late_grace=entry.number("late_grace_days", 0, DAYS) * DAY,
        minimum_dwell=entry.number("minimum_dwell_hours", 0, DAYS) * HOUR,
        stake_horizon_days=entry.number("stake_horizon_days", 1, DAYS),
        silence_clear_factor=silence.number("clear_factor", 0, 100),
        complaint_due={name: value * HOUR for name, value in hours.items()},
        complaint_severity_unsaid=complaint.choice("severity_unsaid", frozenset(hours)),
        promise_grace=promise.number("grace_hours", 0, DAYS) * HOUR,
        promise_expires=promise.number("expires_days", 1, DAYS) * DAY,
        playbooks={
            "silence": silence.text("playbook"),
            "complaint_unresolved": complaint.text("playbook"),
            "promise_broken": promise.text("playbook"),
        },
    )
    for section in (silence, complaint, promise, entry):
        section.done()
    return rules


def _wallet(entry: Section) -> WalletRules:
    rules = WalletRules(
        level=entry.number("level", 0.5, 0.999),
        window_days=entry.whole("window_days", 1, 1095),
        statement_spread=entry.number("statement_spread", 0.001, 3),
        statement_spread_a_year=entry.number("statement_spread_a_year", 0.001, 3),
        statement_expires=entry.number("statement_expires_days", 1, DAYS) * DAY,
        prior_strength=entry.number("prior_strength", 0.01, 1000),
        prior_share=entry.number("prior_share", 0.01, 0.99),
    )
    entry.done()
    return rules
