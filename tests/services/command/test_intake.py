"""Which events may be recorded, from bytes alone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.catalog import catalog
from events.identifiers import Identifier
from services.command.intake import (
    MAX_EVENTS,
    Accepted,
    Refused,
    Rejected,
    ahead,
    foreign,
    identifiers_of,
    others_in,
    read_request,
)
from services.command.media import Mode
from tests.services.command.house import NOW, attributes, complaint

if TYPE_CHECKING:
    from services.command.intake import Item


def read(mode: Mode, body: bytes) -> list[Item]:
    return read_request(mode, [], body, catalog())


def one(event: object) -> Item:
    [item] = read(Mode.ONE, orjson.dumps(event))
    return item


def accepted(event: object) -> Accepted:
    item = one(event)
    assert isinstance(item, Accepted)
    return item


def pointers(item: Item) -> list[str]:
    assert isinstance(item, Rejected)
    assert all(error.message and error.cure for error in item.errors)
    return [error.pointer for error in item.errors]


def test_every_example_of_every_type_is_accepted_as_it_was_sent() -> None:
    for kind in catalog().types():
        for example in kind.examples:
            event = complaint(type=kind.type, dataschema=kind.version, data=example)
            item = accepted(event)

            assert item.event == event
            assert orjson.loads(item.written) == event
            assert (item.kind.type, item.kind.version) == (kind.type, kind.version)


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "time", "subject", "data"])
def test_a_missing_attribute_is_named(name: str) -> None:
    assert pointers(one(complaint(**{name: None}))) == [f"/{name}"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"time": 1_772_357_400}, "/time"),
        ({"time": "1772357400"}, "/time"),
        ({"time": "2026-03-01T09:30:00"}, "/time"),
        ({"id": 7}, "/id"),
        ({"id": ""}, "/id"),
        ({"id": "a\x00b"}, "/id"),
        ({"source": "sh\x00op"}, "/source"),
        ({"type": "complaint.opend"}, "/type"),
        ({"dataschema": "9-0-0"}, "/dataschema"),
        ({"subject": "4711"}, "/subject"),
        ({"subject": "customer:me"}, "/subject"),
        ({"originalsubject": "email:a@b.org"}, "/originalsubject"),
        ({"data": []}, "/data"),
        ({"data": {"complaint_id": "k-1", "about": "delivery", "more": 1}}, "/data/more"),
        ({"data": {"complaint_id": "k-1", "about": 1}}, "/data/about"),
        ({"data": {"complaint_id": "k-1", "about": "other", "text": "\x00"}}, "/data/text"),
    ],
)
def test_a_bad_field_is_named_by_its_pointer(changes: dict[str, Any], pointer: str) -> None:
    assert pointers(one(complaint(**changes))) == [pointer]


def test_negative_money_is_named() -> None:
    [kind] = [each for each in catalog().types() if each.type == "purchase.completed"]
    data = {**kind.examples[0], "total": {"amount": "-1.00", "currency": "GBP"}}

    assert pointers(one(complaint(type=kind.type, data=data))) == ["/data/total/amount"]


def test_a_rejected_event_keeps_its_id_so_that_it_can_be_found_again() -> None:
    item = one(complaint(time=None))
    assert isinstance(item, Rejected)
    assert (item.event_id, item.problem) == ("c-1", "invalid-event")


@pytest.mark.parametrize("identity", [7, "", "x" * 257, None, ["c-1"]])
def test_an_id_that_is_none_is_not_repeated(identity: object) -> None:
    item = one(complaint(id=identity))
    assert isinstance(item, Rejected)
    assert item.event_id is None


def test_broken_json_is_a_problem_of_its_own() -> None:
    [item] = read(Mode.ONE, b'{"id": ')
    assert isinstance(item, Rejected)
    assert (item.problem, pointers(item)) == ("broken-json", [""])


def test_an_array_where_one_event_belongs_says_how_to_send_a_batch() -> None:
    item = one([complaint()])
    assert isinstance(item, Rejected)
    assert Mode.BATCH.value in item.errors[0].cure


def test_a_repeated_member_is_refused_and_not_silently_dropped() -> None:
    raw = orjson.dumps(complaint()).replace(b'"id":"c-1"', b'"id":"c-1","id":"c-2"')
    [item] = read(Mode.ONE, raw)

    assert pointers(item) == ["/id"]


def test_an_event_nested_too_deeply_is_rejected() -> None:
    [item] = read(Mode.ONE, b'{"id":"c-1","data":' + b"[" * 300 + b"]" * 300 + b"}")

    assert pointers(item) == [""]
    assert item.event_id == "c-1"


def test_a_batch_judges_each_event_by_itself_and_in_order() -> None:
    raw = b"[%b, 7, %b, %b]" % (
        orjson.dumps(complaint(id="a")),
        orjson.dumps(complaint(id="b")).replace(b'"id"', b'"type":"x","id"'),
        orjson.dumps(complaint(id="c")),
    )
    items = read(Mode.BATCH, raw)

    assert [type(item) for item in items] == [Accepted, Rejected, Rejected, Accepted]
    assert [item.event_id for item in items] == ["a", None, "b", "c"]
    assert [pointers(items[1]), pointers(items[2])] == [[""], ["/type"]]


def test_one_event_too_deep_does_not_touch_the_others_of_its_batch() -> None:
    deep = b'{"id":"deep","data":' + b"[" * 300 + b"]" * 300 + b"}"
    items = read(Mode.BATCH, b"[%b,%b]" % (deep, orjson.dumps(complaint())))

    assert [item.event_id for item in items] == ["deep", "c-1"]
    assert [type(item) for item in items] == [Rejected, Accepted]


@pytest.mark.parametrize("raw", [b"{}", b"7", b'"x"', b"null"])
def test_a_batch_that_is_no_array_is_refused_as_a_whole(raw: bytes) -> None:
    with pytest.raises(Refused, match="array") as caught:
        read(Mode.BATCH, raw)
    assert caught.value.problem == "invalid-event"


def test_a_batch_of_broken_json_is_refused_as_a_whole() -> None:
    with pytest.raises(Refused) as caught:
        read(Mode.BATCH, b"[%b, {]" % orjson.dumps(complaint()))
    assert (caught.value.problem, caught.value.errors[0].pointer) == ("broken-json", "")


@pytest.mark.parametrize("mode", [Mode.BATCH, Mode.LINES])
def test_the_limit_of_events_is_told(mode: Mode) -> None:
    full = b"[" + b",".join([b"1"] * MAX_EVENTS) + b"]" if mode is Mode.BATCH else b"1\n" * 1000
    more = full.replace(b"1", b"1,1", 1) if mode is Mode.BATCH else full + b"1"

    assert len(read(mode, full)) == MAX_EVENTS
    with pytest.raises(Refused, match="1000 events") as caught:
        read(mode, more)
    assert caught.value.problem == "too-large"


@pytest.mark.parametrize(
    ("mode", "raw"), [(Mode.BATCH, b"[]"), (Mode.LINES, b""), (Mode.LINES, b"\n\r\n ")]
)
def test_nothing_is_an_empty_batch(mode: Mode, raw: bytes) -> None:
    assert read(mode, raw) == []


def test_a_broken_line_is_rejected_with_its_number_and_the_others_stand() -> None:
    good = orjson.dumps(complaint())
    items = read(Mode.LINES, b"\xef\xbb\xbf%b\r\n\n{broken\n\xff\n%b" % (good, good))

    assert [type(item) for item in items] == [Accepted, Rejected, Rejected, Accepted]
    assert [item.line for item in items if isinstance(item, Rejected)] == [3, 4]
    assert [item.problem for item in items if isinstance(item, Rejected)] == ["broken-json"] * 2


def test_binary_mode_is_the_same_event_as_structured_mode() -> None:
    event = complaint()
    headers = [(name.encode(), value.encode()) for name, value in attributes(event).items()]
    body = orjson.dumps(event["data"])
    [item] = read_request(Mode.BINARY, headers, body, catalog())

    assert isinstance(item, Accepted)
    assert item.written == accepted(event).written


def test_losses_in_the_data_of_binary_mode_are_found_under_data() -> None:
    headers = [(name.encode(), value.encode()) for name, value in attributes(complaint()).items()]
    [item] = read_request(Mode.BINARY, headers, b'{"about": 1, "about": 2}', catalog())

    assert pointers(item) == ["/data/about"]


@given(st.binary(max_size=200), st.sampled_from([Mode.ONE, Mode.BATCH, Mode.LINES]))
def test_no_bytes_at_all_can_do_more_than_be_refused(raw: bytes, mode: Mode) -> None:
    try:
        items = read(mode, raw)
    except Refused:
        return
    assert all(isinstance(item, Rejected) and item.errors for item in items)


@given(
    st.sampled_from(sorted(complaint())),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
    ),
)
def test_any_value_in_any_attribute_is_accepted_or_rejected_with_words(
    name: str, value: Any
) -> None:
    [item] = read(Mode.ONE, json.dumps(complaint() | {name: value}).encode())
    assert isinstance(item, Accepted) or all(error.cure for error in item.errors)


@pytest.mark.parametrize(
    "source",
    [
        "rapport",
        "rapport/signals",
        "Rapport",
        "RAPPORT/signals",
        "rapport ",
        " rapport",
        "rapport:x",
        "rapport /x",
    ],
)
def test_nobody_outside_writes_for_the_platforms_own_sources(source: str) -> None:
    item = foreign(one(complaint(source=source)), None)
    assert isinstance(item, Rejected)
    assert (item.problem, pointers(item)) == ("forbidden", ["/source"])


def test_a_bound_key_writes_for_its_own_source_alone() -> None:
    mine, other = one(complaint(source="shop")), one(complaint(source="rapports"))

    assert foreign(mine, "shop") is mine
    assert foreign(other, None) is other
    assert pointers(foreign(other, "shop")) == ["/source"]


def test_a_time_may_lie_five_minutes_ahead_and_no_more() -> None:
    assert not ahead(NOW + timedelta(minutes=5), NOW)
    assert ahead(NOW + timedelta(minutes=5, microseconds=1), NOW)


def test_the_subject_comes_first_among_a_customers_names() -> None:
    data = {"complaint_id": "k-1", "about": "other", "identifiers": ["email:A@b.org", "crm:4711"]}
    item = accepted(complaint(subject="phone:+44 20 7946 0000", data=data))

    assert identifiers_of(item) == [
        Identifier("phone", "+442079460000"),
        Identifier("email", "a@b.org"),
        Identifier("crm", "4711"),
    ]


def test_every_other_person_named_in_an_event_is_found_with_its_pointer() -> None:
    data = {
        "referral_id": "r-1",
        "referred": "email:Bob@example.org",
        "parties": [
            {"role": "witness", "identifier": "crm:1"},
            {"role": "friend", "identifier": "email:bob@example.org"},
        ],
    }
    item = accepted(complaint(type="referral.made", data=data))

    assert others_in(item) == {
        Identifier("email", "bob@example.org"): "/data/referred",
        Identifier("crm", "1"): "/data/parties/0/identifier",
    }


def test_nobody_outside_may_record_what_the_platform_concludes() -> None:
    kind = catalog().latest("churn_signal.raised")
    item = foreign(accepted(complaint(type=kind.type, data=kind.examples[0])), None)
    assert pointers(item) == ["/type"]
