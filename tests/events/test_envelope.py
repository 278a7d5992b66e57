"""An event's envelope is read as CloudEvents 1.0, or every fault in it is named."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.envelope import Envelope, canonical, read_envelope

if TYPE_CHECKING:
    from events.errors import FieldError

CANARY = "canary-7f31"
MISSING = object()


def event(**changes: Any) -> dict[str, Any]:
    whole = {
        "specversion": "1.0",
        "id": "order-536365",
        "source": "shop",
        "type": "purchase.completed",
        "time": "2010-12-01T08:26:00+01:00",
        "subject": "email: Ada@Example.org",
        "data": {"order_id": "536365"},
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not MISSING}


def accepted(obj: object) -> Envelope:
    envelope = read_envelope(obj)
    assert isinstance(envelope, Envelope), envelope
    return envelope


def refused(obj: object) -> list[FieldError]:
    errors = read_envelope(obj)
    assert isinstance(errors, list)
    assert errors
    return errors


def test_an_event_is_read_with_its_time_in_utc_and_its_subject_in_one_spelling() -> None:
    envelope = accepted(event())
    assert envelope.time == datetime(2010, 12, 1, 7, 26, tzinfo=UTC)
    assert envelope.time_text == "2010-12-01T08:26:00+01:00"
    assert envelope.subject == "email: Ada@Example.org"
    assert str(envelope.who) == "email:ada@example.org"
    assert (envelope.id, envelope.source) == ("order-536365", "shop")
    assert envelope.data == {"order_id": "536365"}
    assert envelope.schema is None
    assert envelope.extensions == {}
    assert envelope.datacontenttype == "application/json"


def test_attributes_of_ones_own_are_kept_as_sent() -> None:
    own = {"traceparent": "00-ab-cd-01", "sequence": 7, "sampled": True, "empty": ""}
    assert accepted(event(**own)).extensions == own


def test_an_optional_attribute_that_is_null_counts_as_absent() -> None:
    envelope = accepted(event(dataschema=None, datacontenttype=None, partitionkey=None))
    assert envelope.extensions == {}
    assert envelope.schema is None


@pytest.mark.parametrize(
    "text",
    [
        "1-0-0",
        "https://example.org/v1/schemas/purchase.completed/1-0-0",
        "purchase.completed/1-0-0",
    ],
)
def test_a_dataschema_names_the_version(text: str) -> None:
    assert accepted(event(dataschema=text)).schema == "1-0-0"


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "application/JSON; charset=utf-8", "application/vnd.shop.v1+json"],
)
def test_data_of_any_json_media_type_is_read(media_type: str) -> None:
    assert accepted(event(datacontenttype=media_type)).datacontenttype == media_type


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "time", "subject", "data"])
def test_each_required_attribute_is_missed_by_name(name: str) -> None:
    [error] = refused(event(**{name: MISSING}))
    assert error.pointer == f"/{name}"
    assert error.message == f"{name} is missing."
    assert error.cure.startswith(f"Add {name}: ")


@pytest.mark.parametrize(
    ("changes", "pointer", "message", "cure"),
    [
        ({"specversion": "0.3"}, "/specversion", "not the one read here", '"1.0"'),
        ({"specversion": 1.0}, "/specversion", "not the one read here", '"1.0"'),
        ({"id": ""}, "/id", "empty or too long", "1 to 256"),
        ({"id": "x" * 257}, "/id", "empty or too long", "1 to 256"),
        ({"id": 536365}, "/id", "not text", "as text"),
        ({"id": "a\nb"}, "/id", "control character", "plain text"),
        ({"id": "a\0b"}, "/id", "control character", "plain text"),
        ({"id": "a\ud800b"}, "/id", "control character", "plain text"),
        ({"id": "ada@example.org/7"}, "/id", "e-mail address", "hash"),
        ({"id": None}, "/id", "not text", "as text"),
        ({"source": "x" * 257}, "/source", "empty or too long", "1 to 256"),
        ({"source": ["shop"]}, "/source", "not text", "as text"),
        ({"source": "crm of ada@example.org"}, "/source", "e-mail address", "system"),
        ({"sentby": "ada@example.org"}, "/sentby", "e-mail address", "personal field"),
        ({"type": "PurchaseCompleted"}, "/type", "not an event type's name", "lower-case"),
        ({"type": "purchase"}, "/type", "not an event type's name", "lower-case"),
        ({"type": "a." + "b" * 99}, "/type", "not an event type's name", "lower-case"),
        ({"time": 1291191960}, "/time", "epoch", "RFC 3339"),
        ({"time": "1291191960"}, "/time", "epoch", "RFC 3339"),
        ({"time": "2010-12-01T08:26:00"}, "/time", "no offset", "Z for UTC"),
        ({"time": "2010-12-01"}, "/time", "no offset", "Z for UTC"),
        ({"time": "2010-12-01 08:26:00Z"}, "/time", "space", "Put a T"),
        ({"time": "2010-02-30T08:26:00Z"}, "/time", "does not exist", "day"),
        ({"time": "2016-12-31T23:59:60Z"}, "/time", "leap second", "second before"),
        ({"subject": "536365"}, "/subject", "no kind", "kind:value"),
        ({"subject": "name:Ada"}, "/subject", "no kind", "kind:value"),
        ({"subject": "email:ada"}, "/subject", "not an e-mail", "email:name@"),
        ({"subject": "crm:"}, "/subject", "empty", "after the colon"),
        ({"subject": "customer:7"}, "/subject", "UUID", "UUID"),
        ({"data": []}, "/data", "not an object", "object"),
        ({"data": None}, "/data", "not an object", "object"),
        ({"data": '{"a":1}'}, "/data", "not an object", "object"),
        ({"dataschema": "2.1"}, "/dataschema", "names no version", '"1-0-0"'),
        ({"dataschema": "x/promise.kept/1-0-0"}, "/dataschema", "of another type", "own type"),
        ({"dataschema": 1}, "/dataschema", "not text", "as text"),
        ({"datacontenttype": "text/plain"}, "/datacontenttype", "not JSON", "application/json"),
        ({"data_base64": "e30="}, "/data_base64", "Binary", '"data"'),
        ({"originalsubject": "x"}, "/originalsubject", "reserved", "Leave it out"),
        ({"traceParent": "x"}, "", "does not allow", "lower-case letters"),
        ({"order_id": "x"}, "", "does not allow", "belong in data"),
        ({"x" * 65: "x"}, "", "does not allow", "1 to 64"),
        ({"sequence": 1.5}, "/sequence", "does not have", "32 bits"),
        ({"sequence": 2**31}, "/sequence", "does not have", "32 bits"),
        ({"own": {"a": 1}}, "/own", "does not have", "text"),
        ({"own": "x" * 1025}, "/own", "too long", "1024"),
        ({f"x{n}": "x" for n in range(33)}, "", "too many attributes", "at most 32"),
    ],
)
def test_each_fault_is_told_with_its_place_and_a_cure(
    changes: dict[str, Any], pointer: str, message: str, cure: str
) -> None:
    [error] = refused(event(**changes))
    assert error.pointer == pointer
    assert message in error.message
    assert cure in error.cure


@pytest.mark.parametrize("obj", [None, 1, "event", [event()], True])
def test_what_is_no_object_is_no_event(obj: object) -> None:
    [error] = refused(obj)
    assert error.pointer == ""


def test_all_faults_of_an_envelope_are_told_at_once() -> None:
    errors = refused({"id": 7, "time": 7, "Order": 1})
    assert [error.pointer for error in errors] == [
        "/specversion",
        "/id",
        "/source",
        "/type",
        "/time",
        "/subject",
        "/data",
        "",
    ]


@pytest.mark.parametrize(
    "name", ["specversion", "id", "type", "time", "subject", "data", "dataschema", "own"]
)
@pytest.mark.parametrize("value", [f"{CANARY}@example.org\n", [CANARY], {CANARY: CANARY}])
def test_no_fault_repeats_a_value(name: str, value: object) -> None:
    if (name, type(value)) != ("data", dict):
        assert CANARY not in repr(refused(event(**{name: value})))


leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
)
json_values = (
    leaves | st.lists(leaves, max_size=2) | st.dictionaries(st.text(max_size=4), leaves, max_size=2)
)
names = st.sampled_from([*event(), "dataschema", "datacontenttype", "own", "Own", "", "a b"])


@given(st.dictionaries(names, json_values, max_size=4), st.sampled_from([event(), {}]))
def test_anything_is_either_an_event_or_a_list_of_faults(
    changes: dict[str, Any], start: dict[str, Any]
) -> None:
    obj = {**start, **changes}
    answer = read_envelope(obj)
    assert isinstance(answer, Envelope) or answer
    if isinstance(answer, Envelope):
        assert answer.id == obj["id"]


@given(
    st.dictionaries(
        st.text(max_size=5), st.integers(-(2**53), 2**53) | st.text(max_size=5), max_size=6
    )
)
def test_canonical_bytes_do_not_know_the_order_of_names(obj: dict[str, Any]) -> None:
    backwards = dict(reversed(obj.items()))
    assert canonical(obj) == canonical(backwards)
    assert orjson.loads(canonical(obj)) == obj
