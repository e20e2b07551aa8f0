# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The summary of a play as a variable of its hosts."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.run_summary import Unpruned, complete_result
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._run_variables import summary_of_play

HOSTS = ["web1", "web2", "web3"]
RESULTS: dict[str, dict[str, Any] | None] = {
    host: complete_result({"added": [f"192.0.2.{number}"]}) for number, host in enumerate(HOSTS)
}


def changed_hosts(play: list[str], results: dict[str, dict[str, Any] | None], *, is_shared: bool) -> list[str]:
    own = play[len(play) // 2]
    variables = {"inventory_hostname": own, "ansible_play_hosts_all": play, "ansible_play_hosts": play}
    summary = summary_of_play(variables, results, Unpruned(), [], prefix="", is_shared=is_shared)
    assert (summary["hosts"], summary["in_sync"]) == (len(results), len(results))
    return list(summary["changed_hosts"])


@pytest.mark.parametrize(("is_shared", "hosts"), [(True, HOSTS), (False, ["web2"])])
def test_only_a_summary_that_all_hosts_share_contains_the_changes_of_all(is_shared: bool, hosts: list[str]) -> None:
    assert changed_hosts(HOSTS, RESULTS, is_shared=is_shared) == hosts


def test_the_only_host_of_a_play_has_the_changes_of_all_hosts_that_it_forgets() -> None:
    assert changed_hosts(["localhost"], RESULTS, is_shared=False) == HOSTS
