"""The answers about all customers: the list, the portfolio, the open signals.

A list that is neither filtered nor sorted by a score reads the directory and scores one page; else
everyone is scored, from the folded states.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.projections import listing, shapes
from services.projections.asking import USUAL_ITEMS, Cursor, read_cursor
from services.projections.listing import Person
from services.projections.scores import Scorer, policy_named
from services.projections.scoring import signals

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from events.identifiers import Identifier
    from services.projections.listing import ListQuestion
    from services.projections.reading import Reading

    Look = Callable[[datetime | None, datetime | None], AbstractContextManager[Reading]]
    Names = Callable[[Sequence[UUID], datetime | None], Mapping[UUID, Iterable[Identifier]]]

CHURN = "churn_signals"
DIRECTORY = "customer_directory"
KEPT_ANSWERS = 3
"""How many instants' scores of everybody are kept, at some 2 kB a customer."""
SIGNALS = "signals"


class Portfolio:
    """Lists of customers. `look` opens a reading, `names` gives the identifiers of customers."""

    def __init__(self, look: Look, names: Names) -> None:
        """Answer from the readings that `look` opens."""
        self._look = look
        self._names = names
        self._lock = Lock()
        self._kept: dict[tuple[Any, ...], dict[str, Person]] = {}

    def customers(self, question: ListQuestion) -> dict[str, Any]:
        """A page of customers, each scored, with masked identifiers.

        Raises:
            BadQuestion: sort, cursor or policy cannot be meant.
        """
        answer = self._list(question)
        wanted = [UUID(item["id"]) for item in answer["items"]]
        names = self._names(wanted, question.known_at)
        answer["items"] = [
            item | {"identifiers": shapes.masked(names.get(customer, ()))}
            for item, customer in zip(answer["items"], wanted, strict=True)
        ]
        return answer

    def everyone(self, question: ListQuestion) -> dict[str, Any]:
        """The portfolio: a page of customers, and how many of all that match have which scores.

        Raises:
            BadQuestion: sort, cursor or policy cannot be meant.
        """
        matched: list[Person] = []
        answer = self._list(question, matched)
        items = [one.item for one in matched]
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
            latest = as_of is None and known_at is None and after is None
            asked = reading.with_open_signals() if latest and alerted else None
            items = [
                {"customer": str(who), **shapes.signal_item(each)}
                for who, state in reading.states([CHURN], asked)[CHURN].items()
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

    def _list(self, question: ListQuestion, matched: list[Person] | None = None) -> dict[str, Any]:
        """A page; everybody who matches is put into `matched`, if given."""
        rules = policy_named(question.policy)
        figure = question.figure
        after = question.after()
        with self._look(after.as_of if after else question.as_of, question.known_at) as reading:
            scorer = Scorer(reading, rules)
            whole = question.need_scores or matched is not None
            if whole:
                people = {who: one for who, one in self._everyone(scorer) if question.admits(one)}
                (matched if matched is not None else []).extend(people.values())
                keys = [question.key(figure(one), who) for who, one in people.items()]
            else:
                entries = reading.states([DIRECTORY])[DIRECTORY]
                known = ((who, Person(entry, {})) for who, entry in entries.items())
                keys = [question.key(figure(o), str(w)) for w, o in known if question.admits(o)]
                people = {}
            chosen, more = listing.page(keys, question, reading.window.as_of)
            ids = [customer for _, _, customer in chosen]
            if not whole:
                people = dict(_scored(scorer, [UUID(customer) for customer in ids]))
            return {
                "items": [people[customer].item for customer in ids],
                "next": more,
                "policy_version": rules.version,
                **shapes.stamp(reading.window.as_of, reading.position),
            }

    def _everyone(self, scorer: Scorer) -> Iterable[tuple[str, Person]]:
        """Everybody scored. The last few answers are kept: pages of one list ask for the same."""
        with self._lock:
            people = self._kept.pop(scorer.key, None)
        if people is None:
            with _without_collections():
                chunks = scorer.reading.chunks()
                people = dict(person for chunk in chunks for person in _scored(scorer, chunk))
        with self._lock:
            self._kept[scorer.key] = people
            for key in list(self._kept)[:-KEPT_ANSWERS]:
                del self._kept[key]
        return people.items()


@contextmanager
def _without_collections() -> Generator[None]:
    """Keep the collector of cyclic garbage still for a second at most.

    Scoring everybody makes a million small containers, none in a cycle; walking them took half of
    the time. Another thread that ends first only switches it on again early.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _scored(scorer: Scorer, customers: Sequence[UUID]) -> Iterator[tuple[str, Person]]:
    """Each of `customers` who is there within the window, by id, with their scores."""
    states = scorer.states([DIRECTORY], customers)
    for who, entry in states[DIRECTORY].items():
        item = shapes.customer_item(who, entry)
        item["simulated"] = entry.simulated > 0
        item.update(scorer.scores(who, states))
        yield item["id"], Person(entry, item)


def _newest_first(item: Mapping[str, Any]) -> tuple[str, str]:
    return (item["due_at"], item["signal_id"])
