# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One batch of the write queue: the changes that the leader makes for itself and for all that wait.

This file is private to the collection. It serves the tasks of qg_whitelist and the hosts of qg_egress_whitelist alike:
whichever of them is the leader writes for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .._api.classic.client import ProxyApi, WhitelistReading
from .._api.classic.errors import RATE_LIMITED
from .._api.transport import service_of
from .._core.addresses import numeric_order
from .._core.errors import OptionError, QgError, TransportError, WaitBudgetExceeded
from .._core.text import one_line
from .._store.directory import StateError
from .._store.interface import Store
from .._store.registrations import RegistrationStore
from .._store.write_queue import BatchResult, Result, WriteQueue, WriteRequest
from .._task.operation import Mode, redact
from .._task.options import PROXY_API_OPTIONS, proxy_api
from .applier import reconcile
from .host_plan import DesiredHost, fleet_plan, host_registration, host_result
from .merge import compatible_with_first, merge_desired, split_result
from .plan import DesiredWhitelist, WhitelistResult
from .serialization import deserialize_desired, serialize_result

#: The API usage of a task that made no call.
NO_USAGE = {"calls": 0, "retries": 0, "waited_seconds": 0.0}


def task_result(result: WhitelistResult, usage: Mapping[str, Any], *, diff: bool) -> dict[str, Any]:
    """Return the result of a task; ``changed`` is true if anything changed, even if the task fails."""
    returned: dict[str, Any] = {
        "changed": bool(result.added or result.removed),
        "added": result.added,
        "removed": result.removed,
        "already_present": [] if result.desired.state == "absent" else list(result.first.unchanged),
        "refused": [
            {"ip": ip, "code": result.refused[ip].details.get("code"), "reason": result.refused[ip].message}
            for ip in numeric_order(result.refused)
        ],
        "whitelist": numeric_order(result.after),
        "count": len(result.after),
        "api": dict(usage),
    }
    if diff:
        returned["diff"] = {
            "before_header": "whitelist",
            "before": _lines(result.before),
            "after_header": "whitelist",
            "after": _lines(result.after),
        }
    if result.error:
        returned = {"failed": True, **returned, **result.error.as_result()}
    return returned


def summary_of(result: WhitelistResult, usage: Mapping[str, Any], *, diff: bool) -> dict[str, Any]:
    """Return what one host reports for all hosts of its run."""
    whole = task_result(result, usage, diff=diff)
    return {name: whole[name] for name in ("added", "removed", "refused", "count", "api", "diff") if name in whole}


def _lines(ips: Collection[str]) -> str:
    return "".join(f"{one_line(ip)}\n" for ip in numeric_order(ips))


def prune_missing(registrations: RegistrationStore, reading: WhitelistReading | None) -> None:
    """Forget registrations that are no longer on the whitelist, as far as a reading can show that."""
    if reading is not None and reading.complete:
        registrations.prune_missing(reading.listed | reading.ips)


def queue_for(params: Mapping[str, Any], store: Store, *, check: bool) -> WriteQueue:
    """Return the queue of all tasks that name the same key and access the vendor in the same way."""
    key = store.digest("fleet", service_of(params["api_url"]), params["key"])
    access = (params["pwd"] or "", str(params["validate_certs"]), params["ca_path"] or "")
    return WriteQueue(store, key, store.digest("terms", *access), check=check)


@dataclass(frozen=True)
class _Group:
    """Requests that are decided together, one task or the hosts of a run, and their desired whitelist."""

    requests: list[WriteRequest]
    desired: DesiredWhitelist
    registered: Mapping[str, set[str]]

    def relevant_ips(self, request: WriteRequest) -> set[str]:
        """Return all addresses that matter to one of the requests."""
        return {*request.payload["ips"], *self.registered.get(request.host, ())}

    def conflicts_with(self, other: _Group) -> bool:
        """Whether what is registered for the hosts of one depends on the result of the other."""
        own, theirs = self.requests[0].fleet, other.requests[0].fleet
        if not (own and theirs):
            return False
        # An address that two fleets share is only removed with the second of them.
        return self.desired.state == "absent" or (
            own == theirs and not self.registered.keys().isdisjoint(other.registered)
        )


