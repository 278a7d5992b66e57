"""What share of this customer's spend in a category comes to us, and how sure is that? Pure.

Every figure carries its basis and an interval; without evidence it is unknown, with the question
that would narrow it most. Own spend alone tells next to nothing about the rest of a wallet, so no
figure is ever made of it: the basis `modelled` exists in the contract and is given by no one yet.

`measured`  own spend F over a stated wallet W, same days and currency. The interval is lognormal
            in W and widens with the statement's age. W < F is flagged and clamped, both are told.
`observed`  r of the n purchases seen in the window are ours: Dirichlet posterior, mean
            (S m + r) / (S + n), variance E (1 - E) / (S + n + 1); the interval is its Beta margin.
`ranked`    Wallet Allocation Rule (Keiningham et al. 2011), only without better evidence. Its
            error is not published; the interval is one rank either way and has no level.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import exp, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

from scipy.special import betaincinv  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType] - scipy has no types

from services.projections.scoring.money import plain
from services.projections.scoring.policy_reader import load_policy
from services.projections.scoring.times import DAY, day_of, in_words
from services.projections.scoring.wallet_state import (
    KEPT_DAYS,
    LOOSE,
    Category,
    Ranking,
    Statement,
    WalletState,
)

if TYPE_CHECKING:
    from datetime import datetime

    from services.projections.scoring.policy import Policy, WalletRules

Basis = Literal["measured", "observed", "ranked", "modelled", "unknown"]
DAYS_A_YEAR = 365.25
UNNARROWED = 0.9
"""A question is worth asking if it is expected to leave less than this of the interval's width."""


@dataclass(frozen=True, slots=True)
class Share:
    """A wallet share, 0 to 1 with four places. `level` is the interval's probability.

    `flags`: `clamped` (own spend exceeds the stated wallet), `prorated` (the stated days are not
    over), `returns_exceed` (more came back than was bought).
    """

    category: str
    basis: Basis
    value: Decimal | None
    low: Decimal | None
    high: Decimal | None
    level: Decimal | None
    evidence: tuple[str, ...]
    next_question: str | None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Figure:
    """A share before rounding."""

    basis: Basis
    value: float
    low: float
    high: float
    evidence: tuple[str, ...]
    flags: tuple[str, ...] = ()

    @property
    def width(self) -> float:
        """How wide the interval is."""
        return self.high - self.low


def shares(state: WalletState, as_of: datetime, policy: Policy | None = None) -> list[Share]:
    """The share of each category at `as_of`, by name; `as_of` is not before the last fact."""
    rules = (policy or load_policy()).wallet
    today = day_of(as_of.timestamp())
    return [_share(name, state, today, rules) for name in sorted(state.categories) if name != LOOSE]


def _share(name: str, state: WalletState, today: int, rules: WalletRules) -> Share:
    category = state.categories[name]
    figure = (
        _measured(category, state, today, rules)
        or _observed(category, today, rules)
        or _ranked(category.ranking)
    )
    if figure is None:
        evidence = _own_evidence(category, today, rules)
        question = _wallet_question(name)
        return Share(name, "unknown", None, None, None, None, evidence, question)
    return Share(
        name,
        figure.basis,
        _places(figure.value),
        _places(figure.low),
        _places(figure.high),
        None if figure.basis == "ranked" else Decimal(str(rules.level)),
        figure.evidence,
        _next_question(name, figure, category, today, rules),
        figure.flags,
    )


def _places(share: float) -> Decimal:
    return Decimal(f"{share:.4f}")


def _measured(
    category: Category, state: WalletState, today: int, rules: WalletRules
) -> _Figure | None:
    said = category.statement
    if said is None or said.total <= 0 or said.first > today:
        return None
    age = max(today - said.last, 0)
    if age * DAY > rules.statement_expires or said.first <= state.newest - KEPT_DAYS:
        return None
    over = min(today, said.last) - said.first + 1
    part = over / (said.last - said.first + 1)
    own = _own_spend(category, state, said)
    share = float(own / said.total) / part
    spread = statement_spread(age, rules) / sqrt(part)
    low, high = (share * exp(side * _z(rules) * spread) for side in (-1, 1))
    flags = [name for name, on in _flags(share, part) if on]
    stated = (
        f"The customer stated {plain(said.total)} {said.currency} for "
        f"{in_words(said.first * DAY)} to {in_words(said.last * DAY)}."
    )
    bought = f"Own spend in those days, net of returns: {plain(own)} {said.currency}."
    return _Figure(
        "measured", _unit(share), _unit(low), _unit(high), (stated, bought), tuple(flags)
    )


