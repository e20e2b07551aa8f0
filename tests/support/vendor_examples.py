# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of the simulator without the network, and values of which only the form is known."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from simulator.clock import Clock
from simulator.core import Core

KEY, PASSWORD = "QGDEMO01", "0123456789ab"


class Like:
    """Equal to each text that has the form of a pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"Like({self.pattern!r})"


class Vendor(Core):
    """The simulator without the network, whose clock stands still."""

    def __init__(self) -> None:
        super().__init__(clock=Clock(1_800_000_000.0), seed=1)

    def configure(self, **fields: Any) -> None:
        self.keys[KEY].configure(fields)

    def call(self, target: str, **params: str) -> tuple[int, Any]:
        """Make a call and return the HTTP status and the JSON value."""
        method, _blank, path = target.rpartition(" ")
        is_product = path.split("/")[1] in ("share", "longterm", "exclusive", "overseas")
        return self.handle(method or "GET", path, {"key" if is_product else "Key": KEY, **params})

    def fetch(self, call: str) -> tuple[int, Any]:
        """Make a call that is written with its query."""
        target, _mark, query = call.partition("?")
        return self.call(target, **dict(parse_qsl(query, keep_blank_values=True)))

    def code(self, target: str, **params: str) -> Any:
        """Make a call and return the code alone."""
        _status, body = self.call(target, **params)
        return body.get("Code", body.get("code"))
