"""A page of Debian's Chromium, without any network but loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
PATIENCE_MS = 60_000


@contextmanager
def chromium_page(base_url: str, **options: Any) -> Iterator[Any]:
    """A page in a browser of its own, for as long as the block lasts.

    :param options: of Playwright's ``new_page``, such as ``viewport``.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("Chromium is not installed; make system-packages installs Debian's")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(QUIET))
        page = browser.new_page(base_url=base_url, **{"viewport": {"width": 1500, "height": 950}, **options})
        page.set_default_timeout(PATIENCE_MS)
        yield page
        browser.close()
