# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A call of the classic API as its operation sees it."""

from __future__ import annotations

from typing import Any

from ..keys.request import KeyRequest
from . import codes
from .codes import ApiError

ResponseBody = dict[str, Any]


class ClassicRequest(KeyRequest):
    """A call of the classic API."""

    ip_parameter, task_parameter = "IP", "TaskID"

    def invalid_parameter(self) -> ApiError:
        return ApiError(codes.INVALID_PARAMETER)

    def string_list(self, name: str) -> list[str]:
        """Return the items of a list, which must not be empty."""
        if not self.given(name):
            raise self.invalid_parameter()
        return super().string_list(name)

    def integer(self, *names: str, low: int = 0, high: int = 10**9) -> int | None:
        """Return the integer of the first of these parameters that is given.

        Like an empty value, a zero means that the parameter is not given, unless zero is one of its values.
        """
        for name in names:
            if self.given(name):
                number = self.parse_integer(self.params[name], high)
                if number >= low:
                    return number
                if number:
                    raise self.invalid_parameter()
        return None

    def flag(self, *names: str) -> bool:
        return self.integer(*names, high=1) == 1
