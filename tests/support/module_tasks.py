# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks of tasks that differ in their module and its options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

#: Two hosts whose connection records what is sent to them.
SPYING = "app ansible_connection=qg_spy\nbastion ansible_connection=qg_spy\n"
THERE = {"delegate_to": "bastion"}
CHECK = {"check_mode": True, "diff": True}
IGNORE = {"ignore_errors": True}
#: An interpreter that would fail any module that is sent to a host.
NO_PYTHON = {"ansible_python_interpreter": "/nonexistent/python"}


def task(name: str, module: str, options: Mapping[str, Any] | None = None, **keywords: Any) -> dict[str, Any]:
    """A task with a module of the collection, and keywords beside it."""
    return {"name": name, f"qingguo.qgnet.{module}": dict(options or {}), **keywords}


def play(*tasks: Mapping[str, Any], hosts: str = "app", defaults: Mapping[str, Any] | None = None, **more: Any) -> str:
    """A playbook of one play. ``defaults`` are those of all modules of the collection."""
    if defaults:
        more["module_defaults"] = {"group/qingguo.qgnet.qg": dict(defaults)}
    return json.dumps([{"hosts": hosts, "gather_facts": False, **more, "tasks": tasks}], indent=1, ensure_ascii=False)


def from_variables(*names: str) -> dict[str, str]:
    """Options that have the value of the variable of their name."""
    return {name: f"{{{{ {name} }}}}" for name in names}


def printed(output: str, name: str) -> str:
    """What Ansible prints of the task of that name."""
    return output.partition(f"TASK [{name}]")[2].partition("TASK [")[0]