def _flags(share: float, part: float) -> tuple[tuple[str, bool], ...]:
    return (("clamped", share > 1), ("prorated", part < 1), ("returns_exceed", share < 0))


def _unit(share: float) -> float:
    return min(max(share, 0.0), 1.0)


def _own_spend(category: Category, state: WalletState, said: Statement) -> Decimal:
    """Exact net spend in the stated days and currency; loose returns net an only category."""
    sums = [category.spend.get(said.currency, {})]
    bought = [name for name, each in state.categories.items() if each.own and name != LOOSE]
    loose = state.categories.get(LOOSE)
    if loose is not None and len(bought) == 1 and category.own:
        sums.append(loose.spend.get(said.currency, {}))
    return sum(
        (amount for days in sums for day, amount in days.items() if said.first <= day <= said.last),
        Decimal(0),
    )


def statement_spread(age_days: float, rules: WalletRules) -> float:
    """Standard deviation of the log of a statement that is so old."""
    aged = rules.statement_spread_a_year * age_days / DAYS_A_YEAR
    return sqrt(rules.statement_spread**2 + aged**2)


def _z(rules: WalletRules) -> float:
    return NormalDist().inv_cdf((1 + rules.level) / 2)


def _observed(category: Category, today: int, rules: WalletRules) -> _Figure | None:
    elsewhere = _within(category.outside, today, rules)
    if not elsewhere:
        return None
    ours = _within(category.own, today, rules)
    mean, low, high = observed_share(ours, elsewhere, rules)
    seen = (
        f"In the last {rules.window_days} days {ours} purchases here and {elsewhere} elsewhere "
        "were seen; purchases elsewhere may have gone unseen."
    )
    return _Figure("observed", mean, low, high, (seen,))


def observed_share(ours: int, elsewhere: int, rules: WalletRules) -> tuple[float, float, float]:
    """Posterior mean and interval of the share, for so many purchases here and elsewhere."""
    here = rules.prior_strength * rules.prior_share + ours
    there = rules.prior_strength * (1 - rules.prior_share) + elsewhere
    tail = (1 - rules.level) / 2
    low, high = (float(betaincinv(here, there, side)) for side in (tail, 1 - tail))
    return here / (here + there), low, high


def _within(counts: dict[int, int], today: int, rules: WalletRules) -> int:
    return sum(count for day, count in counts.items() if today - rules.window_days < day <= today)


def allocation(rank: float, brands: int) -> float:
    """The Wallet Allocation Rule; ties take the mean of the ranks they stand on."""
    return (1 - rank / (brands + 1)) * 2 / brands


def _ranked(ranking: Ranking | None) -> _Figure | None:
    if ranking is None:
        return None
    place = min(ranking.rank + 0.5, ranking.brands) if ranking.tied else float(ranking.rank)
    said = (
        f"The customer ranks us {ranking.rank} of {ranking.brands} brands"
        f"{', tied' if ranking.tied else ''}; ranks tell less than amounts."
    )
    worse = allocation(min(place + 1, ranking.brands + 1), ranking.brands)
    better = 1.0 if place <= 1 else allocation(max(place - 1, 1), ranking.brands)
    return _Figure("ranked", allocation(place, ranking.brands), worse, better, (said,))


def _own_evidence(category: Category, today: int, rules: WalletRules) -> tuple[str, ...]:
    ours = _within(category.own, today, rules)
    return (
        f"{ours} purchases here in the last {rules.window_days} days; nothing is known of others.",
    )


def _next_question(
    name: str, figure: _Figure, category: Category, today: int, rules: WalletRules
) -> str | None:
    """The question expected to leave the narrowest interval; None if none would narrow it."""
    spread = _z(rules) * statement_spread(0, rules)
    stated = min(figure.value * exp(spread), 1.0) - figure.value * exp(-spread)
    asked = {_wallet_question(name): stated}
    if figure.basis == "observed":
        ours = _within(category.own, today, rules)
        _, low, high = observed_share(ours, _within(category.outside, today, rules) + 1, rules)
        asked[f"Where else did you last buy {name}?"] = high - low
    question, width = min(asked.items(), key=lambda each: (each[1], each[0]))
    return question if width < UNNARROWED * figure.width else None


def _wallet_question(name: str) -> str:
    return f"What did you spend on {name} in the last twelve months, wherever you bought it?"
