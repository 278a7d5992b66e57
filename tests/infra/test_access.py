"""Keys, login tokens and sessions over a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from infra.plumbing.access import (
    ACTIONS,
    MAX_SECRET_CHARS,
    REMEMBERED_SECONDS,
    Access,
    Action,
    Principal,
    Role,
    SourceNotForRole,
    UnknownRole,
    create_key,
    create_login_token,
    list_keys,
    redeem,
    revoke_key,
    with_checksum,
)

if TYPE_CHECKING:
    from infra.plumbing.postgres.pool import Pool


class HandClock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_every_action_has_roles_and_an_emitter_reads_nothing() -> None:
    assert set(ACTIONS) == set(Action)
    assert [each for each, roles in ACTIONS.items() if Role.EMITTER in roles] == [
        Action.RECORD_EVENTS
    ]
    assert all(Role.ADMIN in roles for roles in ACTIONS.values())


@pytest.fixture
def pool(vault_pool: Pool) -> Pool:
    """Whoever lets people in works with the vault's login."""
    return vault_pool


@pytest.mark.parametrize("role", list(Role))
def test_a_key_of_each_role_is_known_again(pool: Pool, role: Role) -> None:
    with pool.connection() as connection:
        made = create_key(connection, role)

    assert Access(pool).verify(made.key) == Principal(role, made.id, None)
    assert made.key.startswith(f"rpt_{role}_{made.id}_")


def test_the_secret_is_stored_as_its_digest_alone_and_not_shown(pool: Pool) -> None:
    with pool.connection() as connection:
        made = create_key(connection, "emitter", "shop")
        row = connection.execute(b"SELECT k::text, digest FROM access.keys k").fetchone()

    assert row is not None
    assert made.key not in row[0]
    assert row[1] == sha256(made.key.encode()).digest()
    assert made.key not in repr(made)


def test_an_emitter_key_is_bound_to_its_source(pool: Pool) -> None:
    with pool.connection() as connection:
        made = create_key(connection, "emitter", "shop")
    holder = Access(pool).verify(made.key)

    assert holder is not None
    assert holder.may_write_for("shop")
    assert not holder.may_write_for("shop/eu")
    assert holder.may(Action.RECORD_EVENTS)
    assert not holder.may(Action.READ_PORTFOLIO)


def test_two_keys_are_never_the_same(pool: Pool) -> None:
    with pool.connection() as connection:
        made = [create_key(connection, "admin") for _ in range(20)]

    assert len({each.key for each in made}) == len({each.id for each in made}) == 20


@pytest.mark.parametrize(
    ("role", "source", "error", "words"),
    [
        ("boss", None, UnknownRole, "emitter, marketer"),
        ("admin", "shop", SourceNotForRole, "Only an emitter key"),
        ("emitter", "  ", SourceNotForRole, "empty"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_with_words(
    pool: Pool, role: str, source: str | None, error: type[Exception], words: str
) -> None:
    with pool.connection() as connection, pytest.raises(error, match=words):
        create_key(connection, role, source)


def test_a_mistyped_key_is_told_without_asking_the_database(pool: Pool) -> None:
    with pool.connection() as connection:
        key = create_key(connection, "admin").key
    pool.close()
    flipped = "0" if key[30] != "0" else "1"

    assert Access(pool).verify(key[:30] + flipped + key[31:]) is None


@pytest.mark.parametrize(
    "secret", ["", "rpt", "rpt___", "x" * (MAX_SECRET_CHARS + 1), "rpt_admin_é_1", "rps_a_b"]
)
def test_what_is_no_key_is_nobodys(pool: Pool, secret: str) -> None:
    access = Access(pool)

    assert access.verify(secret) is None
    assert access.session(secret) is None
    assert access.remembered(secret) is None


def test_a_key_with_a_right_id_and_checksum_but_another_secret_is_nobodys(pool: Pool) -> None:
    with pool.connection() as connection:
        made = create_key(connection, "admin")
    forged = with_checksum(f"rpt_admin_{made.id}_{'0' * 64}")

    assert Access(pool).verify(forged) is None


def test_keys_are_listed_without_secrets_and_with_their_end(pool: Pool) -> None:
    with pool.connection() as connection:
        first = create_key(connection, "emitter", "shop")
        second = create_key(connection, "agent")
        assert revoke_key(connection, first.id)
        assert not revoke_key(connection, first.id)
        assert not revoke_key(connection, "nobody")
        rows = {row.id: row for row in list_keys(connection)}

    assert (rows[first.id].role, rows[first.id].source) == (Role.EMITTER, "shop")
    assert rows[first.id].revoked_at is not None
    assert rows[second.id].revoked_at is None


def test_a_revoked_key_stops_at_the_next_look_and_is_not_remembered_longer(pool: Pool) -> None:
    clock = HandClock()
    access = Access(pool, clock)
    with pool.connection() as connection:
        made = create_key(connection, "agent")
    assert access.remembered(made.key) is None
    assert access.verify(made.key) is not None

    with pool.connection() as connection:
        revoke_key(connection, made.id)

    assert access.remembered(made.key) is not None
    clock.now += REMEMBERED_SECONDS
    assert access.remembered(made.key) is None
    assert access.verify(made.key) is None
    assert access.remembered(made.key) is None


def test_a_login_token_opens_one_session_once(pool: Pool) -> None:
    with pool.connection() as connection:
        token = create_login_token(connection, "admin")
        session = redeem(connection, token)
        assert redeem(connection, token) is None

    assert session is not None
    assert session.token not in repr(session)
    assert session.expires_at > datetime.now(UTC)
    holder = Access(pool).session(session.token)
    assert holder is not None
    assert holder.role is Role.ADMIN
    assert Access(pool).session(session.token[:-1] + "x") is None
    assert Access(pool).verify(session.token) is None


@pytest.mark.parametrize("token", ["", "unknown", "x" * (MAX_SECRET_CHARS + 1), "\x00"])
def test_another_token_opens_nothing(pool: Pool, token: str) -> None:
    with pool.connection() as connection:
        assert redeem(connection, token) is None


def test_a_login_token_that_is_too_old_opens_nothing(pool: Pool) -> None:
    with pool.connection() as connection:
        assert redeem(connection, create_login_token(connection, "admin", timedelta(0))) is None


def test_a_session_ends_by_itself_and_on_request(pool: Pool) -> None:
    access = Access(pool)
    with pool.connection() as connection:
        short = redeem(connection, create_login_token(connection, "admin"), timedelta(0))
        long = redeem(connection, create_login_token(connection, "admin"))
    assert short is not None
    assert long is not None

    assert access.session(short.token) is None
    assert access.session(long.token) is not None
    access.end_session(long.token)
    assert access.remembered(long.token) is None
    assert access.session(long.token) is None


def test_a_session_that_is_over_lets_nobody_in_although_its_row_still_stands(pool: Pool) -> None:
    with pool.connection() as connection:
        session = redeem(connection, create_login_token(connection, "admin"))
        assert session is not None
    assert Access(pool).session(session.token) is not None

    with pool.connection() as connection:  # no other login comes and sweeps the row away
        connection.execute(b"UPDATE access.sessions SET expires_at = now() - interval '1 second'")

    assert Access(pool).session(session.token) is None
    with pool.connection() as connection:
        assert connection.execute(b"SELECT count(*) FROM access.sessions").fetchone() == (1,)


def test_a_login_for_no_role_is_refused(pool: Pool) -> None:
    with pool.connection() as connection, pytest.raises(UnknownRole, match="Roles:"):
        create_login_token(connection, "boss")
