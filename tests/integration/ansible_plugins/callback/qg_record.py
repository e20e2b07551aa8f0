# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the result of every task on every host into the file that QGNET_TEST_RECORD names, a line
of JSON each.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: qg_record
type: aggregate
short_description: Task results as lines of JSON
description: For tests alone.
"""


def _part(result: Any, name: str) -> Any:
    """A part of a task result, by its name of today or by the older one with an underscore."""
    return getattr(result, name) if hasattr(result, name) else getattr(result, f"_{name}")


class CallbackModule(CallbackBase):
    """One line per result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "qg_record"

    def _write(self, status: str, result: Any) -> None:
        line = {
            "host": _part(result, "host").get_name(),
            "task": _part(result, "task").get_name().rpartition(" : ")[2],
            "status": status,
            "result": _part(result, "result"),
        }
        with open(os.environ["QGNET_TEST_RECORD"], "a", encoding="utf-8") as record:
            record.write(json.dumps(line, default=str) + "\n")

    def v2_runner_on_ok(self, result: Any) -> None:
        self._write("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._write("failed", result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._write("skipped", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._write("unreachable", result)
