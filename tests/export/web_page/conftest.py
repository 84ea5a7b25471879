"""A browser, and small nets that have learned a little, for the tests of what nets become elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def browser() -> Iterator:
    from .browser import chromium

    with chromium() as running:
        yield running
