"""The bench itself: it is fair, it judges rightly, its rows run. What they show is not tested."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from infra.plumbing.ledger.ledger import Ledger
from tests.bench import __main__ as bench
from tests.bench import place as places
from tests.bench.place import Fresh, Place
from tests.bench.report import growth
from tests.bench.row import (
    OURS,
    PER_SECOND,
    Contest,
    Demand,
    NotHere,
    Round,
    Row,
    Task,
    compete,
    judge,
)
from tests.bench.stores import Ours, ours
from tests.bench.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Generator

THEIRS = "theirs"


def rounds(*pairs: tuple[float, float]) -> list[Round]:
    return [Round({OURS: mine, THEIRS: theirs}, size=1) for mine, theirs in pairs]


def row(figure: float, demand: Demand) -> Row:
    """A row in which the other always does 1 and we do `figure`."""

    @contextmanager
    def opened(_place: Place, _task: Task) -> Generator[Contest]:
        yield Contest({OURS: lambda: figure, THEIRS: lambda: 1.0})

    return Row("X1", "something", PER_SECOND, (demand,), opened)


def missing() -> Row:
    """A row whose rival is not on this machine."""

    @contextmanager
    def opened(_place: Place, _task: Task) -> Generator[Contest]:
        raise NotHere("The other is not installed.")
        yield

    return Row("X2", "something", PER_SECOND, (), opened)


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch, quick_place: Path) -> list[str]:
    """Let the bench run in memory, where it proves nothing but that it runs."""
    monkeypatch.setattr(places, "IN_MEMORY", set[str]())
    return ["--place", str(quick_place), "--pairs", "1"]


def test_ratios_are_taken_within_each_round_before_the_median_is() -> None:
    """A machine that is slow for one round must not turn the verdict."""
    verdict = judge(Demand(THEIRS, 2.0), rounds((30, 10), (3, 1), (20, 10)))
    assert (verdict.ratio, verdict.lowest, verdict.highest) == (3.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("demand", "met", "failed"),
    [
        (Demand(THEIRS, 2.0), True, False),
        (Demand(THEIRS, 2.1), False, True),
        (Demand(THEIRS, 2.0, at_most=True), True, False),
        (Demand(THEIRS, 1.9, at_most=True), False, True),
        (Demand(THEIRS, 2.1, stretch=True), False, False),
    ],
)
def test_a_ratio_is_held_to_its_target(demand: Demand, met: bool, failed: bool) -> None:  # noqa: FBT001 - pytest passes them by name
    verdict = judge(demand, rounds((2, 1)))
    assert (verdict.met, verdict.failed) == (met, failed)


def test_every_round_runs_each_contender_once_and_another_goes_first() -> None:
    order: list[str] = []

    def runs(name: str, figure: float) -> float:
        order.append(name)
        return figure

    prepared: list[int] = []
    contest = Contest(
        {OURS: lambda: runs(OURS, 1.0), THEIRS: lambda: runs(THEIRS, 2.0)},
        prepare=lambda: prepared.append(len(order)),
    )
    done = compete(contest, 2)
    assert order == [OURS, THEIRS, THEIRS, OURS, OURS, THEIRS]
    assert prepared == [0, 2, 4]
    assert [dict(each.figures) for each in done] == [{OURS: 1.0, THEIRS: 2.0}] * 2


def test_the_warm_up_does_not_count() -> None:
    figures = iter([100.0, 1.0, 2.0])
    done = compete(Contest({OURS: lambda: next(figures)}), 2)
    assert [each.figures[OURS] for each in done] == [1.0, 2.0]


def test_all_contenders_store_the_same_events_and_versions_have_no_hole() -> None:
    made = Workload(10).take(200)
    assert made == Workload(10).take(200)
    versions: dict[object, int] = {}
    for event in made:
        assert event.version == versions.get(event.stream, 0) + 1
        versions[event.stream] = event.version
    assert len({event.event_id for event in made}) == len(made)
    assert 450 < sum(len(event.body) for event in made) / len(made) < 550


def test_the_rounds_together_make_the_log_as_long_as_was_asked() -> None:
    assert Task(8_000, 7).share(1_000) * 8 == 8_000
    assert Task(10, 7).share(1_000) == 1_000


def test_growth_is_told_at_the_sizes_that_were_reached() -> None:
    grown = [Round({OURS: 1e6 / size}, size) for size in (50_000, 100_000, 500_000)]
    assert growth(grown) == "100000.0 at 100,000, 500000.0 at 500,000"
    assert growth(grown[:2]) == "50000.0 at 50,000, 100000.0 at 100,000"


def test_a_place_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def in_memory(_path: Path) -> str:
        return "tmpfs"

    monkeypatch.setattr(places, "file_system", in_memory)
    with pytest.raises(NotHere, match="lies in memory"):
        Place(tmp_path)


def test_the_file_system_of_a_folder_is_told() -> None:
    kernel = Path("/proc/self")
    if not kernel.exists():
        assert places.file_system(kernel) == "unknown"
    else:
        assert places.file_system(kernel) == "proc"


def test_a_target_that_is_missed_fails_the_bench_and_a_wish_or_an_absent_rival_does_not(
    anywhere: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fine = [row(3.0, Demand(THEIRS, 2.0)), row(1.0, Demand(THEIRS, 2.0, stretch=True)), missing()]
    monkeypatch.setattr(bench, "ROWS", {str(number): row for number, row in enumerate(fine)})
    assert bench.main(anywhere) == 0
    told = capsys.readouterr().out
    assert "at least 2.0: reached" in told
    assert "at least 2.0: not reached" in told
    assert "not measured: The other is not installed." in told
    bench.ROWS["short"] = row(1.0, Demand(THEIRS, 2.0))
    assert bench.main(anywhere) == 1
    assert "at least 2.0: MISSED" in capsys.readouterr().out


def test_an_append_that_stores_nothing_is_no_figure(conninfo: str) -> None:
    events = [ours(Workload(3).take(5))]
    with Ledger.open(conninfo) as ledger:
        store = Ours(ledger, Fresh(conninfo, conninfo, conninfo))
        store.append(events)
        with pytest.raises(AssertionError, match="did not store"):
            store.append(events)


def test_rows_of_every_kind_run_and_say_on_what(
    anywhere: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["L1", "L2", "L4", "L7", "L8", "L10", "I3"]
    assert bench.main([*anywhere, "--events", "1000", "--only", *chosen]) in {0, 1}
    told = capsys.readouterr().out
    for settings in ("commit", "machine", "disk", "fsync=on", "synchronous_commit=on"):
        assert settings in told
    assert [name for name in chosen if f"\n{name}  " not in told] == []
    assert "not measured" not in told
    assert told.count("x eventsourcing") == len({"L1", "L4", "L7", "L8", "L10"})
    assert "x raw COPY" in told
    assert "x orjson.loads" in told
