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

    def move(self, **addresses: str) -> None:
        """Give hosts another public address."""
        self.sim.control("PATCH", "/map", {self.source(int(host[1:])): ip for host, ip in addresses.items()})

    def put_in_sync(self) -> None:
        """Register all hosts: with the role once a session, and later with the state that it left."""
        assert self.snapshot is not None
        if self.snapshot.exists():
            shutil.copytree(self.snapshot, self.playground.state_dir)
            self.sim.configure(whitelist=self.all_addresses)
            return
        self.run().ok()
        assert numeric(self.sim.whitelist()) == self.all_addresses
        shutil.copytree(self.playground.state_dir, self.snapshot)

    def inventory(self, **variables: Any) -> str:
        common = {
            "egress_whitelist_key": self.sim.key,
            "egress_whitelist_api_url": self.sim.api_url,
            "egress_whitelist_sources": f"['{self.sim.api_url}/ip', '{self.sim.api_url}/json']",
            "egress_whitelist_allow_non_global": "true",
            **variables,
        }
        hosts = "\n".join(f"{host} {rest}" for host, rest in self.lines.items())
        settings = "\n".join(f"{name}={value}" for name, value in common.items() if value is not None)
        return f"{hosts}\n[all:vars]\n{settings}\n"

    def run(
        self,
        playbook: str | None = None,
        *,
        inventory: str | None = None,
        arguments: Sequence[str] = (),
        variables: Mapping[str, Any] | None = None,
        **common: Any,
    ) -> Run:
        """Run the role with a journal that begins anew."""
        self.sim.control("DELETE", "/journal")
        self.sim.control("DELETE", "/windows")
        return self.playground.play(
            playbook or play(),
            inventory=inventory or self.inventory(**common),
            arguments=arguments,
            variables=variables,
        )


def registered(run: Run) -> dict[str, list[str]]:
    """What each host was reported of itself: where nothing had to be done for it, the first task did that already."""
    at_once = {host: task.result.get("registered") for host, task in run.by_host(DETECT).items()}
    reported = {host: task.result.get("registered", []) for host, task in run.by_host(REGISTER).items()}
    return {host: ips for host, ips in at_once.items() if ips} | reported


def changed(run: Run) -> set[str]:
    return {host for host, task in run.by_host(REGISTER).items() if task.result["changed"]}


def reports(run: Run) -> list[dict[str, Any]]:
    """What the hosts that wrote for all tell of it."""
    return [task.result["summary"] for task in run.tasks if task.name == REGISTER and "summary" in task.result]


def summaries(run: Run) -> list[dict[str, Any]]:
    """The results of the task that summarizes."""
    return [task.result for task in run.tasks if task.name == SUMMARIZE and task.status == "ok"]
