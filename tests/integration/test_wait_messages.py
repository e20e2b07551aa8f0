# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a playbook shows while its tasks wait: a line for each thing that is waited for, however many hosts wait."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.turns import Decision
from simulator.fixture import Simulator
from support.playbooks import QUERY, Playground
from support.whitelist_processes import lead, parse_options

#: Seconds between two lines, when the minute has 60.
INTERVAL = 10.0
HOSTS = 6
PLAY = """
- hosts: all
  gather_facts: false
  vars:
    options: &options
      key: "{{ key }}"
      api_url: "{{ api_url }}"
    add: &add
      <<: *options
      ips: ["198.51.100.{{ groups.all.index(inventory_hostname) + 1 }}"]
      allow_non_global: true
      max_wait: 1
  tasks:
    - name: limit
      qingguo.qgnet.qg_whitelist_info:
        <<: *options
    - name: hidden
      qingguo.qgnet.qg_whitelist:
        <<: *add
      no_log: true
      ignore_errors: true
    - name: writer
      qingguo.qgnet.qg_whitelist:
        <<: *add
      ignore_errors: true
"""


def write_and_stop(store: Path, key: str, api_url: str) -> None:
    """Have the write lock, and stop."""

    def stop(_claims: object) -> Decision:
        os.kill(os.getpid(), signal.SIGSTOP)
        return Decision({}, [])

    lead(parse_options(store, key=key, api_url=api_url), State(str(store)), stop)


@pytest.fixture
def stopped_writer(sim: Simulator, playground: Playground) -> Iterator[int]:
    """A process of another run that has the write lock; its number."""
    arguments = (playground.store, sim.key, sim.api_url)
    process = multiprocessing.get_context("fork").Process(target=write_and_stop, args=arguments)
    process.start()
    assert process.pid is not None
    os.waitpid(process.pid, os.WUNTRACED)
    yield process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join(20)


@pytest.mark.newest_core
def test_hosts_that_wait_for_the_same_thing_show_it_once(
    sim: Simulator, playground: Playground, minute: float, stopped_writer: int
) -> None:
    sim.fault(path=QUERY, kind="code", code=-11, times=HOSTS)
    inventory = "".join(f"h{n} ansible_connection=local\n" for n in range(HOSTS))
    began = time.monotonic()
    run = playground.play(
        PLAY,
        inventory=inventory,
        variables={"key": sim.key, "api_url": sim.api_url},
        environment={"ANSIBLE_FORKS": str(HOSTS)},
    )
    elapsed = time.monotonic() - began
    assert {task.status for task in run.by_host("limit").values()} == {"ok"}
    assert {task.status for task in run.by_host("hidden").values()} == {"failed"}
    assert len(run.by_host("writer")) == HOSTS
    assert "waiting" not in run.stdout
    lines = [line for line in run.stderr.splitlines() if "waiting because" in line]
    limit, writer = (
        [line for line in lines if line.startswith(f"{module}: ")] for module in ("qg_whitelist_info", "qg_whitelist")
    )
    assert len(limit) + len(writer) == len(lines)
    assert re.fullmatch(
        r"qg_whitelist_info: waiting because the vendor's limit of 60 a minute is used up \(/whitelist/query\): "
        r"(about \d+ s more, )?at most (300|299|298|297) s( more)? \(max_wait\)",
        limit[0],
    )
    assert re.fullmatch(
        rf"qg_whitelist: waiting because another process is writing to the same whitelist: process {stopped_writer}, "
        r"which is stopped; at most [0-2] s more \(max_wait\)",
        writer[0],
    )
    # The hosts wait for as many seconds each.
    most = elapsed / (INTERVAL * minute / 60) + 1
    assert len(limit) <= most
    assert len(writer) <= most / 2
    assert [path.name for path in playground.left_behind() if "qgnet-wait" in path.name] == []
