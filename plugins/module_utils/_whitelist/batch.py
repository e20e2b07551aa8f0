# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One batch of the write queue: the changes that the leader makes for itself and for all waiting requests.

The requests come from tasks of qg_whitelist and from hosts of qg_egress_whitelist. A leader of either kind writes for
both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from .._api.classic.errors import RATE_LIMITED
from .._core.errors import OptionError, QgError, TransportError, WaitBudgetExceeded
from .._reconcile.held_whitelist import HeldWhitelist
from .._store.directory import StateError
from .._store.interface import Store
from .._store.registrations import Owner, RegistrationStore
from .._store.write_queue import Result, WriteQueue, WriteRequest
from .._task.operation import Mode, without_secrets
from .._task.options import ProxyApiOptions
from .applier import reconcile
from .host_plan import desired_for_hosts, host_registration, host_result
from .merge import compatible_with_first, merge_desired, split_result
from .ownership import Ownership, describe_owner
from .plan import DesiredWhitelist, WhitelistResult
from .pruning import Removals
from .results import NO_USAGE, summary_of, task_result, unreadable_warnings

if TYPE_CHECKING:
    from .._api.classic.client import ProxyApi
    from .._reconcile.held_whitelist import WhitelistReading


def prune_missing(registrations: RegistrationStore, reading: WhitelistReading | None) -> None:
    """Delete registrations that are no longer on the whitelist, if the reading is complete."""
    if reading is not None and reading.complete:
        registrations.prune_missing(reading.listed | reading.ips)


def queue_for(options: ProxyApiOptions, store: Store, *, check: bool) -> WriteQueue:
    """Return the queue for the whitelist of a key, shared by all tasks with the same access options."""
    way = options.transport
    access = (options.pwd, way.validate_certs, way.ca_path, way.use_proxy, way.api_proxy, way.retries)
    digest = store.digest("access", *("" if value is None else str(value) for value in access))
    return WriteQueue(store, options.whitelist_key(store), digest, check=check)


@dataclass(frozen=True)
class _Group:
    """The request of one task, or the requests of the hosts of a run, with their common desired whitelist.

    ``hosts`` are the desired states of the hosts, and ``registered`` their addresses in the state. These include hosts
    without a request: those ``gone`` from the inventory, and those whose former addresses are now removed. ``kept`` are
    addresses that a host no longer needs and others do.
    """

    requests: list[WriteRequest]
    desired: DesiredWhitelist
    hosts: Mapping[str, DesiredWhitelist]
    registered: Mapping[str, set[str]]
    gone: Collection[str] = ()
    kept: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def inventory(self) -> str:
        """The inventory of the hosts."""
        return self.requests[0].inventory

    def relevant_ips(self, request: WriteRequest) -> set[str]:
        """Return all addresses that one of the requests may change."""
        hosts = (request.host, *request.payload.get("gone", ()))
        return {*request.payload["ips"], *(ip for host in hosts for ip in self.registered.get(host, ()))}

    def results_of_gone(self, part: WhitelistResult) -> dict[str, Result]:
        """Return the results of the hosts that are gone from the inventory."""
        return {host: host_result((), self.registered[host], part) for host in sorted(self.gone)}

    def conflicts_with(self, other: _Group) -> bool:
        """Whether the registrations of one group depend on the result of the other."""
        if not (self.inventory and other.inventory):
            return False
        # An address that two inventories share is removed only once it is removed for both.
        return self.desired.state == "absent" or (
            self.inventory == other.inventory and not self.registered.keys().isdisjoint(other.registered)
        )


def _requested_ips(requests: Iterable[WriteRequest]) -> set[str]:
    """Return the addresses of hosts to be registered: removing one would disconnect its host until a later batch."""
    hosts = (request.payload for request in requests if request.inventory)
    return {ip for wanted in hosts if wanted["state"] == "present" for ip in wanted["ips"]}


def _find_holder(registrations: RegistrationStore, ip: str) -> str | None:
    """Return the host that this control node has registered with an address for another key."""
    holders: list[Owner] = []
    with contextlib.suppress(StateError):
        holders = registrations.load_holders(ip)
    return describe_owner(holders[0].host, holders[0].inventory) if holders else None


