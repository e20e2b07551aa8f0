# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests in a real browser: the Chromium of the machine without a window, and pages of the simulator."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from simulator.fixture import Simulator, sim, simulator, simulator_arguments
from support.browser_page import Page

__all__ = ["sim", "simulator", "simulator_arguments"]

BROWSERS = ("chromium", "google-chrome")
FLAGS = (
    "--headless",
    "--hide-scrollbars",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    # Names of other sites, which lead to this machine.
    "--host-resolver-rules=MAP *.example 127.0.0.1",
    "--lang=en",
)


def _program(*names: str) -> str:
    return next(filter(None, map(shutil.which, names)), "")


def pytest_configure() -> None:
    """Stop at once, with one sentence, where a program is missing: these tests are never left out in silence."""
    for names, package in ((BROWSERS, "chromium"), (("chromedriver",), "chromium-driver")):
        if not _program(*names):
            raise pytest.UsageError(
                f"The tests in the browser need {' or '.join(names)}: as root, apt-get install {package} (the name of "
                "Debian's package)."
            )


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One browser with a profile of its own for the session."""
    options = ChromeOptions()
    options.binary_location = _program(*BROWSERS)
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    for flag in (*FLAGS, *sandbox, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Named, so that Selenium looks for no other one and downloads none.
    browser = Chrome(options, Service(_program("chromedriver")))
    yield browser
    browser.quit()


@pytest.fixture
def page(chromium: Chrome, tmp_path: Path) -> Iterator[Page]:
    """A page that nothing complains about. BROWSER_SHOTS names a directory where its pictures stay."""
    shots = Path(os.environ.get("BROWSER_SHOTS", tmp_path))
    shots.mkdir(parents=True, exist_ok=True)
    shown = Page(chromium, shots)
    yield shown
    complaints = shown.console()
    chromium.get("about:blank")
    assert not complaints


@pytest.fixture
def live(page: Page, sim: Simulator) -> Page:
    """The page of the simulator in its start state."""
    page.open(f"{sim.control_url}/")
    page.shows("#live", "Live")
    return page
