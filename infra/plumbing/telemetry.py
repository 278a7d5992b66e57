"""The door for logs: one JSON object a line on standard error, of fields named here and no others.

Customers' data never reaches a log because a field that is not on the list is dropped, and its
name is told once in `dropped`.
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
        "channel",
        "checkpoint",
        "code",
        "count",
        "error",
        "event",
        "exc_info",
        "exception",
        "kind",
        "level",
        "logger",
        "model",
        "number",
        "pause",
        "pid",
        "position",
        "proposal",
        "reason",
        "seconds",
        "service",
        "status",
        "timestamp",
        "type",
        "version",
    }
)


def configure_logging(level: str) -> None:
    """Log everything from `level` (debug, info, warning, error) up."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            only_allowed,
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


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


def _json(fields: Any, **_: Any) -> str:
    return orjson.dumps(fields, default=str).decode()
