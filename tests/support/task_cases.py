# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many cases of a module in one playbook: the start of a playbook takes longer than its tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.fixture import Simulator
from support.playground import Playground, Run

LOCAL = "app ansible_connection=local\nbastion ansible_connection=local\n"
Cases = Mapping[str, Mapping[str, Any]]


def play_cases(
    playground: Playground,
    cases: Iterable[Mapping[str, Any]] | Cases,
    *,
    inventory: str = LOCAL,
    variables: Mapping[str, Any] | None = None,
    arguments: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    **play: Any,
) -> Run:
    """Run each case as a task of one play on the first host, which goes on after an error.

    The cases have names, or else are called "case 0", "case 1" and so on. Keywords of the play may be given.
    """
    named = cases if isinstance(cases, Mapping) else {f"case {number}": case for number, case in enumerate(cases)}
    tasks = [{"name": name, "ignore_errors": True, **case} for name, case in named.items()]
    text = json.dumps([{"hosts": "all[0]", "gather_facts": False, **play, "tasks": tasks}], indent=1)
    return playground.play(
        text, inventory=inventory, variables=variables, arguments=list(arguments), environment=environment
    )


@dataclass
class HostCases:
    """Cases of one module that are run on hosts; a local one has the environment of ansible-playbook."""

    module: str
    sim: Simulator
    playground: Playground

    def play(self, cases: Cases, hosts: Mapping[str, str], common: Mapping[str, Any], **options: Any) -> Run:
        """Run all cases on each host; options that are None are left out, others may be templates."""
        tasks = {
            name: {self.module: {option: value for option, value in {**common, **case}.items() if value is not None}}
            for name, case in cases.items()
        }
        inventory = "".join(f"{name} {variables}\n" for name, variables in hosts.items())
        run = play_cases(self.playground, tasks, inventory=inventory, hosts="all", **options).ok()
        for name in hosts:
            assert [task.name for task in run.tasks if task.host == name] == list(cases), name
        return run

    def requests(self, source: str = "ip") -> int:
        """How often a source of the simulator was asked."""
        return int(self.sim.control("GET", f"/echo/{source}")["calls"])
