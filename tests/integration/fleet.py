# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts of the role egress_whitelist, and what a run of it left."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration.playground import Playground, Run, numeric
from qgnet_simulator.running import Simulator
from support.invariants import Result

OTHER_KEY = "QGOTHER1"
DETECT = "Detect the egress addresses"
UPDATE = "Update the whitelist"
REPORT = "Report"

PLAY = """
- hosts: "{{ qg_hosts | default('all') }}"
  gather_facts: false
  %s
  pre_tasks: [%s]
  roles:
    - role: qingguo.qgnet.egress_whitelist
"""


def play(header: str = "", before: str = "") -> str:
    return PLAY % (header, before)


def public(number: int) -> str:
    """The address under which the internet sees a host."""
    return f"203.0.113.{number}"


@dataclass
class RoleRun(Run):
    """What a run of the role left."""

    @property
    def updates(self) -> list[Result]:
        """The results of the task that writes: one for each batch that has ended it."""
        tasks = [task for task in self.tasks if task.name == UPDATE]
        return [task.result for task in tasks if task.status in ("ok", "failed")]

    @property
    def warnings(self) -> list[list[str]]:
        """The warnings of each batch; Ansible leaves out an empty list."""
        return [update.get("warnings", []) for update in self.updates]

    @property
    def hosts(self) -> dict[str, Result]:
        """The result of each host, as a play can use it."""
        results: dict[str, Result] = {}
        for update in self.updates:
            results |= update.get("hosts", {})
        return results

    @property
    def in_sync(self) -> set[str]:
        return {name for name, result in self.hosts.items() if not result["failed"]}

    @property
    def changed(self) -> set[str]:
        """The hosts that Ansible counts as changed by the report."""
        return {host for host, task in self.by_host(REPORT).items() if task.result.get("changed")}

    @property
    def unreached(self) -> set[str]:
        hosts: set[str] = set()
        for update in self.updates:
            hosts.update(update.get("unreached_hosts", ()))
        return hosts

    def ok(self) -> RoleRun:
        super().ok()
        return self


@dataclass
class Fleet:
    """Hosts h1, h2, ..., each with echo services that report an address of its own."""

    sim: Simulator
    playground: Playground
    size: int = 4
    snapshot: Path | None = None
    lines: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number in range(1, self.size + 1):
            self.report(f"h{number}", public(number))
            self.add(f"h{number}", "ansible_connection=local")

    @property
    def hosts(self) -> list[str]:
        return list(self.lines)

    @property
    def all_addresses(self) -> list[str]:
        return [public(number) for number in range(1, self.size + 1)]

    def add(self, host: str, connection: str) -> None:
        """Add a host, or give it another connection."""
        self.lines[host] = connection
        echo = f"{self.sim.api_url}/echo/{host}"
        self.set(host, sources=[f"{echo}?1", f"{echo}?2"])

    def set(self, *hosts: str, **variables: object) -> None:
        """Give some hosts variables of the role, or others with their whole name."""
        for host in hosts:
            for name, value in variables.items():
                self.lines[host] += f' {variable(name)}="{value}"'

    def report(self, host: str, *addresses: str) -> None:
        """Let the echo services of a host report these addresses in turn."""
        self.sim.control("PUT", f"/echo/{host}", {"answers": list(addresses)})

    def move(self, **addresses: str) -> None:
        """Give hosts another public address."""
        for host, ip in addresses.items():
            self.report(host, ip)

    def make_unreachable(self, host: str, closed_port: int) -> None:
        self.lines[host] = (
            f"ansible_connection=ssh ansible_host=127.0.0.1 ansible_port={closed_port}"
        )

    def make_uncertain(self, host: str) -> None:
        """Let a host have no source but those that report no address."""
        self.report(host, "<html>log in first</html>")

    def listed(self) -> list[str]:
        """The whitelist in numeric order."""
        return numeric(self.sim.whitelist())

    def put_in_sync(self) -> None:
        """Register all hosts: with the role once a session, and later with the state that it
        left.
        """
        assert self.snapshot is not None
        if self.snapshot.exists():
            shutil.copytree(self.snapshot, self.playground.store, dirs_exist_ok=True)
            self.sim.configure(whitelist=self.all_addresses)
            return
        self.run().ok()
        assert self.listed() == self.all_addresses
        shutil.copytree(self.playground.store, self.snapshot)

    def inventory(self, **options: Any) -> str:
        """The hosts with these options of the role, which are without its prefix; None leaves one
        out.
        """
        given = {"qg_key": self.sim.key, "qg_api_url": self.sim.api_url, **options}
        lines = [f"{host} {rest}" for host, rest in self.lines.items()]
        settings = [
            f"{variable(name)}={value}" for name, value in given.items() if value is not None
        ]
        return "\n".join([*lines, "[all:vars]", *settings, ""])

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
        limited = ["--limit", limit] if limit else []
        run = self.playground.play(
            playbook or play(),
            inventory=inventory or self.inventory(**options),
            arguments=[*arguments, *limited],
            variables=variables,
            environment=environment,
        )
        return RoleRun(**vars(run))


def variable(name: str) -> str:
    """The variable of an option of the role, or the name itself if it is whole."""
    return name if name.startswith(("qg_", "ansible_")) else f"egress_whitelist_{name}"