class WriteBatch:
    """The work of a task as the leader, for its own request and for others.

    ``state_error`` is set if the state failed after the vendor was called.
    """

    def __init__(
        self,
        queue: WriteQueue,
        request: WriteRequest,
        options: ProxyApiOptions,
        mode: Mode,
        api: ProxyApi | None = None,
    ) -> None:
        self.state_error: StateError | None = None
        self._queue = queue
        self._request = request
        self._options = options
        self._mode = mode
        self._api = api
        self._own_result: Result = {}
        self._charged_wait = 0.0

    @property
    def api_usage(self) -> dict[str, Any]:
        """The calls of this task, and the seconds that it waited, including waits for other leaders."""
        usage, waited = NO_USAGE, self._queue.waited
        if self._api is not None:
            usage, waited = self._api.usage(), waited + self._api.budget.waited - self._charged_wait
        return {**usage, "waited_seconds": round(waited, 1)}

    def run(self) -> tuple[Result, bool]:
        """Return the result of the request, and whether it comes from another leader."""
        received: Result | None = None
        try:
            received = self._queue.submit(self._request, self.write, self.window)
        except StateError as error:
            if not self._own_result:
                raise
            self.state_error = self.state_error or error
        return (self._own_result, False) if received is None else (received, True)

    def tolerate_state_error(self, work: Callable[[], None]) -> None:
        """Use the state after the vendor was called, and record its failure, which must not hide the changes."""
        try:
            work()
        except StateError as error:
            self.state_error = self.state_error or error

    def report_state_error(self, result: Result) -> None:
        """Add the failure of the state to a result that has not failed otherwise."""
        if self.state_error and not result.get("failed"):
            result.update({**self.state_error.as_result(), "failed": True})
            result.pop("not_in_sync", None)

    def window(self) -> float:
        """Return the seconds to wait for more requests before a change, to stay within the vendor's rate limit."""
        if self._mode.check:
            return 0.0
        self._api = self._api or self._options.client(self._queue.store)
        return min(self._api.whitelist_batch_delay(), self._options.transport.max_wait)

    def write(self, requests: list[WriteRequest]) -> dict[str, Result]:
        """Reconcile the whitelist for the first request, and for all of the others that are compatible with it."""
        groups = self._compatible(requests)
        desired = [group.desired for group in groups]
        try:
            merged = reconcile(
                self._prepared(),
                merge_desired(desired),
                check=self._mode.check,
                on_plan=lambda found: self._record_intent(found, groups),
                find_holder=cache(partial(_find_holder, self._registrations(""))),
            )
        except QgError as error:
            return self._failure(error, groups)
        seen = [{ip for request in group.requests for ip in request.seen} for group in groups]
        results: dict[str, Result] = {}
        for group, part in zip(groups, split_result(merged, desired, seen, check=self._mode.check), strict=True):
            decided = self._host_results(group, part) if group.hosts else self._task_result(group, part)
            for request in group.requests:
                incomplete = not group.hosts or "not_in_sync" in decided[request.id]
                if not (part.error and incomplete and self._has_better_chances(request, part.error)):
                    results[request.id] = decided[request.id]
        if not self._mode.check:
            self.tolerate_state_error(lambda: prune_missing(self._registrations(""), merged.reading))
        return self._redacted(results)

    def _prepared(self) -> HeldWhitelist:
        queue, api = self._queue, self._api or self._options.client(self._queue.store)
        # The wait for other leaders counts towards max_wait, up to its end, so that calls without a wait are possible.
        self._charged_wait = min(queue.waited - queue.collected, api.budget.max_wait)
        api.budget.waited += self._charged_wait
        self._api = api
        return HeldWhitelist(api, self._registrations("").expects_addresses)

    def _compatible(self, requests: list[WriteRequest]) -> list[_Group]:
        # Hosts of one run may be registered and others deregistered.
        grouped: dict[tuple[str, str, str], list[WriteRequest]] = {}
        for request in requests:
            key = (request.run or request.id, request.inventory, request.payload["state"])
            grouped.setdefault(key, []).append(request)
        requested = _requested_ips(requests)
        groups = [self._group(own, requested) for own in grouped.values()]
        compatible: list[_Group] = []
        for n in compatible_with_first([group.desired for group in groups]):
            if not any(groups[n].conflicts_with(group) for group in compatible):
                compatible.append(groups[n])
        return compatible

    def _group(self, requests: list[WriteRequest], requested: Collection[str]) -> _Group:
        inventory, states = requests[0].inventory, [DesiredWhitelist.from_payload(own.payload) for own in requests]
        if not inventory:
            return _Group(requests, states[0], {}, {})
        registrations, removals = self._registrations(inventory), Removals.of_batch(self._queue, requests)
        hosts = {**removals.hosts, **{request.host: own for request, own in zip(requests, states, strict=True)}}
        adopting = {request.host for request in requests if request.payload.get("adopt")}
        owned = Ownership.of(registrations.load_owners(), inventory, hosts, adopting)
        requested = removals.kept(requested, owned.registered)
        desired = desired_for_hosts(hosts, owned.registered, owned.others, registrations.load_found(), requested)
        return _Group(requests, desired, hosts, owned.registered, removals.gone, owned.kept(hosts))

    def _registrations(self, inventory: str) -> RegistrationStore:
        return RegistrationStore(self._queue.store, self._queue.key, inventory)

    def _record_intent(self, found: WhitelistResult, groups: list[_Group]) -> None:
        self._queue.cache.invalidate_cache()
        for group in groups:
            if group.hosts and group.desired.state == "present":
                new = [(host, set(own.ips).intersection(found.first.add)) for host, own in group.hosts.items()]
                self._registrations(group.inventory).record_intent(new)
        changes = {*found.first.add, *found.first.remove}
        intended = [
            (request, {*request.seen, *changes.intersection(group.relevant_ips(request))})
            for group in groups
            for request in group.requests
        ]
        if len(intended) > 1:
            self._queue.record_intent(intended)

    def _task_result(self, group: _Group, part: WhitelistResult) -> dict[str, Result]:
        # Another task adds its own usage, and decides whether to show the diff.
        (request,) = group.requests
        return {request.id: task_result(part, diff=self._mode.diff or request.id != self._request.id)}

    def _host_results(self, group: _Group, part: WhitelistResult) -> dict[str, Result]:
        results = {
            request.id: host_result(
                group.hosts[request.host].ips, group.registered[request.host], part, group.kept.get(request.host, ())
            )
            for request in group.requests
        }
        if not self._mode.check:
            kept = [host_registration(host, own, group.registered[host], part) for host, own in group.hosts.items()]
            self.tolerate_state_error(lambda: self._registrations(group.inventory).replace(kept))
        # One host of each run reports the changes for all: the API usage is shown once.
        reporter = group.requests[0].id
        if warnings := unreadable_warnings(part):
            results[reporter]["warnings"] = warnings
        own = reporter == self._request.id
        summary = summary_of(part, self.api_usage if own else NO_USAGE, diff=True)
        # So is the diff, but Ansible shows it only for a changed host.
        changed = next((name for name, result in results.items() if result["changed"]), reporter)
        results[changed]["diff"] = summary.pop("diff")
        pruned = {host: result["removed"] for host, result in group.results_of_gone(part).items() if result["removed"]}
        results[reporter]["summary"] = {**summary, **({"pruned_hosts": pruned} if pruned else {})}
        # A change is always reported, even if it concerns none of the hosts.
        if (part.added or part.removed) and not any(result["changed"] for result in results.values()):
            results[reporter]["changed"] = True
        if part.error and not any("not_in_sync" in result for result in results.values()):
            results[reporter] |= {**part.error.as_result(), "failed": True}
        return results

    def _failure(self, error: QgError, groups: list[_Group]) -> dict[str, Result]:
        """Return a failure for all requests, except those that may succeed where this task failed."""
        failure = {"failed": True, "changed": False, **error.as_result()}
        requests = [request for group in groups for request in group.requests]
        failed = [request for request in requests if not self._has_better_chances(request, error)]
        return self._redacted({request.id: {**failure} for request in [self._request, *failed]})

    def _redacted(self, results: dict[str, Result]) -> dict[str, Result]:
        """Return the results without secrets, for the state, and store the result of this task."""
        secrets = self._options.secrets
        redacted = {name: without_secrets(result, secrets) for name, result in results.items()}
        self._own_result = redacted[self._request.id]
        return redacted

    def _has_better_chances(self, request: WriteRequest, error: QgError) -> bool:
        """Whether another request may succeed although this task failed with ``error``."""
        if request.id == self._request.id:
            return False
        if isinstance(error, OptionError):
            return True
        limited = isinstance(error, (TransportError, WaitBudgetExceeded)) or error.details.get("code") == RATE_LIMITED
        own = self._options.transport
        return limited and (request.max_wait > own.max_wait or request.timeout > own.timeout)
