"""Finds rules and channels by walking their folders: adding one is adding a file.

A file that cannot be imported stops the start: a rule that is silently absent is worse.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from typing import TYPE_CHECKING, cast

from services.notifier import channels, rules
from services.notifier.errors import NameTaken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

    from infra.plumbing.settings import Settings
    from services.notifier.alert import Rule
    from services.notifier.channel import Channel


def discover_rules() -> tuple[Rule, ...]:
    """Return the rule of every file in `rules/`, by file name. Raises NameTaken."""
    makers = (cast("Callable[[], Rule]", module.rule) for module in _walk(rules))
    found = tuple(make() for make in makers)
    refuse_twins("rules", (rule.name for rule in found))
    return found


def open_channels(settings: Settings) -> tuple[Channel, ...]:
    """Open every channel in `channels/` that `settings` ask for, by file name.

    Raises ChannelMisconfigured with the setting and the cure, or NameTaken.
    """
    openers = (
        cast("Callable[[Settings], Channel | None]", module.open_channel)
        for module in _walk(channels)
    )
    opened = (open_channel(settings) for open_channel in openers)
    found = tuple(channel for channel in opened if channel is not None)
    refuse_twins("channels", (channel.name for channel in found))
    return found


def refuse_twins(what: str, names: Iterable[str]) -> None:
    """Raise NameTaken if a name occurs twice: ids and deliveries are stored under it."""
    twins = sorted(name for name, times in Counter(names).items() if times > 1)
    if twins:
        raise NameTaken(f"Two {what} are called {', '.join(twins)}. Rename one of them.")


def _walk(package: ModuleType) -> Iterator[ModuleType]:
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        yield importlib.import_module(f"{package.__name__}.{found.name}")
