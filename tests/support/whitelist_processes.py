# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each process of a crowd does. It is not part of the tests, because a fresh process cannot import those."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.client import ProxyApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.held_whitelist import HeldWhitelist
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import Claim
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.interface import Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import PROXY_API_OPTIONS, ProxyApiOptions
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist import batch
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.turns import Turns, Work
from support.playbooks import Result, operate

#: When a leader may be killed: the function that it is in, and whether that is before or after it has done its work.
MOMENTS: dict[str, tuple[Any, str, bool]] = {
    "before the list is read": (HeldWhitelist, "read", False),
    "before the hosts are registered": (batch.WriteBatch, "_register", False),
    "before the addresses are sent": (ProxyApi, "add", False),
    "when the vendor has added them": (ProxyApi, "add", True),
    "before the round is summed up": (batch.Round, "of", False),
    "before the round is kept": (batch.WriteBatch, "work", True),
    "when the round is kept": (Turns, "purge", True),
}


def parse_options(store: Path | str, **options: Any) -> ProxyApiOptions:
    """The common options of a task with these values, and the defaults for all others."""
    defaults = {name: option.get("default") for name, option in PROXY_API_OPTIONS.items()}
    return ProxyApiOptions.parse({**defaults, "store": str(store), **options})


def lead(options: ProxyApiOptions, store: Store, work: Work) -> None:
    """Be the leader of all that write to the whitelist with these options, and work in this way."""
    Turns(batch.claims_for(options, store, check=False)).take(Claim({"ips": ["192.0.2.1"]}, 5, 5), work)


def fresh_processes() -> ForkServerContext:
    """Fresh processes, which begin with the modules loaded: it is the calls that are to meet, not the imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.whitelist_processes", "ansible.module_utils.common.arg_spec"])
    return context


def add_one(options: dict[str, Any], ip: str, minute: float) -> Result:
    """One address."""
    os.environ["QG_MINUTE_SECONDS"] = str(minute)
    return operate(WHITELIST, {**options, "ips": [ip], "allow_non_global": True})


def process(options: dict[str, Any], ip: str, minute: float, answer: str) -> None:
    """One process, which leaves its result in a file."""
    Path(answer).write_text(json.dumps(add_one(options, ip, minute)), encoding="utf-8")


def mortal(options: dict[str, Any], ip: str, minute: float, answer: str, moment: str, grave: str) -> None:
    """One process of which one is killed at a moment: the first that comes to it."""
    owner, name, after = MOMENTS[moment]
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
