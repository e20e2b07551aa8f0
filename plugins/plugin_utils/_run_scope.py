# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which part of its hosts a run sees: a list that a playbook builds from them may be incomplete.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import format_sample

#: Limits that leave no host out.
_NO_LIMIT = ("", "all", "*")
#: The maximum number of hosts that a message names.
_MAX_NAMES = 5


def why_partial(limit: str | None, variables: Mapping[str, Any]) -> str | None:
    """Return why the run sees only part of its hosts, as a clause of a message; None if it sees all of them.

    ``limit`` is the value of ``--limit``, ``variables`` are those of the task.
    """
    if limit and limit.strip() not in _NO_LIMIT:
        return f"it is limited with --limit {limit}"
    all_hosts, hosts, batch = (
        list(variables.get(f"ansible_play_{name}") or ()) for name in ("hosts_all", "hosts", "batch")
    )
    missing = sorted(set(all_hosts) - set(hosts))
    if missing:
        verb = "was" if len(missing) == 1 else "were"
        return f"{format_sample(missing, _MAX_NAMES)} failed, {verb} unreachable or ended before"
    if set(hosts) - set(batch):
        return f"a serial batch has {len(batch)} of the play's {len(all_hosts)} hosts"
    return None
