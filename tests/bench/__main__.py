"""`python -m tests.bench`: run the rows of the bench and print them.

Exit code 0 if every row that was measured reached its target, 1 if one did not, 2 if the bench
could not run.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.bench import appending, intake, reading, umadb, verifying
from tests.bench.place import Place
from tests.bench.report import print_outcome, print_settings
from tests.bench.row import NotHere, Outcome, Row, Task, compete

_ROOMS = (appending, umadb, reading, verifying, intake)
ROWS = {row.id: row for room in _ROOMS for row in room.ROWS}
FEWEST_ROUNDS = 5
"""Fewer pairs than this say nothing; `--pairs` may ask for fewer only to see that it runs."""


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked for."""
    asked = _parser().parse_args(arguments)
    chosen = [ROWS[name] for name in ROWS if not asked.only or name in asked.only]
    try:
        with Place(asked.place) as place:
            print_settings(place.settings())
            outcomes = [run(row, place, asked.events, asked.pairs) for row in chosen]
    except NotHere as reason:
        sys.stderr.write(f"{reason}\n")
        return 2
    judged = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    return 1 if any(verdict.failed for verdict in judged) else 0


def run(row: Row, place: Place, events: int | None, pairs: int) -> Outcome:
    """Run one row and print it."""
    if row.once:
        pairs = 1
    task = Task(events or row.events, pairs)
    try:
        with row.open(place, task) as contest:
            rounds = compete(contest, pairs, warm_ups=0 if row.once else 1)
            outcome = Outcome(row, rounds, contest.notes())
    except NotHere as reason:
        outcome = Outcome(row, missing=str(reason))
    print_outcome(outcome)
    return outcome


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(ROWS), metavar="ROW", help="L1 L4 ...")
    parser.add_argument("--events", type=int, help="events in the log at the end of each row")
    parser.add_argument("--pairs", type=int, default=7, help="rounds that count (at least 5)")
    parser.add_argument(
        "--place",
        type=Path,
        default=Path("/var/tmp") if Path("/var/tmp").is_dir() else Path(tempfile.gettempdir()),  # noqa: S108 - a folder of our own is made in it
        help="a folder on a real disk",
    )
    return parser


if __name__ == "__main__":
    # Ended from outside, leave no server and no folder behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
