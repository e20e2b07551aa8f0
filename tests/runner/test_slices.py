# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight jobs at once that share nothing but the key, under the vendor's real limits: every host is registered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
from simulator.fixture import Simulator, running_simulator
from support.job_slices import ADD, LIMITS, QUERY, Job, play, public, refusals, run_all, sliced, source

SLICES, HOSTS = 8, 160


def jobs_for(folder: Path, sim: Simulator, collections: str, playbook: str) -> list[Job]:
    """A job for each slice of one inventory."""
    hosts = list(range(HOSTS))
    sim.control("PUT", "/map", {source(n): public(n) for n in hosts})
    sim.configure(capacity=HOSTS + 100)
    jobs = [Job(folder / str(number), sliced(hosts, number, SLICES)) for number in range(1, SLICES + 1)]
    for job in jobs:
        job.prepare(playbook, sim, {"QG_KEY": sim.key}, collections)
    return jobs


def assert_all_registered(sim: Simulator, jobs: Sequence[Job]) -> None:
    failed = [f"{job.folder.name}: {job.output[-3000:]}" for job in jobs if job.rc != 0]
    assert not failed, "\n".join(failed)
    assert {public(n) for job in jobs for n in job.hosts} <= set(sim.whitelist())
    # Nothing is shared: each has a state directory in its own home, which is the default place.
    assert all((job.home / ".ansible" / "qgnet" / "state.sqlite3").is_file() for job in jobs)


def no_call_is_lost(journal: Sequence[Mapping[str, Any]], path: str) -> bool:
    """No address is added twice: a refused job repeats only its own call."""
    added = [ip for call in journal if call["path"] == path and call["code"] == 0 for ip in call["ips"]]
    return len(added) == len(set(added))


def test_slices_of_one_inventory(folder: Path, collections: str) -> None:
    """Within the limits: three calls for each job, whatever its size, and no refusal."""
    with running_simulator(["--minute", "60"]) as sim:
        jobs = jobs_for(folder, sim, collections, play())
        run_all(jobs)
        journal = sim.journal()
        assert_all_registered(sim, jobs)
    assert len(journal) == 3 * SLICES
    assert refusals(journal) == []


def test_slices_that_need_more_than_a_minute_allows(folder: Path, collections: str) -> None:
    """Beyond the limits from the first call on: another client has used up the minute, and each job has batches."""
    batches = 2
    with running_simulator(["--minute", "60"]) as sim:
        jobs = jobs_for(folder, sim, collections, play(serial=-(-HOSTS // SLICES // batches)))
        for number in range(LIMITS[ADD]):
            answer = requests.get(
                f"{sim.api_url}{ADD}", params={"Key": sim.key, "IP": f"203.0.113.{number + 1}"}, timeout=10
            )
            assert answer.json()["Code"] == 0
        sim.control("DELETE", "/journal")
        run_all(jobs)
        journal = sim.journal()
        assert_all_registered(sim, jobs)
    assert no_call_is_lost(journal, ADD)
    succeeded = [call for call in journal if call["path"] == ADD and call["code"] == 0]
    assert len(succeeded) == batches * SLICES
    # Each job is refused once. To know of it earlier, they would have to share something.
    assert len(refusals(journal)) == SLICES
    assert len({tuple(call["ips"]) for call in refusals(journal)}) == SLICES
    assert {call["path"] for call in refusals(journal)} == {ADD}
    # They come back at different times within a minute and a sixth, and a busy machine makes a wait a little longer.
    assert max(job.waited() for job in jobs) < 70 + 10
    assert len([call for call in journal if call["path"] == QUERY]) <= LIMITS[QUERY]
