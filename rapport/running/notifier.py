"""The notifier by itself: churn signals to alerts, alerts to channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.plumbing.telemetry import configure_logging
from rapport.running.children import stop_with_parent
from rapport.running.house import open_hall
from rapport.running.signals import StopSignals
from services.notifier.discovery import open_channels
from services.notifier.service import NotifierService

if TYPE_CHECKING:
    from infra.plumbing.settings import Settings


def run_notifier(settings: Settings) -> None:
    """Turn churn signals into alerts and deliver them until asked to stop."""
    configure_logging(settings.log_level)
    with (
        StopSignals() as signals,
        open_hall(settings, what="rapport notifier", attach=True) as hall,
    ):
        service = NotifierService(hall.ledger, hall.pool, open_channels(settings))
        signals.serving = True
        stop_with_parent(signals.stop)
        service.run(signals.stop)
