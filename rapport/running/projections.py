"""The projections by themselves: the worker, with or without HTTP queries and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from infra.plumbing.telemetry import configure_logging
from rapport.running.children import stop_with_parent
from rapport.running.house import open_hall, open_house
from rapport.running.serve import (
    build_app,
    in_background,
    projection_service,
    serve,
    take_port,
    url_of,
)
from rapport.running.signals import StopSignals
from services.projections.service import Folding

if TYPE_CHECKING:
    from infra.plumbing.settings import Settings


def run_projections(settings: Settings) -> None:
    """Fold and answer until SIGTERM or SIGINT."""
    configure_logging(settings.log_level)
    with (
        StopSignals() as signals,
        take_port(settings.host, settings.port) as taken,
        open_house(settings, what="rapport projections", attach=True) as house,
    ):
        service = projection_service(house)
        with in_background([("worker", service.run_worker), ("revoked keys", house.watch_keys)]):
            app = build_app(house, projections=service)
            signals.serving = True
            serve(app, taken, lambda: typer.echo(f"ready {url_of(taken)}"))


def run_worker(settings: Settings) -> None:
    """Fold, without HTTP, until SIGTERM or SIGINT, or until the parent is gone."""
    configure_logging(settings.log_level)
    with (
        StopSignals() as signals,
        open_hall(settings, what="rapport projections", attach=True) as hall,
    ):
        service = Folding(hall.ledger, hall.pool, hall.catalog)
        service.prepare()
        signals.serving = True
        stop_with_parent(signals.stop)
        service.run_worker(signals.stop)
