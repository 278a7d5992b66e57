"""A served site over made-up figures, a signed-in browser page, and what it did on the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.services.projections.web import chromium
from tests.services.projections.web.fake import FakeAnswers
from tests.services.projections.web.served import served

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

    from infra.plumbing.postgres.pool import Pool
    from tests.services.projections.web.served import Site


@dataclass
class Witness:
    """What a page asked of the network and said on its console."""

    requested: list[str] = field(default_factory=list[str])
    said: list[str] = field(default_factory=list[str])

    def watch(self, page: Page) -> None:
        def heard(message: ConsoleMessage) -> None:
            self.said.append(message.text)

        def asked(request: Request) -> None:
            self.requested.append(request.url)

        page.on("console", heard)
        page.on("request", asked)

    @property
    def hosts(self) -> set[str | None]:
        return {urlsplit(url).hostname for url in self.requested}


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """One headless Chromium for the tests of a file."""
    with chromium.browser() as opened:
        yield opened


@pytest.fixture
def answers() -> FakeAnswers:
    """About six thousand made-up customers; a test may change them before it opens a page."""
    return FakeAnswers()


@pytest.fixture
def pool(vault_pool: Pool) -> Pool:
    """Whoever lets people in works with the vault's login."""
    return vault_pool


@pytest.fixture
def site(answers: FakeAnswers, pool: Pool) -> Generator[Site]:
    """The pages over `answers`, on a loopback port."""
    with served(answers, pool) as running:
        yield running


@pytest.fixture
def witness() -> Witness:
    """What all pages of the test did."""
    return Witness()


@pytest.fixture
def signed_in(browser: Browser, site: Site, witness: Witness) -> Generator[Callable[..., Page]]:
    """Opens a browser page that came in by a login address: `signed_in(scheme=, width=)`."""
    contexts: list[BrowserContext] = []

    def open_page(scheme: str = "light", width: int = 1280, role: str = "admin") -> Page:
        context = browser.new_context(
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": width, "height": 900},
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        witness.watch(page)
        page.goto(site.login_address(role))
        return page

    yield open_page
    for context in contexts:
        context.close()
