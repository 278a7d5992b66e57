"""Asks rules again about the facts over which they stumbled, until they work.

The checkpoint is past these facts, so the feed does not bring them again. An alert made here has
the id it would have had at once: it comes from the event, the rule and the policy version alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from services.notifier.reactions import second_look

if TYPE_CHECKING:
    from collections.abc import Sequence
    from threading import Event

    from infra.plumbing.ledger.ledger import Ledger
    from services.notifier.alert import Rule
    from services.notifier.outbox import Outbox

PAGE = 1_000
_BEFORE_ALL = (0, "")

_log = structlog.get_logger("rapport.notifier")


class Stumbling:
    """The stumbles noted in `outbox`, and the facts of `ledger` behind them."""

    def __init__(
        self, ledger: Ledger, outbox: Outbox, rules: Sequence[Rule], channels: Sequence[str]
    ) -> None:
        """Ask `rules` again; what they say goes to every one of `channels`.

        A stumble of a rule that is not among them waits until the rule is there again.
        """
        self._ledger = ledger
        self._outbox = outbox
        self._rules = {rule.name: rule for rule in rules}
        self._channels = channels

    def retry(self, stop: Event) -> None:
        """Ask about every stumble once, or until `stop` is set; log how many are left.

        Raises:
            LedgerGap: the ledger has a hole.
            FactsSkipped: the notifier's checkpoint is gone.
            psycopg.OperationalError: the database is out of reach; call it again.
        """
        after, made_good, left = _BEFORE_ALL, 0, 0
        while not stop.is_set():
            page = self._outbox.stumbles(list(self._rules), after, PAGE)
            for stumble in page:
                if stop.is_set():
                    break
                well = self._ask(stumble)
                made_good, left = made_good + well, left + (not well)
            if len(page) < PAGE:
                break
            after = page[-1]
        if made_good:
            _log.info("stumbles_made_good", count=made_good)
        if left:
            _log.warning("rules_still_stumble", count=left)

    def _ask(self, stumble: tuple[int, str]) -> bool:
        """Ask one rule about its fact again; True if that went well and is written."""
        position, name = stumble
        seen = self._ledger.size()
        facts = self._ledger.facts_after(position - 1, 1)
        if not facts:
            return False
        [fact] = facts
        history = self._ledger.history(fact.stream, up_to=seen)
        later = [each for each in history if each.position > position]
        rules = list(self._rules.values())
        said = second_look(fact, self._rules[name], later, rules)
        if said is None:
            return False
        return self._outbox.make_good(stumble, seen, said, self._channels)
