# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page as the tests see it."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

WAIT_SECONDS = 15.0


class Page:
    """A page in the browser."""

    def __init__(self, browser: Chrome, shots: Path) -> None:
        self.browser = browser
        self._shots = shots

    def open(self, address: str, width: int = 1280, scheme: str = "light") -> None:
        metrics = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.browser.get(address)

    def run(self, script: str, *values: Any) -> Any:
        return self.browser.execute_script(script, *values)

    def click(self, place: str) -> None:
        self.browser.find_element(By.CSS_SELECTOR, place).click()

    def fill(self, **fields: str) -> None:
        """Choose or type a value in each field; an underscore in a name stands for the hyphen in an id."""
        for name, text in fields.items():
            field = self.browser.find_element(By.ID, name.replace("_", "-", 1))
            if field.tag_name == "select":
                Select(field).select_by_value(text)
            else:
                field.clear()
                field.send_keys(text)

    def text(self, place: str) -> str:
        """What a person reads in an element."""
        words: str = self.run("return document.querySelector(arguments[0]).innerText", place)
        return words

    def until(self, true: Callable[[], Any], why: str) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not true():
            assert time.monotonic() < end, f"{why}; the page says:\n{self.text('main')}"
            time.sleep(0.05)

    def shows(self, place: str, *words: str) -> None:
        """Wait until an element has these words, in this order, on as many lines as it likes."""
        pattern = re.compile(".*?".join(map(re.escape, words)), re.DOTALL)
        self.until(lambda: pattern.search(self.text(place)), f"{words} wanted in {place}")

    def console(self) -> list[str]:
        """What the console has complained about since the browser started or was last asked."""
        reported: Any = self.browser  # Selenium has no types for its log
        return [entry["message"] for entry in reported.get_log("browser") if entry["level"] != "INFO"]

    def shot(self, name: str) -> None:
        """Keep a picture of the whole page."""
        reported = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        (self._shots / f"{name}.png").write_bytes(base64.b64decode(reported["data"]))
