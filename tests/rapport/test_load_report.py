"""What a person sees of a load."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from rapport.load import Problem, Refused, Tally
from rapport.load_report import ConsoleReport, refusal_lines, summary

REFUSED = Refused("line 3", "rejected", (Problem("/data/[x]", "is missing", "Send it."),))


def test_a_refusal_says_where_what_and_the_cure() -> None:
    assert refusal_lines(REFUSED) == ["line 3: rejected", "    /data/[x] is missing Send it."]


def test_the_summary_names_only_what_happened() -> None:
    assert summary(Tally(stored=44_876)) == "44,876 stored, 0 already there"
    assert summary(Tally(1, 2, 3, 4, 5)) == (
        "1 stored, 2 already there, 4 rejected, "
        "3 in conflict with an event of the same source and id, 5 in quarantine"
    )


def test_refusals_are_printed_as_they_are_and_after_twenty_only_counted() -> None:
    shown = StringIO()
    with ConsoleReport(Console(file=shown), "events [bold].ndjson") as report:
        report.progress(Tally(stored=5), 30)
        for _ in range(25):
            report.refused(REFUSED)

    text = shown.getvalue()
    assert text.count("/data/[x] is missing Send it.") == 20
    assert "and 5 more that were not stored" in text
    assert "events [bold].ndjson" in text
    assert "5/30" in text
