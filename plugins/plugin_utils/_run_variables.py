# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The results of the role egress_whitelist as variables of its hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.ownership import kept_warning
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.run_summary import (
    Unpruned,
    summary_of_run,
    unpruned_warning,
)


def register_as(task: Any, name: str) -> None:
    """Let Ansible register the result of the running task under this name, even if the task fails.

    The keyword "register" in the role would be wrong if a host skips the task: Ansible then does not evaluate the
    template in run_once, and registers "skipped" for all hosts. Facts would be lost if the task fails.
    """
    if not task.register:
        task.register = name
        # Since ansible-core 2.21, the attribute is a dictionary, which this method makes from a name.
        if hasattr(task, "_validate_register"):
            task._validate_register(None, "register", name)


def summary_of_play(
    variables: Mapping[str, Any],
    results: Mapping[str, dict[str, Any] | None],
    unpruned: Unpruned,
    warnings: list[str],
    *,
    prefix: str,
    is_shared: bool,
) -> dict[str, Any]:
    """Return the summary of all hosts of the play, as the result of a task; ``prefix`` is that of its variables.

    Unless the summary ``is_shared`` by all hosts, each has its own, and ``changed_hosts`` contains only this host. The
    changes of all hosts, on each of 1,000 hosts, took longer than the rest of the run.
    """
    in_play = {str(host): None for host in variables.get("ansible_play_hosts_all") or ()}
    # Hosts to forget have results without being in the play.
    hosts = [host for host in results if host not in in_play] or list(in_play)
    summary = summary_of_run(hosts, set(variables.get("ansible_play_hosts") or ()), results, unpruned)
    if not is_shared and len(in_play) > 1:
        own = str(variables["inventory_hostname"])
        summary["changed_hosts"] = {host: change for host, change in summary["changed_hosts"].items() if host == own}
    if summary["unreached_hosts"]:
        names = ", ".join(summary["unreached_hosts"])
        warnings = [*warnings, f"Not completed, because they failed, were unreachable or ended before: {names}."]
    if text := unpruned_warning(summary, prefix):
        warnings = [*warnings, text]
    if text := kept_warning(summary["kept"], f"{prefix}adopt"):
        warnings = [*warnings, text]
    return {"changed": False, **summary, **({"warnings": warnings} if warnings else {})}
