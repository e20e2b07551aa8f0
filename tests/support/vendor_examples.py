# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the vendor's pages: calls with their queries, and values of which only the form is known."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from support.vendor import Answer, Vendor

PASSWORD = "0123456789ab"


class Like:
    """Equal to each text that has the form of a pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"Like({self.pattern!r})"


def fetch(vendor: Vendor, call: str) -> Answer:
    """Make a call that is written with its query."""
    target, _mark, query = call.partition("?")
    return vendor.response(target, **dict(parse_qsl(query, keep_blank_values=True)))
