# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_proxy_allocate on the control node, also for what many hosts need."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import ALLOCATE, RELEASE
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Operation, plain
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import ApiAction

#: The options that each pool has.
OPTIONS = ("key", "password", "product", "count", "areas", "isp", "keep_alive")


class ActionModule(ApiAction):
    """Runs the operation in the worker process."""

    operation = ALLOCATE

    def act(self) -> dict[str, Any]:
        """Lease what is missing: one set of leases, or the pools of hosts."""
        hosts = plain(self._task.args.pop("pools", None))
        if hosts is None:
            return super().act()
        if self.delegated_away():
            raise AnsibleActionFail("pools cannot be leased in a delegated task: run it on the control node.")
        return self.guarded(lambda: self._lease_pools(hosts))

    def _lease_pools(self, hosts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of each pool of each host. Equal pools share one, and a pool that fails stops no other."""
        given, exits = dict(self._task.args), [line for needs in hosts.values() for line in needs.get("exits") or ()]
        results: dict[str, dict[str, Any]] = {}
        found: dict[str, dict[str, Any]] = {host: {} for host in hosts}
        for host, needs in hosts.items():
            for pool in needs["pools"]:
                own = {name: pool[name] for name in OPTIONS if pool.get(name) not in (None, "", [])}
                options = {**given, **own, "min_remaining": f"{pool.get('drain') or default_drain(own)}s"}
                which = json.dumps([pool["name"], options], sort_keys=True)
                if which not in results:
                    failed = failed_exits(pool["name"], exits, int(options["count"]))
                    results[which] = self._lease(options, failed)
                found[host][pool["name"]] = results[which]
        texts = {text: None for one in results.values() for text in one.pop("warnings", ())}
        failures = [one["msg"] for one in results.values() if one.get("failed")]
        result = {"changed": any(one.get("changed") for one in results.values()), "pools": found, "warnings": [*texts]}
        if any(one.get("_ansible_no_log") for one in results.values()):
            result["_ansible_no_log"] = True
        return {**result, "failed": True, "msg": " ".join(failures)} if failures else result

    def _lease(self, options: Mapping[str, Any], failed: list[str]) -> dict[str, Any]:
        """Replace exits that have failed, and lease what is missing, or what may be had if that is less."""
        if failed:
            connection = {name: options[name] for name in options if name in RELEASE.spec}
            # Not every product can release, and not at every time.
            self._run(RELEASE, {**connection, "ips": failed})
            options = {**options, "exclude_ips": failed}
        result = self._run(ALLOCATE, options)
        number = may_be_had(result, int(options["count"]))
        return {**result, **self._run(ALLOCATE, {**options, "count": number})} if number > 0 else result

    def _run(self, operation: Operation, options: Mapping[str, Any]) -> dict[str, Any]:
        self._task.args, self._set_by = {**options}, {}
        try:
            return self.perform(operation)
        except AnsibleActionFail as error:
            return {"failed": True, "msg": error.message}


def default_drain(options: Mapping[str, Any]) -> int:
    """Return the seconds before its end from which a lease is replaced.

    Short enough for leases of a minute, unless they are known to last longer.
    """
    lasts = int(options.get("keep_alive", 1)) > 1 or options.get("product") in ("exclusive", "longterm")
    return 60 if lasts else 15


def failed_exits(pool: str, lines: Iterable[str], count: int) -> list[str]:
    """Return the servers of a pool that are down for some host and up for none, as far as they should be replaced."""
    seen: dict[str, set[str]] = {"up": set(), "down": set()}
    for state, name in (line.split(" ", 1) for line in lines):
        host, _, port = name.removeprefix(f"{pool}-").rpartition("-")
        if name.startswith(f"{pool}-"):
            seen[state].add(f"{host}:{port}")
    down = sorted(seen["down"] - seen["up"])
    if seen["up"]:
        return down
    # If no exit works, the cause may be another: replace one in each run, and at most three before one of them ends.
    return down[: max(0, len(down) - count + 1)] if len(down) < count + 3 else []


def may_be_had(result: Mapping[str, Any], count: int) -> int:
    """Return the count that channels or the cap allow, if a refusal says so."""
    quota, cap = result.get("quota"), result.get("cap")
    if quota:
        return count - int(result["missing"]) + int(quota["available"])
    return count - int(cap["bought"]) - int(cap["wanted"]) + int(cap["limit"]) if cap else 0
