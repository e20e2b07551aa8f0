# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions to hosts for their egress address, many in one playbook, and sources that answer as a test wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.module_tasks import Cases, play_cases
from support.playground import Playground, Run, Task, assert_task_failed

ADDRESS, OTHER_ADDRESS = "203.0.113.11", "203.0.113.12"
STRANGER = "203.0.113.99"
#: A port of this machine on which no process listens.
DEAD = "http://127.0.0.1:1"
LOCAL = "ansible_connection=local"


@dataclass
class HostCases:
    """Cases of one module that are run on hosts; a local one has the environment of ansible-playbook."""

    module: str
    sim: Simulator
    playground: Playground

    def play(self, cases: Cases, hosts: Mapping[str, str], common: Mapping[str, Any], **options: Any) -> Run:
        """Run all cases on each host; options that are None are left out, others may be templates."""
        tasks = {}
        for name, case in cases.items():
            given = {**common, **case}
            tasks[name] = {self.module: {option: given[option] for option in given if given[option] is not None}}
        inventory = "".join(f"{name} {variables}\n" for name, variables in hosts.items())
        run = play_cases(self.playground, tasks, inventory=inventory, hosts="all", **options).ok()
        for name in hosts:
            assert [task.name for task in run.tasks if task.host == name] == list(cases), name
        return run

    def requests(self, source: str = "ip") -> int:
        """How often a source of the simulator was asked."""
        return int(self.sim.control("GET", f"/echo/{source}")["calls"])


class Asker(HostCases):
    """Runs one playbook for several questions."""

    def urls(self, *names: str) -> list[str]:
        return [f"{self.sim.api_url}/{name}" for name in names]

    def says(self, name: str, answer: str | None = None, **fields: Any) -> str:
        """A source that gives this answer."""
        self.sim.control("PUT", f"/echo/{name}", {"answer": answer, **fields})
        return f"{self.sim.api_url}/echo/{name}"

    def __call__(self, cases: Cases, *, host: str = LOCAL, **options: Any) -> dict[str, Task]:
        """The results of the cases on one host."""
        return self.of_hosts({"host": host}, cases, **options)["host"]

    def one(self, host: str = LOCAL, **options: Any) -> Task:
        """The result of one question to two sources."""
        return self({"it": {"sources": self.urls("ip", "json")}}, host=host, **options)["it"]

    def of_hosts(self, hosts: Mapping[str, str], cases: Cases, **options: Any) -> dict[str, dict[str, Task]]:
        """The results of the cases on each host."""
        run = self.play(cases, hosts, {}, **options)
        return {host: {task.name: task for task in run.tasks if task.host == host} for host in hosts}


@pytest.fixture(name="ask")
def ask_fixture(sim: Simulator, playground: Playground) -> Asker:
    sim.control("PUT", "/map", {"127.0.0.1": ADDRESS})
    return Asker("qingguo.qgnet.qg_egress_ip_info", sim, playground)


def assert_reports(task: Task, *ips: str) -> None:
    assert task.status == "ok", (task.host, task.name, task.result["msg"])
    assert task.result["ips"] == list(ips), (task.host, task.name)
    assert task.result["ip"] == ips[0]
    assert task.result["changed"] is False


def assert_refuses(task: Task, *parts: str) -> None:
    """One clear error, and no address that anybody could use by mistake."""
    assert_task_failed(task, *parts)
    assert not {"ip", "ips"} & task.result.keys()


def replies(task: Task) -> list[str | None]:
    """The address that each source reported."""
    return [reply["ip"] for reply in task.result["source_replies"]]
