# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role: runs that register and deregister hosts are ended at random moments, beside tasks on the same whitelist."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.place import Place, Run
from chaos.runs import LAG, Figures, disturb, plan_fault, undisturbed, wait_for_workers

QUERY, ADD, DEL = "/whitelist/query", "/whitelist/add", "/whitelist/del"
HOSTS = tuple(f"h{number}" for number in range(1, 9))
#: Fewer than there are hosts twice over, so that hosts take over, share and swap addresses.
HOST_IPS = tuple(f"203.0.113.{number}" for number in range(1, 13))
TASK_IPS = tuple(f"198.51.100.{number}" for number in range(1, 7))
CONSOLE_IPS = ("192.0.2.1", "192.0.2.2")


@dataclass(frozen=True)
class Asked:
    """What runs are asked for: a playbook for hosts with these addresses, and a task of qg_whitelist."""

    playbook: str = ""
    hosts: Mapping[str, str] = field(default_factory=dict)
    state: str = ""
    ips: tuple[str, ...] = ()


@dataclass
class Wanted:
    """What must be on the whitelist in the end."""

    hosts: dict[str, str] = field(default_factory=dict)
    tasks: set[str] = field(default_factory=set)

    def apply(self, asked: Asked) -> None:
        """After an undisturbed run."""
        for host, ip in asked.hosts.items():
            self.hosts.pop(host, None)
            if asked.playbook == "register":
                self.hosts[host] = ip
        if asked.state == "present":
            self.tasks.update(asked.ips)
        else:
            self.tasks.difference_update(asked.ips)

    def addresses(self) -> set[str]:
        return {*self.hosts.values(), *self.tasks, *CONSOLE_IPS}


class RoleLane:
    """Rounds on one key, with eight hosts and tasks of qg_whitelist."""

    has_hosts = True

    def __init__(self, place: Place, rng: random.Random, figures: Figures) -> None:
        self.place = place
        self.rng = rng
        self.figures = figures
        self.wanted = Wanted()
        self.addresses = {host: HOST_IPS[number] for number, host in enumerate(HOSTS)}
        place.sim.configure(whitelist=list(CONSOLE_IPS))

    def round(self) -> None:
        """Some runs for the same hosts and addresses that are ended, and an undisturbed one; then the list is read."""
        place, rng = self.place, self.rng
        self.figures.role_rounds += self.has_hosts
        self.figures.task_rounds += not self.has_hosts
        lag = rng.choice([0, 0, LAG * place.scale])
        place.sim.configure(options={"list_lag": lag})
        since = place.last_call()
        story = f"role: list lag {lag}, whitelist {sorted(place.sim.whitelist())}, registered {self.wanted}\n"
        hosts = sorted(rng.sample(HOSTS, rng.randint(1, len(HOSTS)))) if self.has_hosts else []
        ips = tuple(rng.sample(TASK_IPS, rng.randint(1, 3))) if not hosts or rng.random() < 0.5 else ()
        last = Asked()
        for attempt in range(rng.choice([1, 2, 2, 3])):
            last = self.choose(hosts, ips, first=attempt == 0)
            story += f"  asked for {last}\n"
            if rng.random() < 0.7:
                story += f"  fault {self.plan_fault(last)}\n"
            began = place.last_call()
            runs = self.start(last)
            story += disturb(place, runs, (ADD, DEL), began, rng, self.figures)
            for run in runs:
                # Only then is anything else asked for.
                wait_for_workers(place, run, self.figures, story)
            time.sleep(rng.choice([0, 0, rng.uniform(0, 2)]))
        place.sim.control("DELETE", "/faults")
        runs = self.start(last)
        settled = [undisturbed(place, run, self.figures, story) for run in runs]
        self.wanted.apply(last)
        place.wait_for_vendor()
        found, wanted = set(place.sim.whitelist()), self.wanted.addresses()
        story += f"  whitelist {sorted(found)}\n  lost {sorted(wanted - found)}, extra {sorted(found - wanted)}\n"
        story += f"  calls: {self.journal(since)}\n" + "".join(run.text() for _good, tried in settled for run in tried)
        if all(good for good, _tried in settled):
            self.figures.wrong("addresses_lost", len(wanted - found), story)
            self.figures.wrong("addresses_extra", len(found - wanted), story)
        if found != wanted:
            # The next round is judged by itself.
            place.sim.configure(whitelist=sorted(wanted))
        place.sim.control("DELETE", "/journal")
        self.figures.stories.append(story)

    def choose(self, hosts: list[str], ips: tuple[str, ...], *, first: bool) -> Asked:
        """Something else for the same hosts and addresses: some hosts have moved."""
        rng = self.rng
        for host in hosts:
            if rng.random() < 0.4:
                self.addresses[host] = rng.choice(HOST_IPS)
        playbook = rng.choice(["register", "register", "deregister"]) if hosts else ""
        if not self.wanted.hosts.keys() & set(hosts) and first and hosts:
            playbook = "register"
        addresses = {host: self.addresses[host] for host in hosts}
        return Asked(playbook, addresses, rng.choice(["present", "absent"]) if ips else "", ips)

    def start(self, asked: Asked) -> list[Run]:
        """The playbook and the task, at the same time."""
        runs = [self.play(asked.playbook, list(asked.hosts))] if asked.playbook else []
        if asked.state:
            options = {"state": asked.state, "ips": list(asked.ips), "allow_non_global": True}
            runs.append(self.place.operation("WHITELIST", **options))
        return runs

    def plan_fault(self, asked: Asked) -> Mapping[str, object]:
        rng = self.rng
        adds = asked.playbook == "register" or (not asked.playbook and asked.state == "present")
        path = rng.choice([*[ADD if adds else DEL] * 4, DEL if adds else ADD, QUERY])
        return plan_fault(self.place, path, rng)

    def play(self, playbook: str, hosts: list[str]) -> Run:
        lines = [
            f"{host} ansible_connection=local egress_whitelist_ips=\"['{ip}']\"" for host, ip in self.addresses.items()
        ]
        options = self.place.options(allow_non_global=True, inventory_id="chaos")
        lines += ["[all:vars]", *(f"egress_whitelist_{name}={value}" for name, value in options.items())]
        variables = {"qg_hosts": ",".join(hosts)}
        return self.place.play(f"qingguo.qgnet.{playbook}", "\n".join(lines) + "\n", variables)

    def journal(self, since: int) -> str:
        return "\n    ".join(
            f"{call['at']:.2f} {call['path']} {call['ips']} {call['fault'] or ''} {call['code']}"
            for call in self.place.calls_since(since)
        )


class TaskLane(RoleLane):
    """The same without hosts: tasks are faster than playbooks."""

    has_hosts = False
