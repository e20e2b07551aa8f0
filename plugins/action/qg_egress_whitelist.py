# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_egress_whitelist: detects the egress addresses of each host, registers them with one write,
and reports for each.

What the hosts have detected is a registered variable, which the one process that writes reads.
Between the tasks of a play, Ansible itself waits for all hosts.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Set
from functools import partial
from socket import inet_aton
from typing import Any

import ansible.constants
from ansible.errors import AnsibleActionFail
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.checks import (
    check_addresses,
    check_range,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import digest_in_run
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import format_sample
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import is_database
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.registrations import (
    registered_name,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import (
    EGRESS_OPTIONS,
    INVENTORY_OPTIONS,
    PROXY_API_OPTIONS,
    Connection,
    key_caller,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    UNSET,
    Params,
    Spec,
    plain,
    read_options,
    redact,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.fleet import (
    Host,
    merged,
    summary_line,
    update,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import locked
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import (
    REQUIRE_SOURCES,
    UNREAD_SOURCE,
    QgAction,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._egress import (
    DetectionRequest,
    detect_egress,
)

SPEC: Spec = {
    "step": {"type": "str", "choices": ["detect", "update", "report"], "required": True},
    "vars_prefix": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "ips": {"type": "list", "elements": "str"},
    "forget": {"type": "list", "elements": "str"},
    "prune": {"type": "bool", "default": False},
    "max_removals": {"type": "int", "default": 10},
    "fail": {"type": "bool", "default": True},
    **EGRESS_OPTIONS,
    **INVENTORY_OPTIONS,
    **PROXY_API_OPTIONS,
}
#: The options of the update in which the hosts of a run may differ.
_OF_HOST: Spec = {"ips": SPEC["ips"], **INVENTORY_OPTIONS, **PROXY_API_OPTIONS}
#: The variables that the tasks of the role register.
DETECTED = "egress_whitelist_detected"
UPDATED = "egress_whitelist_result"
#: The result of a host for which nothing was changed, so that a play can use all results alike.
_UNCHANGED: Mapping[str, Any] = {"changed": False, "added": [], "removed": [], "kept": []}


class ActionModule(QgAction):
    """Detects over the connection of the host, and calls QG.net from the control node."""

    selectors = ("ips", "forget")

    def variable_names(self, option: str) -> list[str]:
        """Return the names of the variables of an option: the playbook has its own for forget."""
        names = super().variable_names(option)
        return ["qg_forget", *names] if option == "forget" else names

    def act(self) -> dict[str, Any]:
        """Take one step, and return its result."""
        if self._task.delegate_to:
            raise AnsibleActionFail(
                "qg_egress_whitelist acts for its own host and cannot be delegated: use "
                "qg_egress_ip_info, and delegate qg_whitelist."
            )
        params = self.validated(SPEC)
        steps = {"detect": self._detect, "update": self._update, "report": self._report}
        step = steps[params["step"]]
        result = self.guarded(lambda: step(params))
        # What a host prints contains no secret of the control node, and the report shows what the
        # update has redacted.
        if params["step"] == "update":
            return redact(result, params, SPEC)
        return result

    def _detect(self, params: Params) -> dict[str, Any]:
        """Return what the host wants, and what identifies its whitelist within the run."""
        self.check_every_host()
        is_absent = params["state"] == "absent"
        if params["forget"] and not is_absent:
            raise OptionError("forget", "deregisters hosts", "set state=absent as well")
        check_range("max_removals", params["max_removals"], 0, 10**6)
        given = check_addresses("ips", params["ips"] or (), any_scope=is_absent)
        ips = sorted(given, key=inet_aton)
        connection = Connection.of(params)
        # The library that the update needs may be missing.
        connection.timing.transport("api_url")
        report = {
            "changed": False,
            "detection": secrets.token_hex(8),
            "whitelist": _digest(params),
            "ips": ips,
            "given": True,
            "unwanted": [],
        }
        if is_absent:
            return {**report, "ips": [], "unwanted": ips}
        if ips:
            return report
        try:
            return {**report, "given": False, **detect_egress(self, DetectionRequest.parse(params))}
        except OptionError:
            raise
        except QgError as error:
            if params["fail"]:
                raise
            return {"changed": False, "msg": error.message, "warnings": [error.message]}

    def _update(self, params: Params) -> dict[str, Any]:
        """Update the whitelist for the hosts of the batch that have reported, once for each key."""
        variables = self._variables
        batch = set(variables["ansible_play_batch"])
        alive = set(variables["ansible_play_hosts"])
        everyone = set(variables["ansible_play_hosts_all"])
        earlier = plain(variables.get(UPDATED) or {})
        used = earlier.get("detections") or {}
        reports = {}
        reported = set()
        #: The results of hosts that have reported nothing new.
        done = {}
        for name in sorted(everyone):
            report = variables["hostvars"].raw_get(name).get(DETECTED) or {}
            reports[name] = report
            if "detection" in report and report["detection"] == used.get(name):
                done[name] = earlier["hosts"][name]
            if "whitelist" in report and not report.get("failed"):
                reported.add(name)
        if params["forget"]:
            lists = self._forgotten(params)
        else:
            new = sorted((reported & batch) - done.keys())
            lists = _by_whitelist({name: reports[name] for name in new})
        warnings = []
        limit = None
        if params["prune"] and not params["forget"]:
            self._check_complete()
            limit = params["max_removals"]
            missing = everyone - reported
            if missing:
                limit = None
            # Hosts of a later batch will report, and the last batch prunes.
            if absent := sorted(missing - (alive - batch)):
                names = format_sample(absent)
                warnings.append(f"prune has removed nothing, because {names} did not report.")
        result = merged(self._update_lists(lists, params, limit, alive - batch))
        # The detection of these has failed, and Ansible was told to ignore that, or the option fail
        # is false.
        for name in batch - reported:
            report = reports[name]
            if text := report.get("msg"):
                is_failed = bool(report.get("failed") or report.get("unreachable"))
                result["hosts"][name] = {**_UNCHANGED, "failed": is_failed, "msg": text}
        unreached = sorted(everyone - alive)
        line = summary_line(result, unreached, check=bool(self._task.check_mode))
        if not self._task.no_log:
            owner = (params["vars_prefix"] or self._name).rstrip("_")
            self._display.display(f"{owner}: {line}", stderr=True)
        if not self._task.diff:
            del result["diff"]
        is_loud = result["changed"] or any(host["failed"] for host in result["hosts"].values())
        # A static import keeps the first value for all serial batches.
        result["report_once"] = bool(params["forget"]) or (not is_loud and alive == batch)
        result["detections"] = {}
        if not self._task.check_mode and not params["forget"]:
            result["hosts"] = {**done, **result["hosts"]}
            result["detections"] = _used(result["hosts"], reports)
        result["unreached_hosts"] = unreached
        result["msg"] = line
        result["warnings"] = [*warnings, *result["warnings"]]
        return result

    def _check_complete(self) -> None:
        """Refuse prune if the run may not see the whole inventory."""
        lists = [source for source in self.inventory_sources() if "," in source]
        if lists or self.limit():
            reason = f"a list of hosts as inventory, {format_sample(lists)}"
            if self.limit():
                reason = f"--limit {self.limit()}"
            fix = "run it with the whole inventory, or set prune to false"
            raise OptionError("prune", f"is refused with {reason}", fix)
        if not ansible.constants.INVENTORY_ANY_UNPARSED_IS_FAILED:
            raise OptionError("prune", f"is refused, because {UNREAD_SOURCE}", REQUIRE_SOURCES)

    def _forgotten(self, params: Params) -> dict[str, dict[str, Host]]:
        """Return the hosts to forget, by the digests of their whitelists.

        A host that is in the inventory has its key and its addresses from there.
        """
        lists: dict[str, dict[str, Host]] = {}
        for name in params["forget"]:
            options = self._of_host(name, params)
            given = check_addresses("ips", options["ips"] or (), any_scope=True)
            lists.setdefault(_digest(options), {})[name] = Host(unwanted=given)
        return lists

    def _of_host(self, name: str, params: Params) -> Mapping[str, Any]:
        """Return the options that the inventory has for a host, with those of the task."""
        hosts = self._variables["hostvars"]
        if name not in self._variables["groups"]["all"]:
            return params
        theirs = hosts[name]
        own = hosts[self._variables["inventory_hostname"]]

        def variable(option: str) -> Any:
            names = self.variable_names(option)
            for setting in names:
                if setting in theirs:
                    return plain(theirs[setting])
            # What the inventory has for this host alone is not for the other one.
            if any(setting in own for setting in names):
                return UNSET
            return self.variable(option)

        given = {option: value for option, value in self.given(SPEC).items() if option in _OF_HOST}
        options = read_options(_OF_HOST, given, **{**self._sources, "variable": variable})
        return {**params, **options}

    def _update_lists(
        self,
        lists: Mapping[str, Mapping[str, Host]],
        params: Params,
        prune: int | None,
        coming: Set[str],
    ) -> list[dict[str, Any]]:
        """Update the whitelist of each key; of several, one that fails stops no other."""
        results = []
        for digest, hosts in sorted(lists.items()):
            try:
                results.append(self._update_list(digest, hosts, params, prune, coming))
            except QgError as error:
                if len(lists) == 1:
                    raise
                failure = {**_UNCHANGED, "failed": True, **error.as_result()}
                results.append({"hosts": dict.fromkeys(hosts, failure)})
        return results

    def _update_list(
        self,
        digest: str,
        hosts: Mapping[str, Host],
        params: Params,
        prune: int | None,
        coming: Set[str],
    ) -> dict[str, Any]:
        """Update the whitelist of one key.

        ``prune`` is how many entries of hosts that are gone may be removed, ``coming`` are the
        hosts of later batches.
        """
        variables = self._variables
        mode = self.mode()
        options = self._options_of(digest, next(iter(hosts)), params)
        connection = Connection.of(options)
        is_shared = is_database(connection.store)
        registered = partial(registered_name, is_shared=is_shared)
        present = {*variables["groups"]["all"], *variables["ansible_play_hosts_all"]}
        with locked(key_caller(connection, mode.announcer), mode) as api:
            result = update(
                api,
                self.inventory(options),
                {registered(name): host for name, host in hosts.items()},
                present=set(map(registered, present)),
                coming=set(map(registered, coming)),
                prune=prune,
                forget=bool(params["forget"]),
                check=mode.check,
            )
        for name in hosts:
            result["hosts"][name] = result["hosts"].pop(registered(name))
        return {**result, "api": api.caller.usage()}

    def _options_of(self, digest: str, name: str, params: Params) -> Params:
        """Return the options with the key of a host, which only the inventory may have."""
        if digest == _digest(params):
            return params
        options = self._of_host(name, params)
        if digest != _digest(options):
            raise QgError(
                f"{name} has another key than the first host, or another qg_password, qg_api_url, "
                "qg_store or qg_inventory_id: set it in the inventory, or use another play."
            )
        return options

    def _report(self, params: Params) -> dict[str, Any]:
        """Return the result of the host from that of the update."""
        updated = self._variables.get(UPDATED) or {}
        if updated.get("failed"):
            raise QgError(updated["msg"])
        hosts = updated.get("hosts")
        if hosts is None:
            raise QgError(
                "The whitelist was not updated, because the first host of the play skips the role: "
                "use include_role with when, or a play with only the hosts that need it."
            )
        if params["forget"]:
            return _together(hosts)
        host = hosts.get(self._variables["inventory_hostname"]) or {}
        result = {"changed": False, "failed": False, **host}
        if result.pop("tolerable", False) and not params["fail"]:
            result["failed"] = False
            result["warnings"] = [result["msg"]]
        return result


def _by_whitelist(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Host]]:
    """Return what hosts have reported, by the digests of their whitelists."""
    lists: dict[str, dict[str, Host]] = {}
    for name, report in reports.items():
        host = Host(frozenset(report["ips"]), report["given"], frozenset(report["unwanted"]))
        lists.setdefault(report["whitelist"], {})[name] = host
    return lists


def _used(
    results: Mapping[str, Mapping[str, Any]], reports: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Return which detection of each host is not to be used again by a later use of the role, which
    the host skips: its address may have changed since.
    """
    used = {}
    for name, result in results.items():
        # A host that is pruned has no report.
        report = reports.get(name) or {}
        if not result["failed"] and "detection" in report:
            used[name] = report["detection"]
    return used


def _together(hosts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return one result for all hosts that were forgotten: it fails if one of them has failed."""
    messages = []
    result: dict[str, Any] = {"changed": False, "added": [], "removed": [], "kept": []}
    for name, host in sorted(hosts.items()):
        result["changed"] |= host["changed"]
        if host["failed"]:
            messages.append(f"{name}: {host['msg']}")
        for field in ("added", "removed", "kept"):
            result[field] += host.get(field, ())
    result["failed"] = bool(messages)
    if messages:
        result["msg"] = format_sample(messages, 5)
    return result


def _digest(params: Params) -> str:
    """Return what identifies the whitelist of a key, and the records of an inventory about it."""
    names = ("api_url", "key", "password", "store", "inventory_id")
    return digest_in_run(*(params[name] or "" for name in names))