class WriteBatch:
    """What a task does as the leader, for its own request and for others.

    ``result`` is its own, and ``error`` what left it without one; ``host_result`` is what a host gets.
    ``state_error`` is set if the state directory failed after the vendor was called.
    """

    def __init__(
        self,
        queue: WriteQueue,
        request: WriteRequest,
        params: Mapping[str, Any],
        mode: Mode,
        api: ProxyApi | None = None,
    ) -> None:
        self.result: WhitelistResult | None = None
        self.error: QgError | None = None
        self.host_result: Result = {}
        self.state_error: StateError | None = None
        self._queue = queue
        self._request = request
        self._params = params
        self._mode = mode
        self._api = api
        self._charged = 0.0

    @property
    def api_usage(self) -> dict[str, Any]:
        """The calls of this task, and how long it waited, also for other leaders."""
        usage, waited = NO_USAGE, self._queue.waited
        if self._api is not None:
            usage, waited = self._api.usage(), waited + self._api.budget.waited - self._charged
        return {**usage, "waited_seconds": round(waited, 1)}

    def window(self) -> float:
        """Return the seconds to wait for more requests before a change, so that the vendor's limit lasts for all."""
        if self._mode.check:
            return 0.0
        self._api = self._api or proxy_api(self._params, self._queue.store)
        longest: float = self._params["max_wait"]
        return min(self._api.whitelist_batch_delay(), longest)

    def write(self, requests: list[WriteRequest]) -> BatchResult:
        """Reconcile the whitelist for the first request, and for all of the others that are compatible with it."""
        groups = self._compatible(requests)
        desired = [group.desired for group in groups]
        try:
            merged = reconcile(
                self._prepared(),
                merge_desired(desired),
                check=self._mode.check,
                on_plan=lambda found: self._record_intent(found, groups),
            )
        except QgError as error:
            self.error = error
            return self._failure(error, groups)
        seen = [{ip for request in group.requests for ip in request.seen} for group in groups]
        parts = split_result(merged, desired, seen, check=self._mode.check)
        self.result = parts[0]
        results: dict[str, Result] = {}
        for group, own in zip(groups, parts, strict=True):
            fleet = group.requests[0].fleet
            decided = self._host_results(group, own) if fleet else {group.requests[0].id: serialize_result(own)}
            for request in group.requests:
                undecided = (
                    own.error and _is_incomplete(decided[request.id]) and self._has_better_chances(request, own.error)
                )
                if not undecided:
                    results[request.id] = decided[request.id]
        if not self._mode.check:
            self._save(lambda: prune_missing(self._registrations(""), merged.reading))
        results = {name: redact(result, self._params, PROXY_API_OPTIONS) for name, result in results.items()}
        self.host_result = results[self._request.id]
        return BatchResult(results, sorted(merged.before if self._mode.check else merged.after))

    def _prepared(self) -> ProxyApi:
        queue, api = self._queue, self._api or proxy_api(self._params, self._queue.store)
        # Waiting for other leaders counts to max_wait, but never exceeds it: the calls themselves need no wait.
        self._charged = min(queue.waited - queue.collected, api.budget.max_wait)
        api.budget.waited += self._charged
        self._api = api
        api.expects_addresses = self._registrations("").expects_addresses
        return api

    def _compatible(self, requests: list[WriteRequest]) -> list[_Group]:
        # Hosts of one run may be registered and others deregistered.
        grouped: dict[tuple[str, str, str], list[WriteRequest]] = {}
        for request in requests:
            grouped.setdefault((request.run or request.id, request.fleet, request.payload["state"]), []).append(request)
        groups = [
            self._host_group(own) if own[0].fleet else _Group(own, deserialize_desired(own[0].payload), {})
            for own in grouped.values()
        ]
        compatible: list[_Group] = []
        for n in compatible_with_first([group.desired for group in groups]):
            if not any(groups[n].conflicts_with(group) for group in compatible):
                compatible.append(groups[n])
        return compatible

    def _host_group(self, requests: list[WriteRequest]) -> _Group:
        payloads = [request.payload for request in requests]
        limits = [payload["max_removals"] for payload in payloads if payload["max_removals"] is not None]
        hosts = [
            DesiredHost(request.host, tuple(request.payload["ips"]), request.payload["detected"])
            for request in requests
        ]
        registrations = self._registrations(requests[0].fleet)
        registered, used_by_others = registrations.load({own.host for own in hosts})
        state = payloads[0]["state"]
        plan = fleet_plan(state, hosts, registered, used_by_others, registrations.load_found())
        ips, replaces = (plan.obsolete, ()) if state == "absent" else (plan.ips, plan.obsolete)
        limit = min(limits, default=None)
        desired = DesiredWhitelist(state, ips, replaces=replaces, max_removals=limit, unconfirmed=plan.unconfirmed)
        return _Group(requests, desired, registered)

    def _registrations(self, fleet: str) -> RegistrationStore:
        now = time.time if self._api is None else self._api.rate_limiter.now
        return RegistrationStore(self._queue.store, self._queue.key, fleet, now)

    def _save(self, work: Callable[[], None]) -> None:
        """Use the state directory after the vendor was called: its failure must not hide what was done."""
        try:
            work()
        except StateError as error:
            self.state_error = self.state_error or error

    def _record_intent(self, found: WhitelistResult, groups: list[_Group]) -> None:
        self._queue.cache.invalidate_cache()
        for group in groups:
            if group.requests[0].fleet and group.desired.state == "present":
                new = [
                    (request.host, set(request.payload["ips"]).intersection(found.first.add))
                    for request in group.requests
                ]
                self._registrations(group.requests[0].fleet).record_intent(new)
        changes = {*found.first.add, *found.first.remove}
        requests = [(group, request) for group in groups for request in group.requests]
        if len(requests) > 1:
            self._queue.record_intent(
                {
                    request.id: {*request.seen, *changes.intersection(group.relevant_ips(request))}
                    for group, request in requests
                }
            )

    def _host_results(self, group: _Group, result: WhitelistResult) -> dict[str, Result]:
        results = {
            request.id: host_result(request.payload["ips"], group.registered[request.host], result)
            for request in group.requests
        }
        if not self._mode.check:
            kept = [
                host_registration(
                    request.host,
                    request.payload["ips"],
                    group.registered[request.host],
                    result,
                    detected=request.payload["detected"],
                )
                for request in group.requests
            ]
            self._save(lambda: self._registrations(group.requests[0].fleet).replace(kept))
        # One host of each run reports the changes for all: the diff and the API usage are shown once.
        reporter = group.requests[0].id
        own = reporter == self._request.id
        summary = summary_of(result, self.api_usage if own else NO_USAGE, diff=self._mode.diff or not own)
        changed = bool(result.added or result.removed)
        results[reporter] = {**results[reporter], "changed": changed, "summary": summary}
        if result.error and not any(map(_is_incomplete, results.values())):
            results[reporter].update({**result.error.as_result(), "failed": True})
        return results

    def _failure(self, error: QgError, groups: list[_Group]) -> BatchResult:
        """Fail all requests with the same error, except those that may get further."""
        failure = {"failed": True, "changed": False, **error.as_result()}
        self.host_result = redact(failure, self._params, PROXY_API_OPTIONS)
        requests = [
            request for group in groups for request in group.requests if not self._has_better_chances(request, error)
        ]
        return BatchResult({request.id: self.host_result for request in [self._request, *requests]})

    def _has_better_chances(self, request: WriteRequest, error: QgError) -> bool:
        """Whether another request may get further than this task, which met an error."""
        if request.id == self._request.id:
            return False
        if isinstance(error, OptionError):
            return True
        limited = isinstance(error, (TransportError, WaitBudgetExceeded)) or error.details.get("code") == RATE_LIMITED
        more = request.max_wait > self._params["max_wait"] or request.timeout > self._params["timeout"]
        return limited and more


def _is_incomplete(result: Result) -> bool:
    """Whether a result says that something is not as desired."""
    return "not_in_sync" in result or "error" in result
