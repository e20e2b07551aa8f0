# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a playbook or a module's operation of the collection with shorter waits, so that a minute holds more rounds.

usage: short_waits.py SCALE playbook ARGUMENT...
       short_waits.py SCALE operation NAME    (options as JSON on stdin, result as JSON on stdout)

The file that QG_CHAOS_FINISHED names is written as soon as a replacement has its result.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

CLIENT = "ansible_collections.qingguo.qgnet.plugins.module_utils"
#: What a run waits for the vendor, in seconds or several of them.
WAITS = ("LAG_DELAYS", "LIST_LAG", "POLL_INTERVAL", "MAX_EXECUTION_DELAY")


def shorten(scale: float) -> None:
    """Make all waits shorter, in every module that knows them."""
    # With ansible-core, the collection can be imported only when its loader has been prepared.
    # The last two are imported for their waits, which are made shorter below.
    from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import backoff
    from ansible_collections.qingguo.qgnet.plugins.module_utils._leases import operations  # noqa: F401
    from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist import host_operations  # noqa: F401

    def shorter(attempt: int, wanted: float | None = None) -> float:
        # A wait that the vendor asked for stays what it is.
        return float(backoff(attempt, wanted) * (scale if wanted is None else 1))

    changed = set()
    for module in [module for name, module in list(sys.modules.items()) if name.startswith(f"{CLIENT}.")]:
        for name in WAITS:
            value: Any = getattr(module, name, None)
            if value is not None:
                changed.add(name)
                shorter_value = tuple(scale * part for part in value) if isinstance(value, tuple) else scale * value
                setattr(module, name, shorter_value)
        known = vars(module)
        if known.get("backoff") is backoff:
            known["backoff"] = shorter
        if "POLICY" in known:
            changed.add("POLICY")
            known["POLICY"] = shorter_policy(known["POLICY"], scale, shorter)
    if not {"LIST_LAG", "MAX_EXECUTION_DELAY", "POLICY"} <= changed:
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
    from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.session import LeaseSession

    target = os.environ.get("QG_CHAOS_FINISHED")
    finish = LeaseSession.finish_replacement

    def finishing(self: LeaseSession, continued: Any) -> None:
        if target:
            Path(target).touch()
        finish(self, continued)

    LeaseSession.finish_replacement = finishing  # type: ignore[method-assign]


def play(scale: float, arguments: list[str]) -> None:
    """Run ansible-playbook; its workers inherit the waits."""
    from ansible.plugins import loader

    prepare = loader.init_plugin_loader

    def prepared(*args: Any, **named: Any) -> None:
        prepare(*args, **named)
        shorten(scale)

    loader.init_plugin_loader = prepared
    # It takes over the name of that function when it is imported.
    from ansible.cli import playbook

    playbook.main(["ansible-playbook", *arguments])


def operate(scale: float, name: str) -> None:
    """Run an operation in this process, with options that are validated as Ansible validates them."""
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
    from ansible_collections.qingguo.qgnet.plugins.module_utils._leases import operations as leases
    from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode, execute
    from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist import operations as whitelist

    options = json.load(sys.stdin)
    shorten(scale)
    operation = whitelist.WHITELIST if name == "WHITELIST" else getattr(leases, name)
    validation = ArgumentSpecValidator(operation.spec, **operation.rules).validate(options)
    if validation.error_messages:
        raise SystemExit("; ".join(validation.error_messages))
    result = execute(operation, validation.validated_parameters, Mode(check=False, diff=False))
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
