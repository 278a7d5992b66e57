"""The door for logs: one JSON object a line on standard error, of fields named here and no others.

No customer's value reaches a log by accident: a field that is not on the list is dropped, and its
name is told once in `dropped`; an exception is named by its class, as its words may repeat a row.
What libraries log in their own way is told as their fixed text without the values.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

ALLOWED_FIELDS: Final = frozenset(
    {
        "again_in",
        "alert",
        "at",
        "attempt",
        "attempts",
        "cause",
        "channel",
        "checkpoint",
        "code",
        "count",
        "error",
        "event",
        "event_type",
        "fault",
        "kind",
        "level",
        "logger",
        "model",
        "number",
        "pause",
        "pid",
        "position",
        "problem",
        "proposal",
        "reason",
        "retry_seconds",
        "seconds",
        "service",
        "sqlstate",
        "status",
        "timestamp",
        "type",
        "version",
    }
)
"""Add a name here only if no value under it can say who a customer is or what they said."""

_log = structlog.get_logger("rapport.libraries")


def configure_logging(level: str) -> None:
    """Log everything from `level` (debug, info, warning, error) up; of libraries, warnings up."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_allowed,
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()], force=True)


def only_allowed(
    _logger: Any, _method: str, fields: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drop every field that is not on the list; say which names were dropped."""
    dropped = sorted(name for name in fields if name not in ALLOWED_FIELDS)
    for name in dropped:
        del fields[name]
    if dropped:
        fields["dropped"] = dropped
    return fields


class _Libraries(logging.Handler):
    """Hands on what libraries log through Python's own logging, without its arguments."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the first line of the record's fixed text, and the class of its exception."""
        fields = {"logger": record.name, "at": f"{record.filename}:{record.lineno}"}
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = record.exc_info[0].__name__
        # asyncio puts what it knows of a failed task, values included, into further lines.
        _log.log(record.levelno, str(record.msg).strip().partition("\n")[0], **fields)


def _json(fields: Any, **_: Any) -> str:
    return orjson.dumps(fields, default=_named).decode()


def _named(value: object) -> str:
    """The class of a value that is no JSON: its words are not ours to tell."""
    return type(value).__name__
