# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One account call as its operation sees it, and the reading of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .agents import Agent
from .errors import Declined


@dataclass
class Found:
    """What an operation answers: an object, a text, or rows of a list that may begin later than with its first."""

    data: Any
    before: int = 0
    """Rows of earlier pages."""


@dataclass
class Inquiry:
    """An account call whose signature is right."""

    agent: Agent
    params: Mapping[str, str]

    def text(self, name: str) -> str:
        """A parameter that must be there."""
        value = self.params.get(name)
        if not value:
            raise Declined("missing_parameter", name)
        return value

    def number(self, name: str, default: int, low: int, high: int) -> int:
        text = self.params.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
            raise Declined("bad_parameter", name)
        return int(text)

    def brand(self, required: bool) -> int | None:
        """The product number, which must exist."""
        text = self.text("productId") if required else self.params.get("productId")
        if text is None:
            return None
        number = self.number("productId", 0, 1, 10**9)
        if number not in self.agent.brands:
            raise Declined("unknown_product", text)
        return number
