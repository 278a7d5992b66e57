"""Small read models, facts and a ledger in memory for the worker's tests. Fakes, not mocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from events.facts import Fact
from services.projections.discovery import Found
from services.projections.read_model import RowsModel, StateModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from threading import Event

START = datetime(2020, 1, 1, tzinfo=UTC)
NOW = datetime(2021, 1, 1, tzinfo=UTC)

WORDS_TABLE = b"""
CREATE TABLE read.words_v1 (
    stream uuid PRIMARY KEY, position bigint NOT NULL, last_occurred_at timestamptz NOT NULL,
    state bytea NOT NULL, count bigint NOT NULL, last text
)
"""
LINES_TABLE = b"""
CREATE TABLE read.lines_v1 (
    stream uuid NOT NULL, position bigint PRIMARY KEY, occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL, word text
)
"""


@dataclass(frozen=True)
class Proposed:
    """A proposal as a read model makes it."""

    id: str
    type: str
    occurred_at: datetime
    data: dict[str, Any] = field(default_factory=dict[str, Any])


def customer(number: int) -> UUID:
    """A customer's stream."""
    return UUID(int=number)


def said(position: int, stream: int, word: str, day: int) -> Fact:
    """Customer `stream` said `word` on `day`, recorded at `position`."""
    return Fact(
        position=position,
        stream=customer(stream),
        version=position,
        source="test",
        event_id=str(position),
        type="word.said",
        schema="1-0-0",
        occurred_at=START + timedelta(days=day),
        recorded_at=START + timedelta(days=400, seconds=position),
        data={"word": word},
    )


def words(*, order_matters: bool = True, silence: bool = False) -> Found:
    """Every word a customer said, joined in order: a fold to which order matters.

    The word `boom` makes it raise. With `silence`, a customer who said anything has a timer ten
    days after the last word, unless the last word is `bye`; firing it proposes `raised`.
    """

    def step(state: str, fact: Fact) -> str:
        word = fact.data["word"]
        if word == "boom":
            raise ValueError(word)
        return f"{state} {fact.occurred_at:%j}:{word}".strip()

    def timers(state: str) -> dict[str, datetime]:
        day, _, word = state.rsplit(maxsplit=1)[-1].partition(":")
        due = START + timedelta(days=int(day) + 9)
        return {} if word == "bye" else {"silence": due}

    def proposals(stream: UUID, state: str, now: datetime) -> Sequence[Proposed]:
        if timers(state).get("silence", now) < now:
            return [Proposed(f"{stream}/raised", "churn_signal.raised", now, {"kind": "silence"})]
        closed = state.endswith("bye")
        return [Proposed(f"{stream}/cleared", "churn_signal.cleared", now)] if closed else []

    model = StateModel(
        name="words",
        version=1,
        order_matters=order_matters,
        start=str,
        step=step,
        pack=str.encode,
        unpack=bytes.decode,
        columns={
            "count": lambda state: len(state.split()),
            "last": lambda state: state.split(":")[-1] if state else None,
        },
        timers=timers if silence else None,
        proposals=proposals if silence else None,
    )
    return Found(model, WORDS_TABLE)


def lines() -> Found:
    """One row for each word but `hush`."""

    def row(fact: Fact) -> dict[str, Any] | None:
        word = fact.data["word"]
        return None if word == "hush" else {"word": word}

    return Found(RowsModel("lines", 1, row), LINES_TABLE)


class MemoryLedger:
    """A ledger in memory, and the feed over it."""

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self.facts = list(facts)
        self.asked: list[list[UUID]] = []

    def histories(self, streams: Sequence[UUID], *, up_to: int | None) -> dict[UUID, list[Fact]]:
        """What the real one answers."""
        self.asked.append(list(streams))
        return {
            stream: [
                fact
                for fact in self.facts
                if fact.stream == stream and (up_to is None or fact.position <= up_to)
            ]
            for stream in streams
        }

    def batches(self, after: int, limit: int, stop: Event) -> Iterator[list[Fact]]:
        """What the real feed hands over, an empty batch at the end included."""
        while not stop.is_set():
            batch = [fact for fact in self.facts if fact.position > after][:limit]
            yield batch
            if batch:
                after = batch[-1].position
            else:
                stop.wait(0.02)
