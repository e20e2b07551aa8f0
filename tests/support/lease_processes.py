# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a process does beside others. It stands apart from the tests, since a fresh process cannot import those."""

from __future__ import annotations

import importlib
import json
import os
import time
from pathlib import Path
from typing import Any

from support.playbooks import operate

OPERATIONS = "ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations"
#: Longest that a process waits for the others, in seconds.
PATIENCE = 60.0


def process(name: str, options: dict[str, Any], minute: float, answer: str, gate: str) -> None:
    """One operation, as soon as all are there; its result is left in a file."""
    os.environ["QG_MINUTE_SECONDS"] = str(minute)
    operation = getattr(importlib.import_module(OPERATIONS), name.upper())
    Path(answer).with_suffix(".ready").touch()
    give_up = time.monotonic() + PATIENCE
    while not Path(gate).exists() and time.monotonic() < give_up:
        time.sleep(0.005)
    Path(answer).write_text(json.dumps(operate(operation, options)), encoding="utf-8")
