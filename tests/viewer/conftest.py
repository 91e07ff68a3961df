"""A headless Chromium for the viewer's tests; they skip where it or its driver is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium from `CHROMIUM` or the path, driven by playwright; .ci/install-browser installs both.

    The driver's event loop runs in this thread. It must end with the module, because others call `asyncio.run`.
    """
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no browser driver: run .ci/install-browser"
    )
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium: run .ci/install-browser, or set CHROMIUM to its path")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a file or an address. Afterwards: nothing was said in its console, and nothing asked for but itself.

    With `blocked` neither is checked: what the page's policy blocks is asked for in vain, and said.
    """
    contexts: list[BrowserContext] = []
    made: list[tuple[list[str], list[str], str]] = []

    def open_(place: Path | str, *, init: str = "", blocked: bool = False, **settings: Any) -> Page:
        address = place.as_uri() if isinstance(place, Path) else place
        context = browser.new_context(viewport={"width": 1400, "height": 900}, **settings)
        contexts.append(context)
        said: list[str] = []
        asked: list[str] = []
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"exception: {error}"))
        page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        context.on("request", lambda request: asked.append(request.url))
        context.on("page", lambda other: said.append(f"window: {other.url}"))
        if init:
            page.add_init_script(init)
        page.goto(address)
        page.wait_for_selector("#count")
        if not blocked:
            made.append((said, asked, address))
        return page

    yield open_
    for context in contexts:
        context.close()
    for said, asked, address in made:
        assert said == []
        assert {url.partition("#")[0] for url in asked} <= {address, f"{address}state"}
