# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each process of a crowd does. It is not part of the tests, because a fresh process cannot import those."""

from __future__ import annotations

import importlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.playbooks import Result, operate

CLIENT = "ansible_collections.qingguo.qgnet.plugins.module_utils"
OPERATION = f"{CLIENT}._whitelist.operations"
#: When a leader may be killed: the function that it is in, and whether that is before or after it has done its work.
MOMENTS = {
    "before the list is read": ("_api.classic.client", "ProxyApi.read_whitelist", False),
    "before the intent is recorded": ("_store.write_queue", "WriteQueue.record_intent", False),
    "before the addresses are sent": ("_api.classic.client", "ProxyApi.add", False),
    "when the vendor has added them": ("_api.classic.client", "ProxyApi.add", True),
    "before the results are made": ("_whitelist.batch", "split_result", False),
    "before the results are kept": ("_whitelist.batch", "WriteBatch.write", True),
    "when the results are kept": ("_store.write_queue", "WriteQueue._lead", True),
}


def add_one(options: dict[str, Any], ip: str, minute: float) -> Result:
    """One address."""
    os.environ["QG_MINUTE_SECONDS"] = str(minute)
    module = importlib.import_module(OPERATION)
    return operate(module.WHITELIST, {**options, "ips": [ip], "allow_non_global": True})


def process(options: dict[str, Any], ip: str, minute: float, answer: str) -> None:
    """One process, which leaves its result in a file."""
    Path(answer).write_text(json.dumps(add_one(options, ip, minute)), encoding="utf-8")


def mortal(options: dict[str, Any], ip: str, minute: float, answer: str, moment: str, grave: str) -> None:
    """One process of which one is killed at a moment: the first that comes to it."""
    module, path, after = MOMENTS[moment]
    owner: Any = importlib.import_module(f"{CLIENT}.{module}")
    *classes, name = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    living: Callable[..., Any] = getattr(owner, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        done = living(*arguments, **named) if after else None
        try:
            with open(grave, "x", encoding="ascii") as file:
                file.write(ip)
        except FileExistsError:
            return done if after else living(*arguments, **named)
        return os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dying)
    process(options, ip, minute, answer)
