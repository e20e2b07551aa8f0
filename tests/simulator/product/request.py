# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A call of a product host as its operation sees it."""

from __future__ import annotations

import re

from ..keys.request import KeyRequest
from . import codes
from .codes import ProductError

BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
AREA = re.compile(r"[0-9]{6}|[A-Z]{2}")


class ProductRequest(KeyRequest):
    """A call of a product host."""

    ip_parameter, task_parameter = "ip", "task"

    def invalid_parameter(self) -> ProductError:
        return ProductError(codes.INVALID_PARAMETER)

    def integer(self, name: str, high: int) -> int | None:
        """Return an integer from 1, or None for a zero, which counts as not given."""
        return self.parse_integer(self.params[name], high) or None if self.given(name) else None

    def boolean(self, name: str) -> bool:
        text = self.params.get(name) or "false"
        if text.lower() not in BOOLEANS:
            raise self.invalid_parameter()
        return BOOLEANS[text.lower()]

    def areas(self, name: str) -> list[str]:
        # A zero counts as not given, as it does in a number.
        areas = [] if self.params.get(name) == "0" else self.string_list(name)
        if not all(AREA.fullmatch(area) for area in areas):
            raise self.invalid_parameter()
        return areas
