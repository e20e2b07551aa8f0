# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts of the role egress_whitelist, and what a run of it left."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.fixture import Simulator
from support.playbooks import Playground, Run, numeric

OTHER_KEY = "QGOTHER1"
DETECT, REGISTER, SUMMARIZE = "Detect the egress addresses", "Update the whitelist", "Summarize the results"

PLAY = """
- hosts: "{{ qg_hosts | default('all') }}"
  gather_facts: false
  %s
  pre_tasks: [%s]
  roles:
    - role: qingguo.qgnet.egress_whitelist
      %s
"""


def play(header: str = "", before: str = "", role: str = "") -> str:
    return PLAY % (header, before, role)


def public(number: int) -> str:
    """The address under which the internet sees a host."""
    return f"203.0.113.{number}"


@dataclass
class RoleRun(Run):
    """What a run of the role left."""

    @property
    def registered(self) -> dict[str, list[str]]:
        """What each host was reported of itself: where nothing had to be done, the first task did that already."""
        at_once = {host: task.result.get("registered") for host, task in self.by_host(DETECT).items()}
        reported = {host: task.result.get("registered", []) for host, task in self.by_host(REGISTER).items()}
        return {host: ips for host, ips in at_once.items() if ips} | reported

    @property
    def changed(self) -> set[str]:
        return {host for host, task in self.by_host(REGISTER).items() if task.result["changed"]}

    @property
    def reports(self) -> list[dict[str, Any]]:
        """What the hosts that read or wrote for all tell of it; an empty summary is that of a failure."""
        tasks = [task for task in self.tasks if task.name in (DETECT, REGISTER)]
        return [task.result["summary"] for task in tasks if "summary" in task.result]

    @property
    def api_calls(self) -> int:
        """The calls that the hosts that tell of all say were made."""
        return sum(report["api"]["calls"] for report in self.reports)

    @property
    def summaries(self) -> list[dict[str, Any]]:
        """The results of the task that summarizes."""
        return [task.result for task in self.tasks if task.name == SUMMARIZE and task.status == "ok"]

    @property
    def unreached(self) -> set[str]:
        return {host for summary in self.summaries for host in summary["unreached_hosts"]}

    def ok(self) -> RoleRun:
        super().ok()
        return self


@dataclass
class Fleet:
    """Hosts h1, h2, ..., each with a source address of its own, and the simulator's picture of them."""

    sim: Simulator
    playground: Playground
    size: int = 6
    snapshot: Path | None = None
    lines: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sim.control("PUT", "/map", {self.source(n): public(n) for n in self.numbers})
        self.lines = {
            f"h{n}": f"ansible_connection=local egress_whitelist_source_address={self.source(n)}" for n in self.numbers
        }

    @property
    def numbers(self) -> range:
        return range(1, self.size + 1)

    @property
    def hosts(self) -> list[str]:
        return list(self.lines)

    @property
    def all_addresses(self) -> list[str]:
        return [public(n) for n in self.numbers]

    @staticmethod
    def source(number: int) -> str:
        return f"127.0.1.{number}"

    def add_to(self, *hosts: str, **variables: object) -> None:
        """Give some hosts variables of the role."""
        for host in hosts:
            self.lines[host] += "".join(f' egress_whitelist_{name}="{value}"' for name, value in variables.items())

    def make_unreachable(self, host: str, closed_port: int) -> None:
        self.lines[host] = f"ansible_connection=ssh ansible_host=127.0.0.1 ansible_port={closed_port}"

    def make_uncertain(self, host: str) -> None:
        """Let a host have no source but one that reports no address."""
        self.sim.control("PUT", "/echo/odd", {"answer": "<html>log in first</html>"})
        self.add_to(host, sources=[f"{self.sim.api_url}/echo/odd"])

    def listed(self) -> list[str]:
        """The whitelist in numeric order."""
        return numeric(self.sim.whitelist())

    def move(self, **addresses: str) -> None:
        """Give hosts another public address."""
        self.sim.control("PATCH", "/map", {self.source(int(host[1:])): ip for host, ip in addresses.items()})

    def put_in_sync(self) -> None:
        """Register all hosts: with the role once a session, and later with the state that it left."""
        assert self.snapshot is not None
        if self.snapshot.exists():
            shutil.copytree(self.snapshot, self.playground.store)
            self.sim.configure(whitelist=self.all_addresses)
            return
        self.run().ok()
        assert numeric(self.sim.whitelist()) == self.all_addresses
        shutil.copytree(self.playground.store, self.snapshot)

    def inventory(self, **options: Any) -> str:
        """The hosts with these options of the role, which are without its prefix; None leaves one out."""
        common = {
            "key": self.sim.key,
            "api_url": self.sim.api_url,
            "sources": [f"{self.sim.api_url}/ip", f"{self.sim.api_url}/json"],
            "allow_non_global": True,
            **options,
        }
        hosts = "\n".join(f"{host} {rest}" for host, rest in self.lines.items())
        settings = "\n".join(
            f"{name if name.startswith('qg_') else f'egress_whitelist_{name}'}={value}"
            for name, value in common.items()
            if value is not None
        )
        return f"{hosts}\n[all:vars]\n{settings}\n"

    def run(
        self,
        playbook: str | None = None,
        *,
        limit: str = "",
        inventory: str | None = None,
        arguments: Sequence[str] = (),
        variables: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> RoleRun:
        """Run the role with these options, and with a journal that begins anew."""
        self.sim.control("DELETE", "/journal")
        self.sim.control("DELETE", "/windows")
        run = self.playground.play(
            playbook or play(),
            inventory=inventory or self.inventory(**options),
            arguments=[*arguments, *(["--limit", limit] if limit else [])],
            variables=variables,
        )
        return RoleRun(**vars(run))
