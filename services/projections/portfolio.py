"""The answers about all customers: the list, the portfolio, the open signals.

A list that is neither filtered nor sorted by a score reads the directory and scores one page; else
everyone is scored, from the folded states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.projections import listing, shapes
from services.projections.asking import USUAL_ITEMS, Cursor, read_cursor
from services.projections.listing import ENTRY_SORTS, SCORE_SORTS, ListQuestion
from services.projections.scores import Scorer, policy_named
from services.projections.scoring import signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from events.identifiers import Identifier
    from services.projections.read_models.customer_directory.fold import Entry
    from services.projections.reading import Reading

    Look = Callable[[datetime | None, datetime | None], AbstractContextManager[Reading]]
    Names = Callable[[Sequence[UUID]], Mapping[UUID, Iterable[Identifier]]]

CHURN = "churn_signals"
DIRECTORY = "customer_directory"
SIGNALS = "signals"


class Portfolio:
    """Lists of customers. `look` opens a reading, `names` gives the identifiers of customers."""

    def __init__(self, look: Look, names: Names) -> None:
        """Answer from the readings that `look` opens."""
        self._look = look
        self._names = names

    def customers(self, question: ListQuestion) -> dict[str, Any]:
        """A page of customers, each scored, with masked identifiers.

        Raises:
            BadQuestion: sort, cursor or policy cannot be meant.
        """
        answer = self._list(question)
        wanted = [UUID(item["id"]) for item in answer["items"]]
        names = self._names(wanted)
        for item, customer in zip(answer["items"], wanted, strict=True):
            item["identifiers"] = shapes.masked(names.get(customer, ()))
        return answer

    def everyone(self, question: ListQuestion) -> dict[str, Any]:
        """The portfolio: customers with their scores, and how many of them have which.

        Raises:
            BadQuestion: sort, cursor or policy cannot be meant.
        """
        answer = self._list(question)
        items = answer["items"]
        answer["summary"] = {
            "customers": len(items),
            "scored": sum(item["health"]["value"] is not None for item in items),
            "share_known": sum(item["wallet_share"]["value"] is not None for item in items),
            "with_open_signals": sum(bool(item["signals"]) for item in items),
            "simulated": sum(item["simulated"] for item in items),
        }
        return answer

    def signals(  # noqa: PLR0913 - the question's parameters, all by name
        self,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        kind: str | None = None,
        alerted: bool | None = True,
        cursor: str | None = None,
        limit: int = USUAL_ITEMS,
    ) -> dict[str, Any]:
        """A page of everybody's open churn signals, the newest first.

        `alerted`: only those that were raised, or only those nobody was told of; None: both.

        Raises:
            BadQuestion: the cursor is none of ours.
        """
        after = None if cursor is None else read_cursor(cursor, SIGNALS, (str, str))
        rules = policy_named(None)
        with self._look(after.as_of if after else as_of, known_at) as reading:
            at = reading.window.as_of
            items = [
                {"customer": str(who), **shapes.signal_item(each)}
                for who, state in reading.states([CHURN])[CHURN].items()
                for each in signals.signals(state, at, rules)
                if kind in {None, each.kind} and alerted in {None, each.alerted}
            ]
            items.sort(key=_newest_first, reverse=True)
            if after is not None:
                items = [item for item in items if _newest_first(item) < after.key]
            more = None
            if len(items) > limit:
                more = str(Cursor(SIGNALS, at, _newest_first(items[limit - 1])))
            return {"items": items[:limit], "next": more, **shapes.stamp(at, reading.position)}

    def _list(self, question: ListQuestion) -> dict[str, Any]:
        rules = policy_named(question.policy)
        figure = question.figure
        after = question.after()
        with self._look(after.as_of if after else question.as_of, question.known_at) as reading:
            scorer = Scorer(reading, rules)
            entries = _wanted(reading.states([DIRECTORY])[DIRECTORY], question)
            items: dict[str, dict[str, Any]] = {}
            if question.need_scores:
                items = _items(scorer, entries, None)
                items = {key: item for key, item in items.items() if question.filters.admit(item)}
                keys = [
                    question.key(_figure(figure, item, entries), key) for key, item in items.items()
                ]
            else:
                value = ENTRY_SORTS[figure]
                keys = [question.key(value(entry), str(who)) for who, entry in entries.items()]
            at = reading.window.as_of
            chosen, more = listing.page(keys, question, at)
            ids = [customer for _, _, customer in chosen]
            if not question.need_scores:
                items = _items(scorer, entries, [UUID(customer) for customer in ids])
            return {
                "items": [items[customer] for customer in ids],
                "next": more,
                "policy_version": rules.version,
                **shapes.stamp(at, reading.position),
            }


def _newest_first(item: Mapping[str, Any]) -> tuple[str, str]:
    return (item["due_at"], item["signal_id"])


def _wanted(entries: Mapping[UUID, Entry], question: ListQuestion) -> Mapping[UUID, Entry]:
    simulated = question.filters.simulated
    if simulated is None:
        return entries
    return {who: entry for who, entry in entries.items() if bool(entry.simulated) == simulated}


def _figure(name: str, item: Mapping[str, Any], entries: Mapping[UUID, Entry]) -> float | None:
    if name in SCORE_SORTS:
        return SCORE_SORTS[name](item)
    return ENTRY_SORTS[name](entries[UUID(item["id"])])


def _items(
    scorer: Scorer, entries: Mapping[UUID, Entry], customers: Sequence[UUID] | None
) -> dict[str, dict[str, Any]]:
    """The scored items of `customers` (None: of everyone in `entries`), by id."""
    states = scorer.states(customers)
    wanted = entries if customers is None else customers
    return {
        str(who): {
            **shapes.customer_item(who, entries[who]),
            "simulated": entries[who].simulated > 0,
            **scorer.scores(who, states),
        }
        for who in wanted
    }
