# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An account call as its operation sees it, and the parsing of its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .agents import Agent
from .errors import AccountError


@dataclass
class AccountRequest:
    """A call whose signature is valid."""

    agent: Agent
    params: Mapping[str, str]

    def required(self, name: str) -> str:
        """Return a parameter; it is an error if it is missing or empty."""
        value = self.params.get(name)
        if not value:
            raise AccountError("missing_parameter", name)
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        text = self.params.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 12 and low <= int(text) <= high):
            raise AccountError("bad_parameter", name)
        return int(text)

    def product_id(self, required: bool) -> int | None:
        """Return the product number, which must exist."""
        text = self.required("productId") if required else self.params.get("productId")
        if text is None:
            return None
        number = self.integer("productId", 0, 1, 10**9)
        if number not in self.agent.product_ids:
            raise AccountError("unknown_product", text)
        return number
