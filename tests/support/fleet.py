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
from support.playground import Playground, Result, Run, numeric

OTHER_KEY = "QGOTHER1"
DETECT, UPDATE, REPORT = "Detect the egress addresses", "Update the whitelist", "Report"

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
    def updates(self) -> list[Result]:
        """The results of the task that writes: one for each batch that has ended it."""
        return [task.result for task in self.tasks if task.name == UPDATE and task.status in ("ok", "failed")]

    @property
    def hosts(self) -> dict[str, Result]:
        """The result of each host, as a play can use it."""
        return {name: own for update in self.updates for name, own in update.get("hosts", {}).items()}

    @property
    def in_sync(self) -> set[str]:
        return {name for name, own in self.hosts.items() if not own["failed"]}

    @property
    def changed(self) -> set[str]:
        """The hosts that Ansible counts as changed by the report."""
        return {host for host, task in self.by_host(REPORT).items() if task.result.get("changed")}

    @property
    def unreached(self) -> set[str]:
        return {host for update in self.updates for host in update.get("unreached_hosts", ())}

    def ok(self) -> RoleRun:
        super().ok()
        return self


@dataclass
class Fleet:
    """Hosts h1, h2, ..., each with echo services that report an address of its own."""

    sim: Simulator
    playground: Playground
    size: int = 6
    snapshot: Path | None = None
    lines: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for n in range(1, self.size + 1):
            self.report(f"h{n}", public(n))
            self.lines[f"h{n}"] = "ansible_connection=local"
            self.add_to(f"h{n}", sources=[f"{self.sim.api_url}/echo/h{n}?{number}" for number in (1, 2)])

    @property
    def hosts(self) -> list[str]:
        return list(self.lines)

    @property
    def all_addresses(self) -> list[str]:
        return [public(n) for n in range(1, self.size + 1)]

    def report(self, host: str, *addresses: str) -> None:
        """Let the echo services of a host report these addresses in turn."""
        self.sim.control("PUT", f"/echo/{host}", {"answers": list(addresses)})

    def move(self, **addresses: str) -> None:
        """Give hosts another public address."""
        for host, ip in addresses.items():
            self.report(host, ip)

    def add_to(self, *hosts: str, **variables: object) -> None:
        """Give some hosts variables of the role, or others with their whole name."""
        for host in hosts:
            for name, value in variables.items():
                whole = name if name.startswith(("qg_", "ansible_")) else f"egress_whitelist_{name}"
                self.lines[host] += f' {whole}="{value}"'

    def make_unreachable(self, host: str, closed_port: int) -> None:
        self.lines[host] = f"ansible_connection=ssh ansible_host=127.0.0.1 ansible_port={closed_port}"

    def make_uncertain(self, host: str) -> None:
        """Let a host have no source but those that report no address."""
        self.report(host, "<html>log in first</html>")

    def listed(self) -> list[str]:
        """The whitelist in numeric order."""
        return numeric(self.sim.whitelist())

    def put_in_sync(self) -> None:
        """Register all hosts: with the role once a session, and later with the state that it left."""
        assert self.snapshot is not None
        if self.snapshot.exists():
            shutil.copytree(self.snapshot, self.playground.store)
            self.sim.configure(whitelist=self.all_addresses)
            return
        self.run().ok()
        assert self.listed() == self.all_addresses
        shutil.copytree(self.playground.store, self.snapshot)

    def inventory(self, **options: Any) -> str:
        """The hosts with these options of the role, which are without its prefix; None leaves one out."""
        common = {"qg_key": self.sim.key, "qg_api_url": self.sim.api_url, **options}
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
        environment: Mapping[str, str] | None = None,
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
            environment=environment,
        )
        return RoleRun(**vars(run))
