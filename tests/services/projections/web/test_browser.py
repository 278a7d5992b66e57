"""The pages in a real Chromium: what is seen, by eye, keyboard and assistive software."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import (  # pyright: ignore[reportMissingTypeStubs] - it ships none
    Axe,
)

from tests.services.projections.web.fake import FakeAnswers, customer_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.services.projections.web.conftest import Witness
    from tests.services.projections.web.served import Site

pytestmark = pytest.mark.browser

WITH_EVERYTHING = f"/customers/{customer_id(0)}"
SHARE_UNKNOWN = f"/customers/{customer_id(700)}"
PAGES = ["/", "/?show=neglected&page=2", WITH_EVERYTHING, SHARE_UNKNOWN, "/customers/nobody"]


def violations(page: Page) -> str:
    """What axe holds against the page, in light and in dark; empty if nothing."""
    axe: Any = Axe()  # it ships no types
    reports: list[str] = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        found: Any = axe.run(page)
        if found.violations_count:
            reports.append(f"{scheme}: {found.generate_report()}")
    return "\n".join(reports)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_an_accessibility_violation(
    signed_in: Callable[..., Page], site: Site, path: str
) -> None:
    page = signed_in()
    page.goto(site.url + path)
    for details in page.locator("details").all():
        details.evaluate("element => { element.open = true }")
    assert violations(page) == ""


@pytest.mark.parametrize(
    "answers",
    [FakeAnswers(shares=5_900, position=12_300), FakeAnswers(customers=0, position=0, recorded=0)],
    ids=["dense and still loading", "no events yet"],
)
def test_no_state_of_the_portfolio_has_an_accessibility_violation(
    signed_in: Callable[..., Page], site: Site
) -> None:
    page = signed_in()
    page.goto(site.url)
    assert violations(page) == ""


def test_the_pages_for_who_is_not_signed_in_have_no_accessibility_violation(
    signed_in: Callable[..., Page], site: Site
) -> None:
    page = signed_in()
    page.goto(site.url + "/login?token=spent")
    assert page.get_by_role("heading", level=1).text_content() == (
        "This login address no longer works"
    )
    assert violations(page) == ""


@pytest.mark.parametrize("path", PAGES)
def test_on_a_narrow_screen_nothing_scrolls_sideways(
    signed_in: Callable[..., Page], site: Site, path: str
) -> None:
    page = signed_in(width=320)
    page.goto(site.url + path)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 320
    assert violations(page) == ""


def test_the_portfolio_is_walked_by_keyboard_to_a_customer_and_back(
    signed_in: Callable[..., Page], site: Site
) -> None:
    page = signed_in()
    page.goto(site.url)
    page.keyboard.press("Tab")
    assert focus(page) == "Skip to the content"
    page.keyboard.press("Enter")
    seen: list[str] = []
    while not focus(page).startswith("1: customer"):
        assert len(seen) < 20, f"no customer within twenty stops: {seen}"
        page.keyboard.press("Tab")
        seen.append(focus(page))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/customers/[0-9a-f-]{36}$"))
    assert page.get_by_role("heading", level=1).inner_text().startswith("Customer ")
    page.go_back()
    page.wait_for_url(site.url + "/#content")
    assert page.get_by_role("heading", level=1).inner_text() == "Portfolio"


def focus(page: Page) -> str:
    """What the focused element is called."""
    name: str = page.evaluate(
        "() => { const e = document.activeElement;"
        " return e.getAttribute('aria-label') || e.textContent.trim() || e.id }"
    )
    return name


def test_the_numbered_customers_come_in_order_and_only_the_shown_drawing_takes_focus(
    signed_in: Callable[..., Page], site: Site
) -> None:
    for width in (1280, 360):
        page = signed_in(width=width)
        page.goto(site.url)
        page.locator("svg.scatter a:visible").first.focus()
        numbers = [focus(page).partition(":")[0]]
        while page.locator("svg.scatter a:focus").count():
            page.keyboard.press("Tab")
            numbers.append(focus(page).partition(":")[0])
        assert numbers[:-1] == [str(n) for n in range(1, 11)]


def test_a_focused_control_is_seen(signed_in: Callable[..., Page], site: Site) -> None:
    page = signed_in()
    page.goto(site.url)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    drawn = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert drawn == "solid"


def test_search_finds_a_customer_and_puts_nothing_personal_into_the_address(
    signed_in: Callable[..., Page], site: Site, witness: Witness
) -> None:
    page = signed_in()
    page.goto(site.url)
    page.get_by_label("Find a customer").fill(" email:Ada@Example.org ")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}{WITH_EVERYTHING}")
    assert not [url for url in witness.requested if "ada" in url.lower()]
    assert "ada@example.org" not in page.content()


def test_a_search_for_nobody_says_so_without_repeating_it(
    signed_in: Callable[..., Page], site: Site
) -> None:
    page = signed_in()
    page.goto(site.url)
    page.get_by_label("Find a customer").fill("email:somebody@example.net")
    page.get_by_role("button", name="Find").click()
    assert page.get_by_role("heading", level=1).inner_text() == "No such customer"
    assert "somebody" not in page.content() + page.url


def test_another_day_is_chosen_and_kept_on_the_way_to_a_customer(
    signed_in: Callable[..., Page], site: Site
) -> None:
    page = signed_in()
    page.goto(site.url)
    page.get_by_label("Show another day").fill("2011-06-30")
    page.get_by_role("button", name="Show", exact=True).click()
    assert "30 June 2011, 23:59 UTC" in page.locator(".stand").inner_text()
    page.locator(".notable a").first.click()
    page.wait_for_url(re.compile("as_of=2011-06-30"))
    assert "30 June 2011, 23:59 UTC" in page.locator(".stand").inner_text()
    page.get_by_role("link", name="← Portfolio").click()
    page.wait_for_url(re.compile(r"/\?as_of=2011-06-30$"))


def test_signing_out_ends_the_session(signed_in: Callable[..., Page], site: Site) -> None:
    page = signed_in()
    page.goto(site.url)
    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Please sign in"


def test_the_pages_ask_nobody_but_this_machine_and_the_console_stays_silent(
    signed_in: Callable[..., Page], site: Site, witness: Witness
) -> None:
    page = signed_in()
    for path in ("/", WITH_EVERYTHING, SHARE_UNKNOWN):
        page.goto(site.url + path, wait_until="networkidle")
    assert witness.hosts == {"127.0.0.1"}
    assert witness.said == []
    assert any(url.endswith(".css") for url in witness.requested)


def test_the_style_sheet_is_applied_under_the_strict_policy(
    signed_in: Callable[..., Page], site: Site
) -> None:
    page = signed_in("dark")
    page.goto(site.url)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 22, 26)"
