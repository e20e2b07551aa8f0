# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbooks of many tasks with modules: the start of a playbook takes longer than its tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from integration.playground import Playground, Run

#: Two hosts, and the same with a connection that records what is sent to them.
LOCAL = "app ansible_connection=local\nbastion ansible_connection=local\n"
SPYING = LOCAL.replace("=local", "=qg_spy")
THERE: dict[str, Any] = {"delegate_to": "bastion"}
CHECK: dict[str, Any] = {"check_mode": True, "diff": True}
IGNORE: dict[str, Any] = {"ignore_errors": True}
#: An interpreter that would fail any module that is sent to a host.
NO_PYTHON: dict[str, Any] = {"ansible_python_interpreter": "/nonexistent/python"}
#: Tasks by name, without their name.
Cases = Mapping[str, Mapping[str, Any]]


def task(
    name: str, module: str, options: Mapping[str, Any] | None = None, **keywords: Any
) -> dict[str, Any]:
    """A task with a module of the collection, and keywords beside it."""
    return {"name": name, f"qingguo.qgnet.{module}": dict(options or {}), **keywords}


def play(
    *tasks: Mapping[str, Any],
    hosts: str = "app",
    defaults: Mapping[str, Any] | None = None,
    **more: Any,
) -> str:
    """A playbook of one play. ``defaults`` are those of all modules of the collection."""
    if defaults:
        more["module_defaults"] = {"group/qingguo.qgnet.qg": dict(defaults)}
    whole = {"hosts": hosts, "gather_facts": False, **more, "tasks": tasks}
    return json.dumps([whole], indent=1, ensure_ascii=False)


def from_variables(*names: str) -> dict[str, str]:
    """Options that have the value of the variable of their name."""
    return {name: f"{{{{ {name} }}}}" for name in names}


def printed(output: str, name: str) -> str:
    """What Ansible prints of the task of that name."""
    return output.partition(f"TASK [{name}]")[2].partition("TASK [")[0]


def play_tasks(
    playground: Playground,
    *tasks: Mapping[str, Any],
    inventory: str = SPYING,
    variables: Mapping[str, Any] | None = None,
    arguments: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
    **keywords: Any,
) -> Run:
    """Run tasks as one play, with keywords of that.

    The modules have the options of the playground: its tasks take them from variables, so that a
    key stands in no playbook. ``defaults`` are further ones.
    """
    options = {**from_variables(*playground.options), **(defaults or {})}
    return playground.play(
        play(*tasks, defaults=options, **keywords),
        inventory=inventory,
        variables={**playground.options, **(variables or {})},
        arguments=list(arguments),
        environment=environment,
    )


def play_cases(playground: Playground, cases: Cases, *, inventory: str = LOCAL, **how: Any) -> Run:
    """Run cases as tasks of one play, which goes on after an error."""
    tasks = [{"name": name, **case} for name, case in cases.items()]
    return play_tasks(playground, *tasks, inventory=inventory, **{**IGNORE, **how})
