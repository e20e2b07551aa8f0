# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What "make chaos" expects of the vendor's books, and that it fails for anything else."""

from __future__ import annotations

import fcntl
import os
import subprocess
from pathlib import Path

import pytest
from chaos import chaos, lease_lane, place, role_lane, runs

BEFORE = lease_lane.Books(paid=3, live=frozenset({"203.0.113.1", "203.0.113.2", "203.0.113.3"}))


@pytest.mark.parametrize(
    ("name", "options", "finished", "may_pay", "left"),
    [
        ("ALLOCATE", {"count": 5}, 2, 2, (5, 5)),
        ("ALLOCATE", {"count": 2}, 0, 0, (2, 3)),
        ("ALLOCATE", {"count": 2, "exact": True}, 0, 0, (2, 2)),
        ("RELEASE", {"ips": ["203.0.113.1"]}, 0, 0, (2, 2)),
        ("REPLACE", {"ips": ["203.0.113.1"]}, 2, 1, (3, 3)),
        ("REPLACE", {"count": 2}, 1, 4, (3, 3)),
    ],
)
def test_a_round_may_pay_for_what_its_task_needs(
    name: str, options: dict[str, object], finished: int, may_pay: int, left: tuple[int, int]
) -> None:
    task = lease_lane.Task(name, options)
    assert task.may_pay(BEFORE, finished) == may_pay
    assert task.expects(BEFORE) == left


def test_the_whitelist_needs_what_hosts_and_tasks_have_registered_last() -> None:
    wanted = role_lane.Wanted()
    wanted.apply(role_lane.Asked("register", {"h1": "203.0.113.1", "h2": "203.0.113.2"}, "present", ("198.51.100.1",)))
    wanted.apply(role_lane.Asked("register", {"h1": "203.0.113.2"}))
    wanted.apply(role_lane.Asked("deregister", {"h2": "203.0.113.9"}))
    assert wanted.addresses() == {"203.0.113.2", "198.51.100.1", *role_lane.CONSOLE_IPS}
    wanted.apply(role_lane.Asked(state="absent", ips=("198.51.100.1",)))
    assert wanted.tasks == set()


@pytest.mark.parametrize("name", runs.Figures.WRONG)
def test_each_figure_that_is_not_0_fails_the_run_and_is_in_its_last_line(name: str) -> None:
    figures = runs.Figures()
    figures.wrong(name, 0, "")
    figures.wrong(name, -1, "")
    assert figures.is_clean
    figures.wrong(name, 2, "how it came about")
    total = runs.Figures.sum([runs.Figures(), figures])
    assert not total.is_clean
    assert f"2 {name.replace('_', ' ')}" in total.line()
    assert "how it came about" in total.trouble[0]


def test_a_lock_is_found_with_the_process_that_holds_it(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "60"])
    try:
        with (tmp_path / "a.lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            assert place.locks_of([os.getpid()])
            assert place.locks_of([other.pid]) == []
    finally:
        other.kill()
        other.wait()


def test_a_lane_that_cannot_begin_fails_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(_arguments: list[str]) -> None:
        raise RuntimeError("the simulator is not up")

    monkeypatch.setattr(chaos, "running_simulator", broken)
    figures = runs.Figures()
    chaos.run_lane("role", tmp_path / "lane", "token", chaos.parser().parse_args([]), figures, None)
    assert figures.runs_failed == 1
    assert "the simulator is not up" in figures.trouble[0]
