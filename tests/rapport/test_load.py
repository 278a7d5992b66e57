"""Loading files and samples through the real client into a local server."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.client import Client, KeyRefused
from rapport.event_files import MAX_EVENT_BYTES, FileRefused, Item, read_file
from rapport.load import (
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    Problem,
    Refused,
    Silence,
    Tally,
    batches,
    load,
    load_events,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.rapport.conftest import FakePlatform


def event(number: int, **more: Any) -> dict[str, Any]:
    return {"source": "shop", "id": str(number), "type": "purchase.completed", **more}


def ndjson(events: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(each) + b"\n" for each in events)


class Recorder(Silence):
    """A report that remembers what it was told."""

    def __init__(self) -> None:
        self.steps: list[tuple[int, int | None]] = []
        self.refusals: list[Refused] = []

    def progress(self, tally: Tally, total: int | None) -> None:
        self.steps.append((tally.done, total))

    def refused(self, item: Refused) -> None:
        self.refusals.append(item)


SIZES = [2, 50, 7_000, MAX_BATCH_BYTES // 3, MAX_BATCH_BYTES, MAX_EVENT_BYTES]


@given(st.lists(st.sampled_from(SIZES), max_size=40))
def test_batches_keep_every_event_in_order_and_stay_in_their_limits(sizes: list[int]) -> None:
    bodies = {size: bytes(size) for size in set(sizes)}
    items = [Item(str(place), bodies[size]) for place, size in enumerate(sizes)]

    cut = list(batches(items))

    assert [item for batch in cut for item in batch] == items
    for batch in cut:
        request = sum(len(item.body) for item in batch) + len(batch) - 1  # and line feeds between
        assert len(batch) == 1 or request <= MAX_BATCH_BYTES
        assert request <= 4 * 1024 * 1024


@given(st.integers(min_value=0, max_value=1_700))
def test_small_events_fill_whole_batches(count: int) -> None:
    sizes = [len(batch) for batch in batches(Item("", b"{}") for _ in range(count))]

    whole, rest = divmod(count, MAX_BATCH_EVENTS)
    assert sizes == [MAX_BATCH_EVENTS] * whole + ([rest] if rest else [])


def test_a_file_of_lines_is_stored_and_a_second_load_stores_nothing(
    client: Client, platform: FakePlatform, tmp_path: Path
) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(ndjson(event(number) for number in range(1_234)))

    first, second = load(client, file), load(client, file)

    assert (first.stored, first.duplicate, first.exit_code) == (1_234, 0, 0)
    assert (second.stored, second.duplicate, second.exit_code) == (0, 1_234, 0)
    assert len(platform.stored) == 1_234


def test_what_is_refused_is_told_with_its_line_and_the_rest_is_stored(
    client: Client, platform: FakePlatform, tmp_path: Path
) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(
        b"\xef\xbb\xbf"
        + ndjson([event(1)])
        + b"\n{broken\n"
        + ndjson([{"source": "shop", "id": "2"}, event(1, data={}), event(3, time="3000-01-01")])
        + orjson.dumps(event(4))
    )
    report = Recorder()

    tally = load(client, file, report)

    assert {event_id for _, event_id in platform.stored} == {"1", "4"}
    assert (tally.stored, tally.rejected, tally.conflict, tally.quarantined) == (2, 2, 1, 1)
    assert (tally.done, tally.not_stored, tally.exit_code) == (6, 4, 1)
    assert report.refusals == tally.refused
    told = {refused.where: refused for refused in tally.refused}
    assert set(told) == {"line 3", "line 4", "line 5", "line 6"}
    assert told["line 3"].problems[0].message.startswith("This is not JSON")
    assert told["line 4"].problems == (Problem("/type", "is missing", "Say what happened."),)
    assert told["line 5"].problems == (Problem("", "event-id-reused", ""),)
    assert told["line 6"].status == "quarantined"


def test_a_line_too_large_for_any_request_is_refused_and_the_next_is_loaded(
    client: Client, platform: FakePlatform, tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    large, huge = "x" * (MAX_EVENT_BYTES - 100), "x" * (MAX_EVENT_BYTES * 2)
    file.write_bytes(ndjson([event(1, data=large), event(2, data=huge), event(3)]))

    tally = load(client, file)

    assert [event_id for _, event_id in sorted(platform.stored)] == ["1", "3"]
    assert [refused.where for refused in tally.refused] == ["line 2"]
    assert "4 MiB" in tally.refused[0].problems[0].message


@pytest.mark.parametrize(
    ("content", "stored"),
    [
        (orjson.dumps(event(1), option=orjson.OPT_INDENT_2), 1),
        (orjson.dumps([event(1), event(2)]), 2),
        (b"[]", 0),
    ],
)
def test_a_json_file_holds_one_event_or_an_array(
    client: Client, tmp_path: Path, content: bytes, stored: int
) -> None:
    file = tmp_path / "events.json"
    file.write_bytes(content)

    assert load(client, file).stored == stored


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=6), st.sampled_from([None, 1]))
def test_the_members_of_an_array_are_handed_out_as_they_are_written(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], indent: int | None
) -> None:
    file = tmp_path_factory.mktemp("array") / "events.json"
    file.write_text(json.dumps(values, indent=indent), encoding="utf-8")

    items = list(read_file(file))

    bodies = [item.body for item in items if isinstance(item, Item)]
    assert [orjson.loads(body) for body in bodies] == values
    assert [item.where for item in items] == [f"item {n}" for n in range(1, len(values) + 1)]


def test_a_name_given_twice_and_a_long_number_reach_the_platform_as_written(
    client: Client, platform: FakePlatform, tmp_path: Path
) -> None:
    file = tmp_path / "events.json"
    member = b'{"source":"s","id":"1","type":"x", "n":12345678901234567890123, "n":1.10}'
    file.write_bytes(b"[" + member + b"\n]")

    load(client, file)

    assert platform.requests[0].body == member


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("events.json", b"{", "is not JSON .* line 1 column 2.*correct it there"),
        ("events.csv", b"a,b", "neither .json nor .ndjson"),
        ("online-retial", b"", "not the name of a bundled sample"),
        ("folder.ndjson", None, "cannot be read: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_sentence(
    client: Client, tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / name
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)

    with pytest.raises(FileRefused, match=sentence):
        load(client, file)


def test_a_file_that_is_not_there_is_one_sentence(client: Client, tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"There is no file .*missing\.json: check the name"):
        load(client, tmp_path / "missing.json")


def test_two_requests_are_under_way_and_never_more(client: Client, platform: FakePlatform) -> None:
    together = threading.Barrier(2)

    def meet() -> None:
        together.wait(timeout=30)

    platform.on_post = meet

    load_events(client, (event(number) for number in range(MAX_BATCH_EVENTS * 6)))

    assert platform.most_at_once == 2
    assert len(platform.requests) == 6


def test_an_interrupted_load_is_completed_by_loading_again(
    client: Client, platform: FakePlatform
) -> None:
    events = [event(number) for number in range(2_600)]

    class Interrupted(Silence):
        def progress(self, tally: Tally, total: int | None) -> None:
            if tally.done < (total or 0):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_events(client, events, Interrupted(), total=2_600)
    already = len(platform.stored)
    with Client(platform.url, platform.key) as again:
        tally = load_events(again, events)

    assert 0 < already < 2_600
    assert (tally.duplicate, tally.stored) == (already, 2_600 - already)
    assert len(platform.stored) == 2_600


def test_progress_is_told_after_every_batch_with_the_total_if_known(client: Client) -> None:
    report = Recorder()

    load_events(client, [event(number) for number in range(700)], report, total=700)

    assert report.steps == [(500, 700), (700, 700), (700, 700)]


def test_a_refused_key_ends_the_load(platform: FakePlatform) -> None:
    with Client(platform.url, "rpt_wrong") as client, pytest.raises(KeyRefused):
        load_events(client, [event(number) for number in range(3_000)])

    assert not platform.stored


def test_the_bundled_invoices_all_arrive_in_bounded_batches(
    client: Client, platform: FakePlatform
) -> None:
    report = Recorder()

    tally = load(client, "online-retail", report)

    assert (tally.stored, tally.done, tally.exit_code) == (44_876, 44_876, 0)
    assert report.steps[-1] == (44_876, 44_876)
    assert max(len(request.body) for request in platform.requests) <= MAX_BATCH_BYTES
    assert {source for source, _ in platform.stored} == {"online-retail"}
