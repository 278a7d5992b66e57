"""Privacy requests put together: taken at once, worked off behind, told step by step.

A step and the row that says it is done are one transaction, so a killed program goes on behind the
last step, whichever program picks the request up.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from psycopg.errors import UniqueViolation

from events.errors import BadIdentifier
from events.identifiers import normalise
from infra.plumbing.vault import erasure
from infra.plumbing.vault.rewriting import NotYet
from infra.plumbing.vault.vault import CUSTOMER_KIND, reference
from services.command.audit.telling import reader, tell_read
from services.command.privacy import requests, shapes
from services.command.privacy.again import do_again
from services.command.privacy.export import export
from services.command.privacy.mending import mend
from services.command.privacy.steps import Means, Taken, Work, plan
from services.command.privacy.values import Done, Kind, Name

if TYPE_CHECKING:
    from datetime import datetime
    from threading import Event
    from uuid import UUID

    from psycopg import Connection

    from infra.plumbing.access import Principal
    from infra.plumbing.postgres.pool import Pool
    from services.command.privacy.values import Request

POLL_SECONDS: Final = 0.25
REST: Final = timedelta(seconds=20)
"""A request whose step fails is left alone so long; the others go on."""
TAKEN_REST: Final = timedelta(seconds=1)
"""So long for the erasure that another request has begun of the customer who took a name."""
_LOG = structlog.get_logger(__name__)


class NobodyKnown(Exception):
    """The reference names nobody this can be done for."""


class Privacy:
    """Takes requests about a customer's data and does what they ask for."""

    def __init__(self, pool: Pool, means: Means, not_now: tuple[type[Exception], ...]) -> None:
        """`not_now`: what a step raises when the same is to be tried again later."""
        self._pool = pool
        self._means = means
        self._not_now = not_now
        self._resting: dict[UUID, datetime] = {}

    def ask(self, kind: Kind, ref: str, by: str) -> UUID:
        """Take a request about `ref` (a customer UUID or `kind:value`) from the key `by`.

        Asking again for an erasure answers the first request.

        Raises:
            ValueError: `ref` is no reference.
            NobodyKnown: nobody has this name, or they are not on the list they should come off.
        """
        try:
            whom = self._means.vault.find(ref) or self._name(ref)
        except BadIdentifier as wrong:
            raise ValueError(str(wrong)) from wrong
        try:
            with self._pool.connection() as connection:
                self._refuse_nobody(connection, kind, whom)
                return requests.ask(connection, kind, whom, by)
        except NobodyKnown:
            if self._means.vault.find(ref) in {None, whom}:
                raise
        return self.ask(kind, ref, by)  # what waited under this name was recorded meanwhile

    def tell(self, request: UUID) -> dict[str, Any] | None:
        """How far a request is, store by store, with its certificate; None if there is none."""
        with self._pool.connection() as connection:
            found = requests.read(connection, request)
        return None if found is None else shapes.status(*found, plan(found[0]))

    def export(self, request: UUID, who: Principal) -> dict[str, Any] | None:
        """All that is kept about the customer of an access request; None if it is no such.

        That `who` read it is recorded first (`audit.read`); nothing of an erased customer can be
        opened.
        """
        with self._pool.connection() as connection:
            found = requests.read(connection, request)
        if found is None or found[0].type is not Kind.ACCESS or found[0].stream is None:
            return None
        means, stream = self._means, found[0].stream
        read = {"what": "export", **reader(who, opened=True)}
        tell_read(means.recorder, means.catalog, means.clock(), stream, read)
        with self._pool.connection() as connection:
            return export(connection, means, stream)

    def do_again(self) -> int:
        """What the journal knows and a restored database does not; to be called before serving.

        First what the journal lacks is written into it. Answers for how many customers something
        was done again.

        Raises:
            JournalDamaged, LinesUnusable: the journal cannot be read, or not be made whole.
        """
        journal = self._means.journal
        if journal is None:
            return 0
        mend(self._pool, journal)
        return do_again(self._pool, journal, self._means.clock(), self._work_off)

    def _work_off(self) -> None:
        while self.advance():
            pass

    def run(self, stop: Event) -> None:
        """Work off requests as they come, until `stop` is set."""
        while not stop.is_set():
            try:
                worked = self.advance()
            except self._not_now as error:
                _LOG.warning("privacy_waits", error=type(error).__name__)
                worked = False
            if not worked:
                stop.wait(POLL_SECONDS)

    def advance(self) -> bool:
        """Do the next step of the oldest request that nobody works on; False if there is none.

        Raises:
            One of `not_now`: nothing of the step is done; try again later.
        """
        self._means.vault.known()  # what changed meanwhile is forgotten, also while nobody sends
        now = self._means.clock()
        self._resting = {each: until for each, until in self._resting.items() if until > now}
        with self._pool.connection() as connection:
            request = requests.take_next(connection, self._resting)
            if request is None:
                return False
            try:
                self._step_or_turn(connection, request)
            except self._not_now:
                raise
            except NotYet as wait:
                self._resting[request.id] = now + timedelta(seconds=wait.seconds)
            except Exception as error:  # noqa: BLE001 - one request's fault must not stop the others
                _LOG.error("privacy_step_failed", kind=request.type, error=type(error).__name__)
                self._resting[request.id] = now + REST
        return True

    def _step_or_turn(self, connection: Connection[Any], request: Request) -> None:
        """Do the next step; where the name it is about is a customer's by now, turn to them.

        If they are being erased already, the name will be nobody's again: look later.
        """
        try:
            with connection.transaction():
                self._step(connection, request)
        except Taken as taken:
            try:
                with connection.transaction():
                    requests.turn_to(connection, request.id, taken.stream)
            except UniqueViolation:
                self._resting[request.id] = self._means.clock() + TAKEN_REST

    def _step(self, connection: Connection[Any], request: Request) -> None:
        done = requests.steps_of(connection, request.id)
        steps = plan(request)
        name, step = steps[len(done)]
        counted = Counter[str]()
        for each in done:
            counted.update(each.counts)
        since = done[-1].at if done else request.asked_at
        work = Work(connection, request, counted, since, self._means)
        counts = step(work)
        positions = [receipt.position for receipt in work.receipts]
        new = Done(len(done) + 1, name, counts, since, positions)
        requests.note_step(connection, request.id, new)
        _LOG.info("privacy_step", kind=request.type, number=new.number)
        if new.number == len(steps):
            told = requests.steps_of(connection, request.id)
            receipts = requests.receipts_of(connection, told)
            made = shapes.certificate(request, told, receipts)
            requests.finish(connection, request.id, made)

    def _name(self, ref: str) -> Name:
        """The hashes of a name that no customer has. Raises NobodyKnown for a customer's UUID."""
        named = reference(ref)
        if named.kind == CUSTOMER_KIND:
            raise NobodyKnown("No customer has this UUID.")
        hashes = self._means.vault.hashes
        lookup = hashes.lookup(normalise(named))
        return Name(lookup, hashes.listed(lookup))

    def _refuse_nobody(self, connection: Connection[Any], kind: Kind, whom: UUID | Name) -> None:
        """Raise NobodyKnown where nothing could be done."""
        stream, listed = (None, whom.listed) if isinstance(whom, Name) else (whom, None)
        if kind is Kind.SUPPRESS or (kind is not Kind.RELEASE and stream is not None):
            return
        if kind is Kind.ACCESS:
            raise NobodyKnown("No customer has this name.")
        waits = kind is Kind.ERASE and listed is not None and erasure.waits(connection, listed)
        if not waits and not erasure.is_listed(
            connection, self._means.vault.hashes, stream, listed
        ):
            raise NobodyKnown(
                "No customer has this name."
                if kind is Kind.ERASE
                else "Nobody of this name is set aside, so there is nobody to release."
            )
