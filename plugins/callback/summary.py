# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shows at the end of a run what it changed at the vendor."""

from __future__ import annotations

DOCUMENTATION = r"""
name: summary
type: aggregate
short_description: Show what a run changed at QG.net
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - At the end of a run, prints one table of what the tasks of this collection changed, paid for and waited for, also if
    tasks failed. Without such tasks, it prints nothing.
  - What tasks predict in check mode is in a table of its own.
  - Results that Ansible hides because of C(no_log) cannot be counted. The table shows their number.
  - The table goes to the standard error if the output of the run is JSON, that is if the name of the stdout callback
    contains C(json).
requirements:
  - Add C(qingguo.qgnet.summary) to C(callbacks_enabled) in C(ansible.cfg) or E(ANSIBLE_CALLBACKS_ENABLED).
seealso:
  - module: qingguo.qgnet.qg_proxy_allocate
  - module: qingguo.qgnet.qg_egress_whitelist
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line

#: The rows of the table: the name of a count, and its heading. The first ones are always shown, the others if they are
#: not 0.
_ALWAYS = {
    "added": "whitelist entries added",
    "removed": "whitelist entries removed",
    "leased": "leases allocated",
    "released": "leases released",
    "paid": "paid for",
}
_OTHERS = {
    "refused": "addresses refused",
    "applied": "exclusive resources applied for",
    "given_up": "exclusive resources released",
    "redialed": "exclusive resources redialed",
    "failed": "failed tasks",
    "hidden": "hidden results",
}
#: The reason of waits of which a result shows no other.
_OTHER_TASKS = "other tasks changed the same key"


def _part(result: Any, name: str) -> Any:
    """Return a part of a task's result by its current name, or by that of ansible-core before 2.19."""
    return getattr(result, name) if hasattr(result, name) else getattr(result, f"_{name}")


def _size(result: Mapping[str, Any], name: str) -> int:
    return len(result.get(name) or ())


@dataclass
class Totals:
    """What tasks changed, or predict in check mode. ``in_sync`` are the hosts in sync and all hosts, by play."""

    counts: Counter[str] = field(default_factory=Counter)
    in_sync: dict[str, tuple[int, int]] = field(default_factory=dict)
    waits: dict[str, float] = field(default_factory=dict)

    def add(self, module: str, result: Mapping[str, Any], play: str) -> None:
        """Add the result of one task on one host, or of one item of its loop."""
        if "censored" in result:
            self.counts["hidden"] += 1
            return
        if "in_sync" in result:
            # The summary of a play contains what its hosts have reported themselves.
            self.in_sync[play] = (result["in_sync"], result["hosts"])
            return
        if module == "qg_egress_whitelist":
            # One host reports the changes for all.
            result = result.get("summary") or {}
        self._add_usage(result.get("api") or {})
        if module in ("qg_whitelist", "qg_egress_whitelist"):
            self.counts += Counter({name: _size(result, name) for name in ("added", "removed", "refused")})
        elif module == "qg_monopoly":
            new = _size(result, "applied")
            self.counts += Counter({"applied": new, "given_up": _size(result, "released"), "paid": new})
            self.counts["redialed"] += _size(result, "redialed")
        elif "allocated" in result:
            new = _size(result, "allocated")
            self.counts += Counter({"leased": new, "released": _size(result, "released"), "paid": new})

    def add_missing(self, module: str, result: Mapping[str, Any]) -> None:
        """Add what a task in check mode would pay for."""
        missing = result.get("missing") or 0
        self.counts += Counter({"applied" if module == "qg_monopoly" else "leased": missing, "paid": missing})

    def _add_usage(self, usage: Mapping[str, Any]) -> None:
        self.counts["calls"] += usage.get("calls", 0)
        self.counts["retries"] += usage.get("retries", 0)
        waits = dict(usage.get("waits") or {})
        waits[_OTHER_TASKS] = usage.get("waited_seconds", 0) - sum(waits.values())
        for reason, seconds in waits.items():
            self.waits[reason] = self.waits.get(reason, 0) + seconds

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield the headings and values of the table."""
        if self.in_sync:
            yield "hosts in sync", ", ".join(f"{good} of {hosts}" for good, hosts in self.in_sync.values())
        for name, heading in _ALWAYS.items():
            yield heading, str(self.counts[name])
        for name, heading in _OTHERS.items():
            if self.counts[name]:
                yield heading, str(self.counts[name])
        repeated = f", {self.counts['retries']} of them repeated" if self.counts["retries"] else ""
        yield "calls", f"{self.counts['calls']}{repeated}"
        waits = [(seconds, reason) for reason, seconds in self.waits.items() if seconds >= 0.1]
        yield "waited", f"{sum(seconds for seconds, _reason in waits):.1f} s"
        for seconds, reason in sorted(waits, reverse=True):
            yield f"  {one_line(reason)}", f"{seconds:.1f} s"


class CallbackModule(CallbackBase):
    """Counts the results of this collection's tasks."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "qingguo.qgnet.summary"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        #: The changes, and those that tasks in check mode predict.
        self._totals = {False: Totals(), True: Totals()}
        self._began: set[bool] = set()
        self._play = ""

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Note the play that the following results belong to."""
        self._play = str(play._uuid)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Count a result."""
        self._add(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Count what a task changed before it failed."""
        self._add(result, failed=True)

    def v2_runner_retry(self, result: Any) -> None:
        """Count what an attempt changed that "until" repeats."""
        self._add(result)

    def _add(self, outcome: Any, *, failed: bool = False) -> None:
        task, result = _part(outcome, "task"), _part(outcome, "result")
        collection, _dot, module = str(task.action).rpartition(".")
        if collection not in ("", "qingguo.qgnet") or not module.startswith("qg_"):
            return
        check = bool(task.check_mode)
        self._began.add(check)
        self._totals[check].counts["failed"] += failed
        items = result.get("results")
        for own in items if isinstance(items, list) else [result]:
            self._totals[check].add(module, own, self._play)
            if check and "censored" not in own:
                self._totals[check].add_missing(module, own)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print the table."""
        for check in sorted(self._began):
            rows = list(self._totals[check].rows())
            width = max(len(heading) for heading, _value in rows)
            lines = [f"{heading:{width}}  {value}" for heading, value in rows]
            title = "QG.NET, PREDICTED IN CHECK MODE" if check else "QG.NET"
            self._show("\n".join(["", f"{title} {'*' * (79 - len(title))}", *lines]))

    def _show(self, text: str) -> None:
        in_json = "json" in str(constants.DEFAULT_STDOUT_CALLBACK).lower()
        self._display.display(text, stderr=in_json)
