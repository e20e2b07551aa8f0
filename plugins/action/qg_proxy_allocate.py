# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_proxy_allocate on the control node, also for what many hosts need."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.checks import check_range, parse_minutes
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.credentials import check_credentials
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import ALLOCATE, RELEASE
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import KEY_OPTIONS
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    Operation,
    Spec,
    is_unset,
    plain,
    read_options,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import ApiAction

#: What a host needs, and the options that each of its pools can have; others are those of the task.
HOST: Spec = {
    "pools": {"type": "list", "elements": "dict", "required": True},
    "exits": {"type": "list", "elements": "str", "default": []},
}
POOL: Spec = {
    "name": {"type": "str", "required": True},
    "drain": {"type": "int"},
    "credentials": {"type": "bool", "default": False},
}
#: What the task for the leases of a pool does not get as it is.
_OF_POOL = ("name", "drain", "credentials")
_PLACE = "option of the task or of module_defaults"
_PASSWORD: Spec = {"password": KEY_OPTIONS["password"]}
for _name in ("key", "password", "product", "count", "areas", "isp", "keep_alive"):
    _of_task = ALLOCATE.spec[_name]
    POOL[_name] = {field: _of_task[field] for field in ("type", "elements", "choices", "no_log") if field in _of_task}


class ActionModule(ApiAction):
    """Runs the operation in the worker process."""

    operation = ALLOCATE

    def act(self) -> dict[str, Any]:
        """Lease what is missing: one set of leases, or the pools of hosts."""
        hosts = plain(self._args.pop("pools", None))
        if hosts is None:
            return super().act()
        if self.delegated_away():
            raise AnsibleActionFail("pools cannot be leased in a delegated task: run it on the control node.")
        return self.guarded(lambda: self._lease_pools(hosts))

    def _lease_pools(self, given: object) -> dict[str, Any]:
        """Return the result of each pool of each host. Equal pools share one, and a pool that fails stops no other."""
        task = self._args
        own = {"password": task["password"]} if "password" in task else {}
        login = read_options(_PASSWORD, own, place=_PLACE, variable=self.variable)
        hosts = read_pools(given, task.get("count"), login)
        exits = [line for needs in hosts.values() for line in needs["exits"]]
        results: dict[str, dict[str, Any]] = {}
        found: dict[str, dict[str, Any]] = {host: {} for host in hosts}
        for host, needs in hosts.items():
            for pool in needs["pools"]:
                name = pool["name"]
                own = {each: pool[each] for each in POOL if pool[each] is not None and each not in _OF_POOL}
                options = {**task, **own, "min_remaining": f"{pool['drain']}s"}
                which = json.dumps([name, options], sort_keys=True)
                if which not in results:
                    results[which] = self._lease(options, failed_exits(name, exits, pool["count"]))
                found[host][name] = results[which]
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
        number = may_be_had(result, options["count"])
        return {**result, **self._run(ALLOCATE, {**options, "count": number})} if number > 0 else result

    def _run(self, operation: Operation, options: Mapping[str, Any]) -> dict[str, Any]:
        self._args, self._set_by = {**options}, {}
        try:
            return self.perform(operation)
        except AnsibleActionFail as error:
            return {"failed": True, "msg": error.message}


def read_pools(given: object, count: object, login: Mapping[str, Any]) -> dict[str, Any]:
    """Return what hosts need, validated; raises OptionError.

    ``count`` and the password of ``login`` are those of a pool without its own. In a pool, an empty value is none, but
    not an empty key. A pool may have other values, such as those of a role.
    """
    hosts = read_options({"pools": {"type": "dict", "required": True}}, {"pools": given}, place=_PLACE)["pools"]
    spec: Spec = {host: {"type": "dict", "required": True} for host in hosts}
    found = read_options(spec, hosts, place=_PLACE)
    for host, needs in found.items():
        with _naming(f"In pools of {host}, "):
            found[host] = read_options(HOST, needs, place="value of a host")
        pools = found[host]["pools"]
        for number, pool in enumerate(pools, 1):
            name = pool.get("name") or f"number {number}"
            with _naming(f"Pool {name} of {host}: "):
                pools[number - 1] = read_pool(pool, count, login)
    return found


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """Begin the sentence about a mistake with its place."""
    try:
        yield
    except OptionError as error:
        raise QgError(f"{place}{error.message}") from None


def read_pool(given: Mapping[str, Any], count: object, login: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a pool, validated; raises OptionError."""
    own = {name: given[name] for name in POOL if name in given}
    own = {name: value for name, value in own.items() if value != [] and not is_unset(name, value)}
    pool = read_options(POOL, {"count": count, **own}, place="value of the pool")
    if pool["drain"] is None:
        pool["drain"] = default_drain(pool)
    check_range("drain", pool["drain"], 1, 86400)
    check_credentials(pool["credentials"], pool["password"] or login["password"], "credentials")
    return pool


def default_drain(options: Mapping[str, Any]) -> int:
    """Return the seconds before its end from which a lease is replaced.

    Short enough for leases of a minute, unless they are known to last longer.
    """
    minutes = parse_minutes("keep_alive", options["keep_alive"] or 1)
    return 60 if minutes > 1 or options["product"] in ("exclusive", "longterm") else 15


def failed_exits(pool: str, lines: Iterable[str], count: int) -> list[str]:
    """Return the servers of a pool that are down for some host and up for none, as far as they should be replaced."""
    seen: dict[str, set[str]] = {"up": set(), "down": set()}
    for line in lines:
        state, _blank, name = line.partition(" ")
        host, _dash, port = name.removeprefix(f"{pool}-").rpartition("-")
        if state in seen and name.startswith(f"{pool}-"):
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
