"""What the pages ask of the query side, in the shapes of design/contract.md.

The pages know neither the database nor the ledger. Whoever answers gives plain mappings as the
query API does (figures as decimal strings or numbers, times as RFC 3339 text), so that a page and
the API cannot tell two stories. Keys marked "may lack" are shown when there and passed over when
not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID


class Answers(Protocol):
    """The query side, as the pages need it. `as_of` None means now.

    Questions about one customer raise `services.projections.errors.Unknown` if there is none.
    """

    def progress(self) -> Mapping[str, Any]:
        """`{"position", "recorded"}`: events folded into the read models, events in the ledger."""
        ...

    def suggested_as_of(self) -> datetime | None:
        """An earlier day if hardly anybody bought lately, else None (meaning now)."""
        ...

    def find(self, ref: str) -> UUID | None:
        """The customer behind `kind:value` or a UUID text, or None if nobody is."""
        ...

    def portfolio(self, *, as_of: datetime | None) -> Mapping[str, Any]:
        """`{"as_of", "position", "policy_version", "items": [...]}`, every customer once.

        An item: `{"customer", "health": {"value", "status", "coverage"}, "wallet_share":
        {"category", "basis", "value", "low", "high"}}` and, which it may lack, `"spend"`:
        `{"amount", "currency"}` (net, up to as_of), `"purchases"` (count), `"last_purchase"` and
        `"last_contact"` (RFC 3339 or None; contact is what we did for them), `"signals"` (list of
        the kinds open), `"simulated"` (bool), `"neglected"` (a reason in words, or None).
        """
        ...

    def customer(self, customer: UUID, *, as_of: datetime | None) -> Mapping[str, Any]:
        """`{"customer", "as_of", "position", "events"}`.

        May lack `"simulated"` (count of simulated facts), `"identifiers"` (masked texts).
        """
        ...

    def timeline(
        self, customer: UUID, *, as_of: datetime | None, cursor: str | None, limit: int
    ) -> Mapping[str, Any]:
        """`{"items": [...], "next": cursor | None}`, newest first.

        An item: `{"position", "event_id", "type", "source", "simulated", "occurred_at",
        "recorded_at", "sentence"}`. Raises BadQuestion for a cursor that is none of ours.
        """
        ...

    def health(self, customer: UUID, *, as_of: datetime | None) -> Mapping[str, Any]:
        """`{"value", "status", "coverage", "groups", "policy_version", "as_of", "position"}`."""
        ...

    def health_explain(self, customer: UUID, *, as_of: datetime | None) -> Mapping[str, Any]:
        """`{"value", "contributions": [...]}` whose points sum to `value` exactly.

        A line: `{"kind", "event_id", "type", "rule", "group", "points", "occurred_at",
        "sentence"}`; it may lack `"simulated"`.
        """
        ...

    def wallet_share(self, customer: UUID, *, as_of: datetime | None) -> Mapping[str, Any]:
        """`{"items": [{"category", "basis", "value", "low", "high", "level", ...}]}`.

        With `"evidence"` (list), `"next_question"` and `"flags"`; shares are fractions 0..1.
        """
        ...

    def signals(self, customer: UUID, *, as_of: datetime | None) -> Mapping[str, Any]:
        """`{"items": [{"signal_id", "kind", "status", "reason", "due_at"}], "missed": {...}}`.

        An item may lack `"raised_at"`, `"alerted"`, `"missed"`, `"value_at_stake"`, `"playbook"`,
        `"policy_version"`, `"contributing"`. The outer `missed` (may lack) is by kind:
        `{"count", "last"}`, signals that were over before anybody could be told.
        """
        ...
