# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each process of a crowd does. It stands apart from the tests, since a fresh process cannot import those."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from typing import Any

from harness import Result, operate

OPERATION = "ansible_collections.qingguo.qgnet.plugins.module_utils._op_whitelist"


def add_one(options: dict[str, Any], ip: str, minute: float) -> Result:
    """One address."""
    os.environ["QG_MINUTE_SECONDS"] = str(minute)
    module = importlib.import_module(OPERATION)
    return operate(module.WHITELIST, {**options, "ips": [ip], "allow_non_global": True})


def process(options: dict[str, Any], ip: str, minute: float, answer: str) -> None:
    """One process, which leaves its result in a file."""
    Path(answer).write_text(json.dumps(add_one(options, ip, minute)), encoding="utf-8")
