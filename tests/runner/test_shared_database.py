# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs at once that share a database and nothing else: together they do what one control node does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from simulator.fixture import running_simulator
from support.job_slices import ADD, Job, play, public, refusals, run_all, sliced, source

SLICES, HOSTS, LEASES = 4, 40, 5
#: The vendor's minute in seconds: shorter, for runs that wait for a call of another one to be of the past.
MINUTE = "2"
#: Seconds that a paid call takes: longer than the jobs are apart.
APART = 3
#: The host that has another address later.
MOVED = 0


def registering_and_leasing() -> str:
    """The playbook of a slice: its hosts, and then the leases that every slice wants to be there."""
    allocate = {"name": "Have leases", "qingguo.qgnet.qg_proxy_allocate": {"count": LEASES}}
    leasing = {"name": "Have proxies", "hosts": "localhost", "gather_facts": False, "tasks": [allocate]}
    return yaml.safe_dump([*yaml.safe_load(play()), leasing], sort_keys=False)


def test_jobs_that_share_a_database(folder: Path, collections: str, database_url: str) -> None:
    with running_simulator(["--minute", MINUTE]) as sim:
        sim.configure(capacity=HOSTS + 10, plan={"channels": SLICES * LEASES, "free_delay": 0})
        for _job in range(SLICES):
            # The vendor's list alone does not tell what another job is just paying for.
            sim.fault(path="/allocate", kind="delay", seconds=APART)
        sim.control("PUT", "/map", {source(n): public(n) for n in range(HOSTS)})
        environment = {"QG_KEY": sim.key, "QG_STATE_URL": database_url, "QG_MINUTE_SECONDS": MINUTE}
        # The inventory is at another path in each job.
        same: dict[str, Any] = {"egress_whitelist_inventory_id": "fleet"}

        def made(name: str, hosts: list[int], playbook: str) -> Job:
            job = Job(folder / name, hosts)
            job.prepare(playbook, sim, environment, collections, same)
            return job

        slices = [sliced(range(HOSTS), number, SLICES) for number in range(1, SLICES + 1)]
        jobs = [made(str(number), hosts, registering_and_leasing()) for number, hosts in enumerate(slices)]
        run_all(jobs)
        for job in jobs:
            assert job.rc == 0, job.output[-3000:]
            assert {f"host{n:03}" for n in job.hosts} <= set(job.results("qg_egress_whitelist"))
            (leased,) = job.results("qg_proxy_allocate")["localhost"]
            assert len(leased["leases"]) == LEASES
        assert set(sim.whitelist()) == {public(n) for n in range(HOSTS)}
        # The vendor's books: all jobs wanted the same leases.
        assert len(sim.state()["keys"][sim.key]["paid"]) == LEASES
        # What one job has registered, another one knows.
        sim.control("PUT", "/map", {source(MOVED): public(HOSTS)})
        run_all([later := made("later", [MOVED], play())])
        assert later.rc == 0, later.output[-3000:]
        assert set(sim.whitelist()) == {public(n) for n in range(HOSTS + 1)} - {public(MOVED)}
        added = [ip for call in sim.journal(ADD) for ip in call["ips"]]
        assert len(added) == len(set(added)) == HOSTS + 1
        assert refusals(sim.journal()) == []
    # No job has kept anything in its home.
    assert not list(folder.glob("*/home/.ansible/qgnet"))
