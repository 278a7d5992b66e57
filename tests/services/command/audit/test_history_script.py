"""The script in docs/auditor.md that checks a history says what the platform's own check says."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from tests.house.pages import text_of
from tests.services.command.audit.test_history import ADA, BOB, SIZE, check, log

if TYPE_CHECKING:
    from services.command.audit.history import Shown


def shape(shown: Shown) -> dict[str, Any]:
    """An event as the route shows it."""
    parts = {"header": shown.header, "leaf": shown.leaf}
    parts |= {"body_digest": shown.body_digest} if shown.body is None else {"body": shown.body}
    hashes = [b64encode(each).decode() for each in shown.proof or []]
    told = {name: b64encode(part).decode() for name, part in parts.items()}
    return {"position": shown.position, **told, "proof": {"hashes": hashes}}


def said(shown: list[Shown]) -> tuple[int, str]:
    """The script's exit code and words on a history."""
    script = text_of("docs/auditor.md").split("<<'END'\n")[1].split("END\n")[0]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, b64encode(log().root()).decode()],
        input=orjson.dumps({"size": SIZE, "events": list(map(shape, shown))}),
        capture_output=True,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode().strip()


def test_a_whole_history_passes_with_and_without_bodies() -> None:
    whole = log().proved(ADA)
    assert said(whole) == (0, "8 events, nothing missing between them")
    assert said([replace(each, body=None) for each in whole])[0] == 0
    assert said(log().proved(BOB))[0] == 0


@pytest.mark.parametrize("removed", range(7))
def test_an_event_left_out_is_named_by_the_next(removed: int) -> None:
    shown = log().proved(ADA)
    del shown[removed]
    next_shown = shown[removed].position
    assert said(shown) == (1, f"position {next_shown} does not follow the event shown before it")
    assert check(shown)


@pytest.mark.parametrize("part", ["header", "body"])
def test_a_changed_event_is_named(part: str) -> None:
    shown = log().proved(ADA)
    content = bytearray(getattr(shown[3], part))
    content[-1] ^= 1
    shown[3] = replace(shown[3], **{part: bytes(content)})
    assert said(shown) == (1, f"position {shown[3].position} is not in the tree")


def test_another_customers_event_is_named() -> None:
    shown = [*log().proved(ADA), log().proved(BOB)[8]]
    assert said(shown)[0] == 1
