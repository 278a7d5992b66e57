"""Logs are JSON lines of listed fields; no value of a customer gets in by another way."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from infra.plumbing.telemetry import ALLOWED_FIELDS, only_allowed

PROGRAM = """
import logging
import structlog
from infra.plumbing.telemetry import configure_logging

log = structlog.get_logger()
configure_logging({level!r})
{body}
"""


def logged(body: str, level: str = "info") -> list[dict[str, Any]]:
    """What a program of its own writes to standard error, a JSON object a line."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(level=level, body=body)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_line_has_its_event_level_time_and_fields() -> None:
    [line] = logged("log.info('stored', position=7)")
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "stored", "level": "info", "position": 7}


def test_a_field_that_is_not_listed_is_dropped_and_named() -> None:
    [line] = logged("log.warning('stored', email='ada@example.org', subject='crm:1')")
    assert line["dropped"] == ["email", "subject"]
    assert "ada" not in json.dumps(line)


def test_an_exceptions_words_are_not_logged() -> None:
    body = "try:\n    raise ValueError('ada@example.org')\nexcept ValueError as e:\n"
    [line, other] = logged(f"{body}    log.exception('failed')\n    log.error('again', error=e)")
    assert line["dropped"] == ["exc_info"]
    assert other["error"] == "ValueError"
    assert "ada" not in json.dumps([line, other])


def test_a_librarys_record_is_told_without_its_values() -> None:
    body = "logging.getLogger('psycopg.pool').warning('error in %r: %s', 'main', 'ada@example.org')"
    [line] = logged(body)
    assert line["event"] == "error in %r: %s"
    assert (line["level"], line["logger"]) == ("warning", "psycopg.pool")
    assert "ada" not in json.dumps(line)


def test_a_librarys_fault_is_told_by_its_class() -> None:
    body = "try:\n    raise ValueError('ada')\nexcept ValueError:\n    logging.exception('broke')"
    [line] = logged(body)
    assert (line["event"], line["error"], line["level"]) == ("broke", "ValueError", "error")
    assert "ada" not in json.dumps(line)


def test_a_task_that_failed_unheard_is_told_without_its_words() -> None:
    body = """
import asyncio
async def main():
    async def fail():
        raise ValueError('ada@example.org')
    task = asyncio.ensure_future(fail())
    await asyncio.sleep(0)
    del task
asyncio.run(main())
"""
    [line] = logged(body)
    assert line["event"] == "Task exception was never retrieved"
    assert (line["logger"], line["error"]) == ("asyncio", "ValueError")
    assert "ada" not in json.dumps(line)


def test_what_lies_below_the_level_is_not_logged() -> None:
    body = "log.info('a'); log.warning('b'); logging.getLogger('x').info('c')"
    assert [line["event"] for line in logged(body)] == ["a", "b"]
    assert [line["event"] for line in logged(body, "warning")] == ["b"]
    assert [line["event"] for line in logged(body, "error")] == []


def test_every_listed_field_passes() -> None:
    fields: dict[str, Any] = dict.fromkeys(sorted(ALLOWED_FIELDS), 1)
    assert only_allowed(None, "info", dict(fields)) == fields
