# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases: tasks that allocate, release and replace are ended at random moments; none is paid twice."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.place import Place, Run
from chaos.runs import LAG, Figures, disturb, plan_fault, undisturbed, wait_for_workers

WRITES = ("/allocate", "/release", "/replace")
CHANNELS = 12
#: What a replacement says whose addresses an earlier run has replaced.
NONE_HELD = "contains no lease that the key holds"
MODULES = {"ALLOCATE": "qg_proxy_allocate", "RELEASE": "qg_proxy_release", "REPLACE": "qg_proxy_replace"}


@dataclass(frozen=True)
class Books:
    """What the vendor was paid for, and the leases that live."""

    paid: int
    live: frozenset[str]


@dataclass(frozen=True)
class Task:
    """What the runs of a round are asked for."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def may_pay(self, before: Books, finished: int) -> int:
        """The most leases that runs with this task may pay for; ``finished`` of them were ended after their result."""
        if self.name == "RELEASE":
            return 0
        if self.name == "ALLOCATE":
            return max(0, int(self.options["count"]) - len(before.live))
        if "ips" in self.options:
            # The addresses are gone afterwards, so that a later run with the same task finds nothing to replace.
            return len(self.options["ips"])
        return int(self.options["count"]) * (1 + finished)

    def expects(self, before: Books) -> tuple[int, int]:
        """The least and the most leases that live after an undisturbed run."""
        live = len(before.live)
        if self.name == "RELEASE":
            left = len(before.live - set(self.options["ips"]))
            return left, left
        if self.name == "ALLOCATE":
            count = int(self.options["count"])
            return count, count if self.options.get("exact") else max(count, live)
        return live, live


class LeaseLane:
    """Rounds on one key."""

    def __init__(self, place: Place, rng: random.Random, figures: Figures) -> None:
        self.place = place
        self.rng = rng
        self.figures = figures
        plan = {"channels": CHANNELS, "free_delay": 0}
        place.sim.configure(plan=plan, options={"replace_order": "random"})

    def books(self) -> Books:
        state = self.place.sim.state()["keys"][self.place.sim.key]
        return Books(len(state["paid"]), frozenset(lease["ip"] for lease in state["leases"]))

    def round(self) -> None:
        """One task: some runs that are ended, and an undisturbed one; then the vendor's books are read."""
        place, rng = self.place, self.rng
        self.figures.lease_rounds += 1
        lag = rng.choice([0, 0, LAG * place.scale])
        place.sim.configure(options={"list_lag": lag})
        before, since = self.books(), place.last_call()
        task = self.choose(before)
        story = f"leases: {task.name} {dict(task.options)}, list lag {lag}, {before}\n"
        runs: list[Run] = []
        for _attempt in range(rng.choice([1, 1, 2, 3])):
            if rng.random() < 0.7:
                story += f"  fault {self.plan_fault(task)}\n"
            began = place.last_call()
            started = [self.start(task) for _run in range(rng.choice([1, 1, 2]))]
            runs += started
            story += disturb(place, started, WRITES, began, rng, self.figures)
            time.sleep(rng.choice([0, 0, rng.uniform(0, 2)]))
        place.sim.control("DELETE", "/faults")
        last = self.start(task)
        done = NONE_HELD if task.name == "REPLACE" and "ips" in task.options else ""
        good, tried = undisturbed(place, last, self.figures, story, done=done)
        *repeated, last = tried
        runs += repeated
        for run in runs:
            wait_for_workers(place, run, self.figures, story)
        place.wait_for_vendor()
        after = self.books()
        finished = sum(run.finished.exists() for run in runs)
        story += "".join(f"  repeated after: {run.text()}\n" for run in repeated)
        story += f"  {after}, {finished} finished\n  calls: {self.journal(since)}\n  result: {last.text()}\n"
        paid = after.paid - before.paid
        self.figures.leases_paid += paid
        self.figures.wrong("paid_twice", paid - task.may_pay(before, finished), story)
        least, most = task.expects(before)
        if good:
            self.figures.wrong("leases_missing", least - len(after.live), story)
            self.figures.wrong("leases_extra", len(after.live) - most, story)
        place.sim.control("DELETE", "/journal")
        self.figures.stories.append(story)

    def journal(self, since: int) -> str:
        rows = [call for call in self.place.calls_since(since) if call["path"] in (*WRITES, "/query", "/info/quota")]
        return "\n    ".join(
            f"{call['at']:.2f} {call['path']} {call['params']} {call['fault'] or ''} {call['code']}" for call in rows
        )

    def choose(self, before: Books) -> Task:
        rng, live = self.rng, sorted(before.live)
        what = rng.choices(["more", "exact", "release", "replace", "replace ips"], [50, 15, 10, 15, 10])[0]
        if what == "more" and len(live) < 10:
            return Task("ALLOCATE", {"count": min(10, max(1, len(live) + rng.randint(-1, 5)))})
        if what == "exact" or not live:
            return Task("ALLOCATE", {"count": rng.randint(1, 8), "exact": True})
        chosen = rng.sample(live, rng.randint(1, min(4, len(live))))
        if what == "replace":
            return Task("REPLACE", {"count": len(chosen)})
        if what == "replace ips":
            return Task("REPLACE", {"ips": chosen})
        return Task("RELEASE", {"ips": rng.sample(live, rng.randint(1, len(live)))})

    def plan_fault(self, task: Task) -> dict[str, Any]:
        rng = self.rng
        path = rng.choice(["/allocate" if task.name == "ALLOCATE" else rng.choice(WRITES), "/query"])
        return plan_fault(self.place, path, rng)

    def start(self, task: Task) -> Run:
        if self.rng.random() < 0.25:
            return self.place.task(MODULES[task.name], **task.options)
        return self.place.operation(task.name, **task.options)
