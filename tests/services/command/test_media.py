"""Which way of CloudEvents over HTTP a request takes."""

from __future__ import annotations

import pytest

from services.command.media import Mode, UnknownMediaType, event_from_headers, mode_of

ATTRIBUTES = [
    (b"ce-specversion", b"1.0"),
    (b"ce-id", b"c-1"),
    (b"ce-source", b"shop"),
    (b"ce-type", b"complaint.opened"),
    (b"ce-time", b"2026-03-01T09:30:00Z"),
    (b"ce-subject", b"crm:4711"),
]


@pytest.mark.parametrize(
    ("content_type", "mode"),
    [
        ("application/cloudevents+json", Mode.ONE),
        ("Application/CloudEvents+JSON; charset=UTF-8", Mode.ONE),
        ("application/cloudevents-batch+json", Mode.BATCH),
        ("application/x-ndjson", Mode.LINES),
    ],
)
def test_the_media_type_tells_the_way(content_type: str, mode: Mode) -> None:
    assert mode_of({"content-type": content_type}) is mode


@pytest.mark.parametrize("content_type", ["application/json", "application/vnd.shop+json"])
def test_ce_headers_with_a_json_body_are_binary_mode(content_type: str) -> None:
    assert mode_of({"content-type": content_type, "ce-id": "c-1"}) is Mode.BINARY


def test_a_structured_media_type_wins_over_ce_headers() -> None:
    headers = {"content-type": "application/cloudevents+json", "ce-id": "c-1"}
    assert mode_of(headers) is Mode.ONE


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "application/x-ndjson"),
        ({"content-type": "application/json"}, "application/cloudevents+json"),
        ({"content-type": "text/plain", "ce-id": "c-1"}, "binary mode"),
        ({"content-type": "application/x-ndjson; charset=latin1"}, "UTF-8"),
        ({"content-type": "application/x-ndjson", "content-encoding": "gzip"}, "Compressed"),
    ],
)
def test_another_way_is_refused_with_a_cure(headers: dict[str, str], words: str) -> None:
    with pytest.raises(UnknownMediaType, match=words.replace("+", r"\+")):
        mode_of(headers)


def test_binary_mode_gives_the_object_that_structured_mode_holds() -> None:
    headers = [
        *ATTRIBUTES,
        (b"ce-note", b"caf%C3%A9%20%25"),
        (b"content-type", b"application/json"),
    ]

    assert event_from_headers(headers, b'{"about": "other"}') == {
        "specversion": "1.0",
        "id": "c-1",
        "source": "shop",
        "type": "complaint.opened",
        "time": "2026-03-01T09:30:00Z",
        "subject": "crm:4711",
        "note": "café %",
        "data": {"about": "other"},
    }


def test_another_content_type_of_the_data_is_kept() -> None:
    event = event_from_headers([(b"content-type", b"application/vnd.shop+json")], b"{}")
    assert event == {"datacontenttype": "application/vnd.shop+json", "data": {}}


@pytest.mark.parametrize(
    ("header", "body", "pointer"),
    [
        ((b"ce-id", b"again"), b"{}", "/id"),
        ((b"ce-note", b"caf\xc3\xa9"), b"{}", "/note"),
        ((b"ce-note", b"%zz"), b"{}", "/note"),
        ((b"ce-note", b"%ff"), b"{}", "/note"),
        ((b"ce-data", b"{}"), b"{}", "/data"),
        ((b"ce-datacontenttype", b"application/json"), b"{}", "/datacontenttype"),
        ((b"ce-note", b"x"), b"{", "/data"),
    ],
)
def test_what_is_wrong_in_binary_mode_names_its_attribute(
    header: tuple[bytes, bytes], body: bytes, pointer: str
) -> None:
    errors = event_from_headers([*ATTRIBUTES, header], body)

    assert isinstance(errors, list)
    assert [error.pointer for error in errors] == [pointer]
