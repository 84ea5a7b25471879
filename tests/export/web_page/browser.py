"""A real browser that opens exported pages, and writes down whatever such a page may not do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright, which drives a browser, is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MOST_WIDTH = 1280


@contextmanager
def chromium() -> Iterator:
    """The browser; skips where none is installed."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as driver:
        # CI is root in a container, where Chromium's own sandbox cannot be made.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser, path, width=MOST_WIDTH, **options) -> Iterator:
    """The page of a file; nothing but that file may be asked for, and no error happen in it."""
    context = browser.new_context(viewport={"width": width, "height": 844}, **options)
    page = context.new_page()
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(path.as_uri())
    try:
        yield page
        assert errors == []
        assert requests == [path.as_uri()]
    finally:
        context.close()


def stroke(page, *points) -> None:
    """Draw a line through points of the pad, from (0, 0) to (1, 1), with the mouse."""
    box = page.locator("#pad").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()


SEVEN = (0.3, 0.3), (0.7, 0.28), (0.45, 0.8)
DIGITS = {
    "0": [[(0.5, 0.2), (0.3, 0.35), (0.3, 0.65), (0.5, 0.8), (0.68, 0.65), (0.7, 0.35), (0.5, 0.2)]],
    "1": [[(0.45, 0.3), (0.55, 0.15), (0.55, 0.85)]],
    "2": [[(0.33, 0.32), (0.45, 0.22), (0.62, 0.26), (0.64, 0.4), (0.34, 0.76), (0.7, 0.75)]],
    "4": [[(0.4, 0.15), (0.25, 0.55), (0.75, 0.55)], [(0.6, 0.3), (0.58, 0.9)]],
    "7, small": [[(0.7, 0.7), (0.8, 0.7), (0.74, 0.85)]],
}
