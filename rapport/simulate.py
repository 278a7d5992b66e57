"""Make up the touchpoints that the real invoices lack, for some of the real customers.

The invoices of `rapport.samples` are real. They say nothing of deliveries, complaints, promises or
other shops, so a demonstration needs these made up. Every event made here has the source
`simulator/sample-<seed>`, and pages and exports must say so. **It is scenery: never evidence.** A
score that predicts it has shown nothing, since who fell silent was made unhappy on purpose.

The model, all rates for one customer or one real purchase:

* *Character.* Most are ordinary. About one in six is delighted (more among frequent buyers).
  About one in nine is wronged, from one of the last four purchases on; more of who fell silent.
* *Delivery* follows 90 % of purchases, promised in 3 to 5 days (7 to 10 abroad); late by up to two
  weeks for 8 % (ordinary), 3 % (delighted), 45 % (wronged).
* *Reviews* (5 to 15 %) and *surveys* (6 %) give stars by days late as Olist's buyers did, moved by
  a mood.
* *Complaints* follow long delays, returned goods, and now and then nothing in particular; causes,
  answers and outcomes are shaped on the CFPB's public complaints. Half of the wronged get no
  outcome, and ask again. Who is not content may reopen.
* *Promises*: more to regulars; one in ten is broken (half for the wronged), some are never settled.
* *Campaigns*: four a year, 10 % held out; 4 % of customers get nine reminders besides.
* *Wallet*: about 40 % state their spend on gifts in a period in which they bought here: own spend
  over a share drawn by character, now and then too little; 15 % are seen to buy elsewhere; 12 %
  rank shops.
* *Referrals*: one customer in sixteen came through an earlier one, half of these in chains.

Everything lies between a customer's first real purchase and the last real invoice of all. What
one customer's events are depends on the seed and the customer alone, so loading a larger
sample of the same seed repeats the smaller one, event for event, and nothing conflicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapport.errors import ProgramError
from rapport.samples import online_retail
from rapport.simulation.campaigns import campaigns
from rapport.simulation.complaints import complaints
from rapport.simulation.dice import Dice
from rapport.simulation.experience import contacts, experiences, reviews, surveys
from rapport.simulation.histories import histories
from rapport.simulation.promises import promises
from rapport.simulation.referrals import referral_forest, referrals
from rapport.simulation.story import begin
from rapport.simulation.wallet import outside_purchases, rankings, wallet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rapport.samples.online_retail import Invoice
    from rapport.simulation.histories import History
    from rapport.simulation.story import Story


class SampleTooLarge(ProgramError):
    """More customers were asked for than the real data has, or none at all."""


def simulate(
    customers: int, seed: int, invoices: Iterable[Invoice] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield CloudEvents for `customers` of the real customers, one after another, each by time.

    `invoices` (all, by time) are the bundled ones if not given. Which customers, and every event,
    follow from `seed`.

    Raises:
        SampleTooLarge: `customers` is less than 1 or more than there are.
        SampleDamaged: the bundled file cannot be read.
    """
    known = histories(online_retail.invoices() if invoices is None else invoices)
    end = max(deal.at for each in known.values() for deal in (*each.purchases, *each.returns))
    buyers = {name: each for name, each in known.items() if each.purchases}
    if not 1 <= customers <= len(buyers):
        raise SampleTooLarge(
            f"{customers:,} customers cannot be simulated: ask for 1 to {len(buyers):,}, "
            "the customers of the sample who bought something."
        )
    forest = referral_forest(seed, buyers.values())
    chosen = sorted(buyers, key=lambda name: (Dice(seed, name, "chosen").real(0, 1), name))
    return _told((begin(seed, buyers[name], end) for name in chosen[:customers]), forest)


def _told(
    stories: Iterable[Story], forest: Mapping[str, Sequence[History]]
) -> Iterator[dict[str, Any]]:
    """Tell each story to its end and yield its events by time."""
    for story in stories:
        _tell(story, forest)
        story.events.sort(key=lambda told: told[0])
        yield from (event for _, event in story.events)


def _tell(story: Story, forest: Mapping[str, Sequence[History]]) -> None:
    """Tell everything that happens to one customer."""
    seen = experiences(story)
    reviews(story, seen)
    surveys(story, seen)
    contacts(story, seen)
    complaints(story, seen)
    promises(story)
    campaigns(story)
    wallet(story)
    outside_purchases(story)
    rankings(story)
    referrals(story, forest)
