"""Where things go on the health by wallet-share chart. Pure geometry; the template draws it.

Thousands of customers stay legible because few are drawn one by one: a share that is known lands
in a hexagonal cell whose shade says how many are in it (single dots while they are few), a share
that is unknown lands in a strip of its own as bars by health, never at zero, and a health that is
unknown lands in a strip below. Only the most notable customers are links, numbered as in the list
beside the chart.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import product
from math import sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from services.projections.web.points import Point

DOTS_UP_TO = 300
"""So many customers with a known share are drawn as single dots; beyond, as cells."""
CELL = 9.0
"""Radius of a hexagonal cell, in the drawing's units (about one CSS pixel)."""
SHADES = (1, 2, 5, 10, 25)
"""A cell has shade n if at least SHADES[n - 1] customers are in it."""
STRIP_STEP = 4
"""Height of a bar in the strip, in points of health."""
BADGE = 19.0
"""Closest that two numbered badges may come, centre to centre."""
STEPS = sorted(
    product(range(13), range(13), (1, -1), (1, -1)), key=lambda s: (s[0] ** 2 + 9 * s[1] ** 2, s)
)
"""Half badges to go across and down, and which way, nearest first."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The places of axes, strip and plot, in drawing units from the top left."""

    name: str
    width: int
    height: int
    left: int
    strip: int
    gap: int
    top: int = 34
    right: int = 12
    bottom: int = 84

    @property
    def plot_left(self) -> int:
        """Where a share of 0 % is."""
        return self.left + self.strip + self.gap

    @property
    def plot_width(self) -> int:
        """From a share of 0 % to 100 %."""
        return self.width - self.right - self.plot_left

    @property
    def plot_height(self) -> int:
        """From a health of 100 down to 0."""
        return self.height - self.top - self.bottom

    @property
    def floor(self) -> int:
        """Where a health of 0 is."""
        return self.top + self.plot_height

    def x(self, share: Decimal | float) -> float:
        """Place of a share of 0..1; a share outside is drawn at the edge."""
        return round(self.plot_left + self.plot_width * min(1.0, max(0.0, float(share))), 1)

    def y(self, health: Decimal | float) -> float:
        """Place of a health of 0..100."""
        return round(self.floor - self.plot_height * min(100.0, max(0.0, float(health))) / 100, 1)


WIDE = Frame("wide", 760, 590, left=40, strip=150, gap=26)
NARROW = Frame("narrow", 340, 440, left=38, strip=92, gap=18)


