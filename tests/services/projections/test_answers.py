"""What the API answers about one customer: contract shapes, instants, waiting, refusals."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from events.identifiers import parse_identifier
from services.projections import routes
from tests.services.projections.house import complaint, money, new_event, purchase

if TYPE_CHECKING:
    from uuid import UUID

    from tests.services.projections.house import House

ADA = "/customers/crm:ada-lovelace"


@pytest.fixture
def ada(house: House) -> UUID:
    """A customer who bought four times and complained."""
    ada = house.person("crm:ada-lovelace")
    months = ("2025-10-01", "2025-11-01", "2025-12-01", "2026-01-01")
    house.record(*(purchase(ada, at, "12.30") for at in months), complaint(ada, "2026-02-01"))
    house.fold()
    return ada


def points(answer: dict[str, Any]) -> Decimal:
    return sum((Decimal(line["points"]) for line in answer["contributions"]), Decimal(0))


def test_a_customer_is_told_by_counts_and_a_pseudonym(house: House, ada: UUID) -> None:
    answer = house.read(ADA)
    assert answer == {
        "id": str(ada),
        "customer": str(ada),
        "label": str(ada)[:8],
        "first_seen": "2025-10-01T00:00:00Z",
        "last_seen": "2026-02-01T00:00:00Z",
        "events": 5,
        "purchases": 4,
        "last_purchase": "2026-01-01T00:00:00Z",
        "last_contact": None,
        "spend": {"amount": "49.20", "currency": "GBP"},
        "simulated": 0,
        "identifiers": ["crm:•••ce"],
        "as_of": "2026-03-01T12:00:00Z",
        "position": 5,
    }
    assert house.read(f"/customers/{ada}") == answer


def test_a_customer_is_told_as_of_an_earlier_instant(house: House, ada: UUID) -> None:
    answer = house.read(ADA, as_of="2025-11-15T00:00:00Z")
    assert (answer["events"], answer["last_seen"]) == (2, "2025-11-01T00:00:00Z")
    before_anything = house.read(ADA, as_of="2020-01-01T00:00:00Z")
    assert (before_anything["events"], before_anything["first_seen"]) == (0, None)


def test_health_has_the_contracts_keys_and_its_explanation_sums_to_it(
    house: House, ada: UUID
) -> None:
    health = house.read(f"{ADA}/health")
    assert set(health) == {
        *("value", "status", "coverage", "groups", "policy_version", "as_of", "position"),
        "simulated",
    }
    explained = house.read(f"{ADA}/health/explain")
    assert {line["kind"] for line in explained["contributions"]} >= {"base", "event"}
    assert explained["value"] == health["value"]
    assert points(explained) == Decimal(str(health["value"]))


@pytest.mark.parametrize("as_of", ["2025-10-01T00:00:00Z", "2026-01-31T00:00:00Z"])
def test_an_earlier_instants_health_is_folded_again_and_explained_alike(
    house: House, ada: UUID, as_of: str
) -> None:
    health = house.read(f"{ADA}/health", as_of=as_of)
    explained = house.read(f"{ADA}/health/explain", as_of=as_of)
    assert health["as_of"] == as_of
    assert points(explained) == Decimal(str(health["value"]))


def test_a_complaint_lowers_health_and_the_change_splits_without_remainder(
    house: House, ada: UUID
) -> None:
    before = house.read(f"{ADA}/health", as_of="2026-01-31T00:00:00Z")
    after = house.read(f"{ADA}/health", as_of="2026-02-02T00:00:00Z")
    assert after["value"] < before["value"]
    change = house.read(
        f"{ADA}/health/explain", from_="2026-01-31T00:00:00Z", to="2026-02-02T00:00:00Z"
    )
    split = {cause: Decimal(part) for cause, part in change["split"].items()}
    assert set(split) == {
        *("behaviour", "ageing", "policy", "identity", "lateness", "erasure", "override"),
    }
    assert sum(split.values()) == Decimal(change["change"])
    assert Decimal(change["change"]) == Decimal(str(after["value"])) - Decimal(str(before["value"]))
    assert split["behaviour"] < 0


def test_what_was_not_recorded_yet_is_not_known_then(house: House, ada: UUID) -> None:
    known_at = datetime.now(UTC)
    house.record(purchase(ada, "2025-09-01", event_id="late"))
    house.fold()
    told = house.read(ADA, known_at=known_at.isoformat())
    assert (told["events"], told["first_seen"]) == (5, "2025-10-01T00:00:00Z")
    assert house.read(ADA)["first_seen"] == "2025-09-01T00:00:00Z"
    timeline = house.read(f"{ADA}/timeline", known_at=known_at.isoformat())
    assert len(timeline["items"]) == 5


@pytest.mark.parametrize("known_at", [{}, {"known_at": "2100-01-01T00:00:00Z"}])
def test_what_is_recorded_and_not_folded_yet_is_in_no_answer(
    house: House, ada: UUID, known_at: dict[str, str]
) -> None:
    """Each answer stands at the position it names, whether it is read or folded for the asker."""
    window = {"as_of": "2026-02-20T00:00:00Z", **known_at}
    kinds = ("", "/timeline", "/health", "/health/explain", "/wallet-share", "/rhythm", "/signals")
    paths = [*(f"{ADA}{kind}" for kind in kinds), "/customers", "/portfolio", "/signals"]
    before = [house.read(path, **window) for path in paths]
    house.record(purchase(ada, "2026-02-10", "900.00"), complaint(ada, "2026-02-11"))

    assert [house.read(path, **window) for path in paths] == before
    house.fold()
    after = [house.read(path, **window) for path in paths]
    assert sum(then != now for then, now in zip(before, after, strict=True)) >= len(kinds) - 1


def test_a_name_that_was_not_known_yet_is_not_shown_then(house: House, ada: UUID) -> None:
    before = house.read(ADA)["identifiers"]
    known_at = datetime.now(UTC)
    [person] = house.vault.people(
        [[parse_identifier(ADA.rpartition("/")[2]), parse_identifier("loyalty:778899")]]
    )
    assert person is not None
    assert person.stream == ada

    [then] = house.read("/customers", known_at=known_at.isoformat())["items"]
    assert house.read(ADA, known_at=known_at.isoformat())["identifiers"] == before
    assert then["identifiers"] == before
    [now] = house.read("/customers")["items"]
    assert len(now["identifiers"]) == len(house.read(ADA)["identifiers"]) == len(before) + 1


def test_the_timeline_comes_newest_first_in_pages_of_one_moment(house: House, ada: UUID) -> None:
    first = house.read(f"{ADA}/timeline", limit=2)
    assert [item["type"] for item in first["items"]] == ["complaint.opened", "purchase.completed"]
    house.record(purchase(ada, "2026-02-15"))
    house.fold()
    rest = house.read(f"{ADA}/timeline", limit=2, cursor=first["next"])
    last = house.read(f"{ADA}/timeline", limit=2, cursor=rest["next"])
    days = [item["occurred_at"][:10] for page in (first, rest, last) for item in page["items"]]
    assert days == ["2026-02-01", "2026-01-01", "2025-12-01", "2025-11-01", "2025-10-01"]
    assert last["next"] is None
    assert all(item["sentence"] for item in first["items"])


def test_the_timeline_can_be_narrowed_to_a_type_or_to_what_is_simulated(
    house: House, ada: UUID
) -> None:
    house.record(purchase(ada, "2026-02-20", source="simulator/sample-1"))
    house.fold()
    only = house.read(f"{ADA}/timeline", type="complaint.opened")
    assert [item["type"] for item in only["items"]] == ["complaint.opened"]
    made_up = house.read(f"{ADA}/timeline", simulated=True)
    assert [(item["simulated"], item["source"]) for item in made_up["items"]] == [
        (True, "simulator/sample-1")
    ]
    assert house.read(ADA)["simulated"] == 1


def test_wallet_share_is_unknown_until_there_is_evidence(house: House, ada: UUID) -> None:
    [share] = house.read(f"{ADA}/wallet-share")["items"]
    assert (share["category"], share["basis"], share["value"]) == ("gifts", "unknown", None)
    assert share["next_question"]
    data = {"category": "gifts", "period": "2025-Q4", "total": money("73.80")}
    house.record(new_event(ada, "wallet.stated", "2026-01-02", data))
    house.fold()
    [share] = house.read(f"{ADA}/wallet-share")["items"]
    assert (share["basis"], share["value"]) == ("measured", 0.5)
    assert share["low"] < 0.5 < share["high"]


def test_rhythm_tells_the_sufficient_statistics(house: House, ada: UUID) -> None:
    rhythm = house.read(f"{ADA}/rhythm")
    assert rhythm["x"] == 3
    assert rhythm["t_x"] == pytest.approx(92 / 7)
    assert rhythm["mean_repeat_spend"] == {"amount": "12.30", "currency": "GBP"}
    with house.pool.connection() as connection:
        query = b"SELECT x, t_x_weeks, mean_repeat_spend, currency FROM read.purchase_rhythm"
        assert connection.execute(query).fetchone() == (3, 92 / 7, Decimal("12.30"), "GBP")


def test_open_signals_are_told_with_their_reason_and_whether_anybody_was_alerted(
    house: House, ada: UUID
) -> None:
    items = {item["kind"]: item for item in house.read(f"{ADA}/signals")["items"]}
    signal = items["complaint_unresolved"]
    assert (signal["status"], signal["alerted"], signal["raised_at"]) == ("open", False, None)
    assert signal["reason"]
    assert signal["contributing"]


def test_an_answer_says_how_far_it_is_folded_and_is_not_sent_twice(house: House, ada: UUID) -> None:
    answer = house.get(f"{ADA}/health")
    assert answer.headers["x-position"] == "5"
    etag = answer.headers["etag"]
    again = house.get(f"{ADA}/health", headers={"if-none-match": f'"other", {etag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == etag
    house.record(complaint(ada, "2026-02-25"))
    house.fold()
    changed = house.get(f"{ADA}/health", headers={"if-none-match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


def test_a_reader_can_wait_for_what_was_just_written(
    house: House, ada: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = house.record(complaint(ada, "2026-02-25"))
    folding = Thread(target=house.fold)
    folding.start()
    answer = house.get(ADA, min_position=position)
    folding.join()
    assert (answer.status_code, answer.json()["events"]) == (200, 6)
    monkeypatch.setattr(routes, "WAIT_SECONDS", 0.2)
    refused = house.get(ADA, min_position=position + 1)
    assert refused.status_code == 409
    assert refused.json()["type"] == "not-yet-visible"


@pytest.mark.parametrize("ref", ["crm:nobody", "00000000-0000-4000-8000-000000000000", "ada"])
@pytest.mark.parametrize("tail", ["", "/timeline", "/health", "/health/explain", "/signals"])
def test_nobody_is_answered_with_a_404_problem(house: House, ref: str, tail: str) -> None:
    answer = house.get(f"/customers/{ref}{tail}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert ref not in answer.text


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"as_of": "2025-11-15T00:00:00"}, "/query/as_of"),
        ({"as_of": "1763164800"}, "/query/as_of"),
        ({"known_at": "2025-11-15"}, "/query/known_at"),
        ({"policy": "fancy/9"}, "/query/policy"),
    ],
)
def test_a_question_that_cannot_be_meant_is_refused_with_a_cure(
    house: House, ada: UUID, query: dict[str, str], pointer: str
) -> None:
    answer = house.get(f"{ADA}/health", **query)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert error["cure"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/health/explain", {"to": "2026-02-02T00:00:00Z"}),
        ("/health/explain", {"from": "2026-02-02T00:00:00Z", "to": "2026-01-02T00:00:00Z"}),
        ("/timeline", {"cursor": "nonsense"}),
        ("/timeline", {"cursor": "WyJ0aW1lbGluZSIsIjIwMjYtMDMtMDFUMTI6MDA6MDBaIixbIngiLDFdXQ"}),
        ("/timeline", {"limit": 0}),
    ],
)
def test_so_are_questions_that_contradict_themselves(
    house: House, ada: UUID, path: str, query: dict[str, Any]
) -> None:
    assert house.get(f"{ADA}{path}", **query).status_code == 422


def test_only_roles_that_may_read_a_customer_are_answered(house: House, ada: UUID) -> None:
    assert house.get(f"{ADA}/health", role="emitter").status_code == 403
    assert house.get(f"{ADA}/health", role="agent").status_code == 200
    assert house.client.get(f"/v1{ADA}/health", params={"min_position": 9}).status_code == 401


def test_a_score_as_known_then_is_not_moved_by_what_others_told_later(
    house: House, ada: UUID
) -> None:
    bob = house.person("crm:bob")
    window = {"as_of": "2026-02-15T00:00:00Z", "known_at": datetime.now(UTC).isoformat()}
    before = house.read(f"{ADA}/health", **window)
    why = house.read(f"{ADA}/health/explain", **window)
    house.record(*(complaint(bob, f"2026-02-{day:02}") for day in range(2, 14)))
    house.fold()
    after = house.read(f"{ADA}/health", **window)
    for answer in (before, after):
        del answer["position"]
    assert after == before
    again = house.read(f"{ADA}/health/explain", **window)
    assert again["contributions"] == why["contributions"]


def test_a_line_is_simulated_by_its_own_source_not_by_another_events_id(
    house: House, ada: UUID
) -> None:
    house.record(complaint(ada, "2026-02-02", event_id="twin"))
    house.record(complaint(ada, "2026-02-03", event_id="twin", source="simulator/sample-1"))
    house.fold()
    lines = house.read(f"{ADA}/health/explain")["contributions"]
    told = {line["source"]: line["simulated"] for line in lines if line["event_id"] == "twin"}
    assert told == {complaint(ada, "2026-02-02").source: False, "simulator/sample-1": True}


def test_a_mistyped_parameter_is_refused_and_the_known_ones_are_named(
    house: House, ada: UUID
) -> None:
    answer = house.get(f"{ADA}/health", asof="2026-01-01T00:00:00Z")
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/query/asof"
    assert "as_of" in error["cure"]


def test_every_answer_about_a_customer_says_whether_made_up_facts_are_in_it(
    house: House, ada: UUID
) -> None:
    tails = ("health", "health/explain", "wallet-share", "signals")
    assert not any(house.read(f"{ADA}/{tail}")["simulated"] for tail in tails)
    house.record(complaint(ada, "2026-02-03", source="simulator/sample-1"))
    house.fold()
    assert all(house.read(f"{ADA}/{tail}")["simulated"] for tail in tails)
