# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a gateway or list is not refreshed as it was declared, and what a user is told."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.records import problem_of
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import Installation
from support import phrases

NOW = 1_900_000_000.0
GATEWAY = Installation(
    id="1",
    kind="gateway",
    inventory="hosts.yml",
    host="crawler1",
    name="qg-proxy-gateway",
    options={"interval": 10, "pools": [{"drain": 60}, {"drain": 15}]},
    keys={},
    installed_at=NOW - 86400,
    refreshed_at=NOW - 5,
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        # Three intervals, and half a minute for runs that take long.
        {"refreshed_at": NOW - 60},
        {"refreshed_at": NOW - 7200, "options": {"interval": 3600}},
        # Just installed, and not refreshed yet.
        {"refreshed_at": None, "installed_at": NOW - 20},
        # Each drain covers the interval and what a refresh takes.
        {"seconds": 5.0},
        {"seconds": None},
        {"seconds": 14.0, "options": {"interval": 10, "pools": [{"drain": 60}]}},
    ],
)
def test_a_refresh_that_is_in_time_is_no_problem(changes: dict[str, Any]) -> None:
    assert problem_of(dataclasses.replace(GATEWAY, **changes), NOW) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"refreshed_at": NOW - 61}, "61 seconds ago"),
        ({"refreshed_at": NOW - 7200}, "2 hours ago"),
        ({"refreshed_at": None}, "24 hours ago"),
        ({"problem": "Pool qg of crawler1: no exit works."}, "Pool qg of crawler1: no exit works."),
        ({"seconds": 14.0}, phrases.SET_DRAIN_TO_MORE_THAN.format(24)),
        ({"seconds": 5.1}, phrases.SET_DRAIN_TO_MORE_THAN.format(16)),
    ],
)
def test_an_overdue_refresh_or_a_problem_is_named(changes: dict[str, Any], words: str) -> None:
    problem = problem_of(dataclasses.replace(GATEWAY, **changes), NOW)

    assert problem.startswith("The gateway qg-proxy-gateway of crawler1 ")
    assert words in problem
    assert (phrases.REFRESH_BY_A_TIMER in problem) is ("refreshed_at" in changes)


@pytest.mark.parametrize(
    ("host", "value"),
    [
        ("crawler1", "crawler1"),
        ("\u722c\u866b$1", "\u722c\u866b$1"),
        # In a database, localhost has the name of its node.
        (f"localhost on {os.uname().nodename}", "localhost"),
        ("localhost on another", '"localhost on another"'),
    ],
)
def test_a_command_names_the_host_as_a_shell_and_ansible_read_it(host: str, value: str) -> None:
    overdue = dataclasses.replace(GATEWAY, host=host, refreshed_at=None)

    problem = problem_of(overdue, NOW)

    refreshed, forgotten = re.findall(r"qingguo[.]qgnet[.]\w+ (-e .*?)(?:[.] Only|$)", problem)
    assert shlex.split(refreshed) == ["-e", f"qg_hosts={value}"]
    assert shlex.split(forgotten) == ["-e", f"qg_forget={value}"]