@dataclass(frozen=True, slots=True)
class Bar:
    """Customers of unknown share within one step of health."""

    y: float
    width: float
    height: float
    count: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A notable customer: the true place, and the numbered badge beside it."""

    number: int
    point: Point
    x: float
    y: float
    badge_x: float
    badge_y: float
    low_x: float | None
    high_x: float | None


@dataclass(frozen=True, slots=True)
class Scatter:
    """Everything the template draws, in drawing units."""

    frame: Frame
    cells: dict[int, str] = field(default_factory=dict[int, str])
    dots: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    bars: list[Bar] = field(default_factory=list[Bar])
    below: list[float] = field(default_factory=list[float])
    marks: list[Mark] = field(default_factory=list[Mark])
    share_known: int = 0
    share_unknown: int = 0
    both_unknown: int = 0


def scatter(points: Sequence[Point], marked: Sequence[Point], frame: Frame) -> Scatter:
    """Place all customers on one frame; `marked` become numbered links, in that order."""
    placed = [
        (frame.x(point.share), frame.y(point.health))
        for point in points
        if point.share is not None and point.health is not None
    ]
    few = len(placed) <= DOTS_UP_TO
    return Scatter(
        frame=frame,
        cells={} if few else cells(placed),
        dots=placed if few else [],
        bars=bars([p.health for p in points if p.share is None and p.health is not None], frame),
        below=sorted(frame.x(p.share) for p in points if p.share is not None and p.health is None),
        marks=marks([p for p in marked if p.health is not None], frame),
        share_known=sum(1 for p in points if p.share is not None),
        share_unknown=sum(1 for p in points if p.share is None and p.health is not None),
        both_unknown=sum(1 for p in points if p.share is None and p.health is None),
    )


def cells(placed: Iterable[tuple[float, float]]) -> dict[int, str]:
    """Hexagonal cells by shade (1 faintest): shade -> one SVG path of all its hexagons."""
    counts = Counter(cell_of(x, y) for x, y in placed)
    paths: dict[int, list[str]] = {}
    for (column, row), count in sorted(counts.items()):
        centre_x = (column + 0.5 * (row & 1)) * CELL * sqrt(3)
        paths.setdefault(shade(count), []).append(_hexagon(centre_x, row * CELL * 1.5))
    return {step: "".join(path) for step, path in sorted(paths.items())}


def cell_of(x: float, y: float) -> tuple[int, int]:
    """The (column, row) of the cell whose centre is nearest; odd rows stand half a cell right."""
    across, down = CELL * sqrt(3), CELL * 1.5
    near_row = int(y // down)

    def candidates() -> Iterable[tuple[float, int, int]]:
        for row in (near_row, near_row + 1):
            shift = 0.5 * (row & 1)
            column = round(x / across - shift)
            away = ((column + shift) * across - x) ** 2 + (row * down - y) ** 2
            yield (away, column, row)

    _, column, row = min(candidates())
    return (column, row)


def shade(count: int) -> int:
    """The shade of a cell with so many customers in it: 1 .. 5."""
    return sum(1 for at_least in SHADES if count >= at_least)


def _hexagon(x: float, y: float) -> str:
    half, radius = CELL * sqrt(3) / 2 - 0.4, CELL - 0.4
    corners = [
        (x, y - radius),
        (x + half, y - radius / 2),
        (x + half, y + radius / 2),
        (x, y + radius),
        (x - half, y + radius / 2),
        (x - half, y - radius / 2),
    ]
    return "M" + "L".join(f"{cx:.1f} {cy:.1f}" for cx, cy in corners) + "Z"


def bars(healths: Sequence[Decimal | None], frame: Frame) -> list[Bar]:
    """Bars by health for customers whose share is unknown; the longest fills the strip."""
    last = 100 // STRIP_STEP - 1
    counts = Counter(min(last, int(value // STRIP_STEP)) for value in healths if value is not None)
    if not counts:
        return []
    longest = max(counts.values())
    step = frame.plot_height / (last + 1)
    return [
        Bar(
            y=round(frame.floor - (index + 1) * step + 0.75, 1),
            width=round(max(1.5, frame.strip * count / longest), 1),
            height=round(step - 1.5, 1),
            count=count,
        )
        for index, count in sorted(counts.items())
    ]


def marks(marked: Sequence[Point], frame: Frame) -> list[Mark]:
    """Numbered badges that do not cover one another, each as near to its place as is free."""
    taken: list[tuple[float, float]] = []
    placed: list[Mark] = []
    for number, point in enumerate(marked, start=1):
        if point.health is None:
            continue
        known = point.share is not None
        y = frame.y(point.health)
        x = frame.x(point.share) if point.share is not None else frame.left + frame.strip / 2
        walls = (
            (frame.plot_left, frame.width - frame.right)
            if known
            else (frame.left, frame.left + frame.strip)
        )
        badge = _free_place(x, y, taken, frame, walls)
        taken.append(badge)
        placed.append(
            Mark(
                number,
                point,
                x if known else badge[0],
                y,
                *badge,
                frame.x(point.low) if known and point.low is not None else None,
                frame.x(point.high) if known and point.high is not None else None,
            )
        )
    return placed


def _free_place(
    x: float,
    y: float,
    taken: Sequence[tuple[float, float]],
    frame: Frame,
    walls: tuple[int, int],
) -> tuple[float, float]:
    """The nearest place between the walls that no badge covers; sideways before up and down."""
    half = BADGE / 2
    for across, down, right, up in STEPS:
        place = (
            min(walls[1] - half, max(walls[0] + half, x + right * across * half)),
            min(float(frame.floor), max(float(frame.top), y + up * down * half)),
        )
        if all((place[0] - a) ** 2 + (place[1] - b) ** 2 >= BADGE**2 for a, b in taken):
            return (round(place[0], 1), round(place[1], 1))
    return (x, y)
