# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a playbook or a module's operation of the collection with shorter waits, so that a minute holds more rounds.

usage: short_waits.py SCALE playbook ARGUMENT...
       short_waits.py SCALE operation FILE NAME    (options as JSON on stdin, result as JSON on stdout)

The file that QG_CHAOS_FINISHED names is written as soon as a replacement has its result.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

CLIENT = "ansible_collections.qingguo.qgnet.plugins.module_utils"
#: What a run waits for the vendor, in seconds or several of them.
WAITS = (
    "LAG_DELAYS",
    "LIST_LAG",
    "SETTLE_POLL",
    "UNDER_WAY",
)


def put(owner: Any, name: str, value: object) -> None:
    setattr(owner, name, value)


def shorten(scale: float) -> None:
    """Make all waits shorter, in every module that knows them."""
    for name in ("_leases.operations", "_whitelist.operations", "_whitelist.host_operations"):
        importlib.import_module(f"{CLIENT}.{name}")
    modules = [module for name, module in list(sys.modules.items()) if name.startswith(f"{CLIENT}.")]
    backoff = importlib.import_module(f"{CLIENT}._core.waiting").backoff

    def shorter(attempt: int, wanted: float | None = None) -> float:
        # A wait that the vendor asked for stays what it is.
        return float(backoff(attempt, wanted) * (scale if wanted is None else 1))

    changed = set()
    for module in modules:
        for name in WAITS:
            value: Any = getattr(module, name, None)
            if value is not None:
                changed.add(name)
                shorter_value = tuple(scale * part for part in value) if isinstance(value, tuple) else scale * value
                setattr(module, name, shorter_value)
        if getattr(module, "backoff", None) is backoff:
            put(module, "backoff", shorter)
        if hasattr(module, "POLICY"):
            changed.add("POLICY")
            put(module, "POLICY", shorter_policy(module.POLICY, scale, shorter))
    if not {"LIST_LAG", "UNDER_WAY", "POLICY"} <= changed:
        raise SystemExit(f"short_waits.py knows only {sorted(changed)} of the waits: correct its list")
    mark_finished()


def shorter_policy(policy: Any, scale: float, backoff: Any) -> Any:
    """A policy with shorter waits and the same numbers of attempts."""
    waits: dict[str, Any] = {"backoff": backoff}
    for field in dataclasses.fields(policy):
        value = getattr(policy, field.name)
        if isinstance(value, tuple):
            waits[field.name] = tuple(scale * part for part in value)
        elif isinstance(value, float):
            waits[field.name] = scale * value
    return dataclasses.replace(policy, **waits)


def mark_finished() -> None:
    """A replacement whose result is known is not continued: the next run is asked for another one."""
    target = os.environ.get("QG_CHAOS_FINISHED")
    session = importlib.import_module(f"{CLIENT}._leases.session").LeaseSession
    finish = session.finish_replacement

    def finishing(self: Any, continued: Any) -> None:
        if target:
            Path(target).touch()
        finish(self, continued)

    session.finish_replacement = finishing


def play(scale: float, arguments: list[str]) -> None:
    """Run ansible-playbook; its workers inherit the waits."""
    loader = importlib.import_module("ansible.plugins.loader")
    prepare = loader.init_plugin_loader

    def prepared(*args: Any, **named: Any) -> None:
        prepare(*args, **named)
        shorten(scale)

    put(loader, "init_plugin_loader", prepared)
    importlib.import_module("ansible.cli.playbook").main(["ansible-playbook", *arguments])


def operate(scale: float, file: str, name: str) -> None:
    """Run an operation in this process, with options that are validated as Ansible validates them."""
    options = json.load(sys.stdin)
    shorten(scale)
    validator = importlib.import_module("ansible.module_utils.common.arg_spec").ArgumentSpecValidator
    module = importlib.import_module(f"{CLIENT}._task.operation")
    operation = getattr(importlib.import_module(f"{CLIENT}.{file}"), name)
    validation = validator(operation.spec, **operation.rules).validate(options)
    if validation.error_messages:
        raise SystemExit("; ".join(validation.error_messages))
    result = module.execute(operation, validation.validated_parameters, module.Mode(check=False, diff=False))
    print(json.dumps(result), flush=True)
    raise SystemExit(2 if "failed" in result else 0)


def main() -> None:
    # Who starts this in the background may ignore Ctrl-C, and its children would, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    scale, what, *rest = sys.argv[1:]
    if what == "playbook":
        play(float(scale), rest)
    else:
        operate(float(scale), *rest)


if __name__ == "__main__":
    main()
