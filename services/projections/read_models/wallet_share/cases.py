"""What wallet share says, by example, under the default policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.projections.scoring.examples import Case, bought, fact, moment, money, returned, told
from services.projections.scoring.wallet import shares

if TYPE_CHECKING:
    from events.facts import Fact
    from services.projections.scoring.wallet_state import WalletState


def look(state: WalletState, when: str) -> dict[str, Any]:
    """What a case sees of a state."""
    return {
        share.category: (
            share.basis,
            None if share.value is None else str(share.value),
            None if share.low is None or share.high is None else f"{share.low}..{share.high}",
            *share.flags,
        )
        for share in shares(state, moment(when))
    }


def stated(at: str, period: str, amount: str) -> Fact:
    """The customer said what they spend on gifts."""
    data = {"category": "gifts", "period": period, "total": money(amount)}
    return fact(at, "wallet.stated", data)


def elsewhere(at: str) -> Fact:
    """The customer bought gifts from somebody else."""
    return fact(at, "outside_purchase.observed", {"category": "gifts", "evidence": "receipt"})


CASES = (
    Case("Nobody has a wallet.", (), "2011-06-01", {}),
    Case(
        "Own spend alone says nothing of the rest.",
        told(bought("2011-03-01"), bought("2011-04-01")),
        "2011-06-01",
        {"gifts": ("unknown", None, None)},
    ),
    Case(
        "Measured: own spend over the stated wallet of the same days.",
        told(
            bought("2010-12-31", "99.00"),
            bought("2011-01-01", "60.00"),
            bought("2011-03-31", "60.00"),
            returned("2011-03-31", "20.00"),
            stated("2011-04-01", "2011-Q1", "400.00"),
        ),
        "2011-04-01",
        {"gifts": ("measured", "0.2500", "0.1953..0.3200")},
    ),
    Case(
        "Two years on, the same statement says much less.",
        told(bought("2011-01-01", "100.00"), stated("2011-04-01", "2011-Q1", "400.00")),
        "2013-04-01",
        {"gifts": ("measured", "0.2500", "0.0768..0.8135")},
    ),
    Case(
        "Own spend above the stated wallet is clamped, and said.",
        told(bought("2011-01-01", "500.00"), stated("2011-04-01", "2011-Q1", "400.00")),
        "2011-04-01",
        {"gifts": ("measured", "1.0000", "0.9767..1.0000", "clamped")},
    ),
    Case(
        "Another currency is not the same wallet.",
        told(
            bought("2011-01-01", "100.00", currency="EUR"),
            bought("2011-01-02", "100.00"),
            stated("2011-04-01", "2011-Q1", "400.00"),
        ),
        "2011-04-01",
        {"gifts": ("measured", "0.2500", "0.1953..0.3200")},
    ),
    Case(
        "Observed: of four purchases seen, three were ours.",
        told(
            bought("2011-01-01"),
            bought("2011-02-01"),
            elsewhere("2011-02-15"),
            bought("2011-03-01"),
        ),
        "2011-04-01",
        {"gifts": ("observed", "0.6667", "0.3426..0.9236")},
    ),
    Case(
        "An order that came back wholly, though in the next quarter, was never bought.",
        told(
            bought("2011-01-01", "100.00"),
            bought("2011-03-31", "60.00", order="b"),
            stated("2011-04-01", "2011-Q1", "400.00"),
            returned("2011-04-02", "40.00", order="b"),
            returned("2011-04-03", "20.00", order="b"),
        ),
        "2011-04-03",
        {"gifts": ("measured", "0.2500", "0.1953..0.3200")},
    ),
    Case(
        "Observed: the purchase that came back wholly is not one of ours; one partly is.",
        told(
            bought("2011-01-01"),
            bought("2011-02-01", "20.00", order="b"),
            elsewhere("2011-02-15"),
            bought("2011-03-01", "20.00", order="c"),
            bought("2011-03-02", "20.00", order="d"),
            returned("2011-03-10", "19.99", order="b"),
            returned("2011-03-10", "20.00", order="d"),
        ),
        "2011-04-01",
        {"gifts": ("observed", "0.6667", "0.3426..0.9236")},
    ),
    Case(
        "The return was read before its purchase: the same.",
        told(
            bought("2011-01-01"),
            returned("2011-03-10", "20.00", order="d"),
            bought("2011-02-01"),
            elsewhere("2011-02-15"),
            bought("2011-03-01"),
            bought("2011-03-02", "20.00", order="d"),
        ),
        "2011-04-01",
        {"gifts": ("observed", "0.6667", "0.3426..0.9236")},
    ),
    Case(
        "Who sent the only order back has bought nothing.",
        told(bought("2011-03-01", "20.00", order="a"), returned("2011-03-04", "20.00", order="a")),
        "2011-04-01",
        {},
    ),
    Case(
        "Ranked first of two, without amounts: the Wallet Allocation Rule.",
        told(fact("2011-03-01", "brands.ranked", {"category": "gifts", "rank": 1, "brands": 2})),
        "2011-04-01",
        {"gifts": ("ranked", "0.6667", "0.3333..1.0000")},
    ),
)
