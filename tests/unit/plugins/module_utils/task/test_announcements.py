# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which of the processes that wait for the same thing announces it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import AnnouncementPolicy, Announcer, Wait
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.announcements import (
    Announcements,
    announcement_policy,
)
from support.processes import FORK, run_together


def test_nothing_is_written_before_three_seconds(tmp_path: Path) -> None:
    now, shown = [1000.0], list[str]()
    announcer = Announcer(shown.append, Announcements(str(tmp_path)).claim, now=lambda: now[0])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    announcer.sleep(2.9, Wait("the limit is used up", 290.0), sleep)
    assert list(tmp_path.iterdir()) == []
    announcer.sleep(0.2, Wait("the limit is used up", 290.0), sleep)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(shown) == 1


def claim(directory: str, start: Any, granted: Any) -> None:
    announcements = Announcements(directory)
    start.wait(20)
    left = announcements.claim("the limit", 60.0)
    while 0 < left < 1:
        left = announcements.claim("the limit", 60.0)
    granted.put(left)


def test_one_of_many_processes_announces_a_wait(tmp_path: Path) -> None:
    start, answers = FORK.Barrier(8), FORK.Queue()
    run_together(claim, *[(str(tmp_path), start, answers)] * 8)
    left = sorted(answers.get(timeout=20) for _process in range(8))
    assert left[0] == 0.0
    assert all(50 < seconds <= 60 for seconds in left[1:])
    assert Announcements(str(tmp_path)).claim("another limit", 60.0) == 0.0
    assert Announcements(str(tmp_path)).claim("the limit", 1e-9) == 0.0, "when the interval is over"


def test_a_directory_that_cannot_be_used_hides_no_wait(tmp_path: Path) -> None:
    assert Announcements(str(tmp_path / "missing")).claim("x", 60.0) == 0.0
    announcements = Announcements(str(tmp_path))
    announcements.claim("x", 60.0)
    (file,) = tmp_path.iterdir()
    file.write_text("damaged", encoding="ascii")
    assert announcements.claim("x", 60.0) == 0.0


def test_a_simulators_minute_shortens_the_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QG_MINUTE_SECONDS", "6")
    assert announcement_policy() == AnnouncementPolicy(pytest.approx(0.3), 1.0)
    monkeypatch.setenv("QG_MINUTE_SECONDS", "x")
    assert announcement_policy() == AnnouncementPolicy()
