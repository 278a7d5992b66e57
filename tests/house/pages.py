"""The written pages as values: their links, and the commands in them that a reader may run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.house.source import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(#[^)\s]*)?\)")
SHELL = "sh"
USUAL_ANSWER = "2.."


@dataclass(frozen=True)
class Block:
    """Commands: the `line` of their fence, and the HTTP status that answers their calls."""

    line: int
    commands: str
    status: str


def pages() -> list[str]:
    """Every written page, as a path from the root."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("infra/decisions/*.md")]
    return sorted(page.relative_to(ROOT).as_posix() for page in found)


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(text: str) -> Iterator[Block]:
    """The blocks marked ```sh, in order; ```sh expect=422 names another answer than success."""
    for fence in FENCE.finditer(text):
        language, *options = fence["info"].split() or [""]
        if language == SHELL:
            told = dict(option.split("=", 1) for option in options)
            line = text.count("\n", 0, fence.start()) + 1
            yield Block(line, fence["body"], told.get("expect", USUAL_ANSWER))


def links(text: str) -> list[str]:
    """The relative links of a page, without anchors; what stands in blocks is no link."""
    return [link[1] for link in LINK.finditer(FENCE.sub("", text)) if link[1]]
