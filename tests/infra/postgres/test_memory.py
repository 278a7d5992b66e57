"""The embedded server's share of the memory follows the machine, and the limit of a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from infra.plumbing.postgres import memory

if TYPE_CHECKING:
    from pathlib import Path

    from infra.plumbing.postgres.supervisor import EmbeddedPostgres


@pytest.mark.parametrize(
    ("gigabytes", "share"), [(0.5, "128MB"), (4, "256MB"), (8, "512MB"), (64, "1024MB")]
)
def test_a_sixteenth_within_bounds(
    monkeypatch: pytest.MonkeyPatch, gigabytes: float, share: str
) -> None:
    monkeypatch.setattr(memory, "machine_bytes", lambda: int(gigabytes * (1 << 30)))
    assert memory.page_memory() == share


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    limit, there = tmp_path / "memory.max", memory.machine_bytes(tmp_path / "none")
    limit.write_text("1048576\n")
    assert memory.machine_bytes(limit) == 1 << 20
    limit.write_text("max\n")
    assert memory.machine_bytes(limit) == there
    limit.write_text(f"{2 * there}\n")
    assert memory.machine_bytes(limit) == there


def test_the_server_has_it(postgres_server: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres_server.superuser_conninfo()) as connection:
        query = "SELECT pg_size_bytes(current_setting('shared_buffers')) >> 20"
        assert connection.execute(query).fetchone() == (int(memory.page_memory()[:-2]),)
