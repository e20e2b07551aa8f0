# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two steps of qg_egress_whitelist: a host submits its request, and gets its result.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .._core.errors import QgError
from .._store.directory import StateError
from .._store.registrations import RegistrationStore
from .._store.write_queue import (
    Result,
    WriteQueue,
    WriteRequest,
    has_pending_changes,
    is_in_sync,
)
from .._task.operation import Mode
from .._task.options import proxy_api
from .batch import WriteBatch, prune_missing, summary_of
from .host_plan import host_result
from .plan import DesiredWhitelist, WhitelistResult, plan
from .serialization import deserialize_desired, serialize_desired


def host_request(
    params: Mapping[str, Any], run: str, host: str, ips: tuple[str, ...], *, detected: bool = False
) -> WriteRequest:
    """Return the request of a host: it has one in a run. ``detected`` says that it reported its addresses itself."""
    desired = DesiredWhitelist(params["state"], ips, max_removals=params["max_removals"])
    return WriteRequest(
        serialize_desired(desired, detected=detected),
        params["max_wait"],
        params["timeout"],
        id=f"{run}/{host}",
        run=run,
        host=host,
        fleet=params["inventory_id"],
    )


def find_request(queue: WriteQueue, params: Mapping[str, Any], run: str, host: str) -> WriteRequest | None:
    """Return the request that a host submitted in this run for the same key, inventory and state, if there is one."""
    request = queue.get_for_host(run, host, params["inventory_id"])
    return request if request and request.payload["state"] == params["state"] else None


def submit_host(
    queue: WriteQueue, request: WriteRequest, params: Mapping[str, Any], mode: Mode, task: str | None
) -> list[str]:
    """Enqueue the request of a host. Returns its addresses if nothing is left to be done for it.

    That is so if an earlier run has registered it with exactly these addresses, and they are on the whitelist as
    ``task`` has read it: the first host of the task reads for all. Without a ``task``, all is left to
    :func:`apply_and_report`.
    """
    ips = request.payload["ips"]
    registrations = RegistrationStore(queue.store, queue.key, request.fleet)
    known = request.payload["state"] == "present" and registrations.is_registered(
        request.host, ips, given=not request.payload["detected"]
    )
    if not (task and known and not params["verify_proxy"]):
        queue.enqueue(request)
        return []
    whitelist = queue.cache.cached_whitelist(task)
    # As soon as something has to be written, the leader reads for all.
    if whitelist is None and not has_pending_changes(queue.store, request.run):
        # The wait is for another process's call, which has its own timeout.
        longest = params["max_wait"] + params["timeout"]
        with queue.cache.reader(longest, lambda: _is_read_unneeded(queue, request.run, task)) as quiet:
            whitelist = queue.cache.cached_whitelist(task)
            if whitelist is None and quiet and not has_pending_changes(queue.store, request.run):
                whitelist = _read(queue, request.run, params, mode, task)
                # Within the lock: if the read fails, the other hosts see a pending change and do not repeat it.
                return _enqueue(queue, request, whitelist)
    return _enqueue(queue, request, whitelist)


def _is_read_unneeded(queue: WriteQueue, run: str, task: str) -> bool:
    return queue.cache.cached_whitelist(task) is not None or has_pending_changes(queue.store, run)


def _read(queue: WriteQueue, run: str, params: Mapping[str, Any], mode: Mode, task: str) -> list[str] | None:
    """Read the whitelist without a wait; return None if that fails, which the second step then reports."""
    try:
        api = proxy_api({**params, "max_wait": 0.0}, queue.store)
        registrations = RegistrationStore(queue.store, queue.key, "", api.rate_limiter.now)
        api.expects_addresses = registrations.expects_addresses
        reading = api.read_whitelist()
        # What an earlier call may still remove does not count: the second step waits until that is settled.
        leaving = [write.ips for write in api.unresolved_writes() if not write.present]
    except QgError:
        return None
    whitelist = sorted(reading.ips.difference(*leaving))
    queue.cache.cache_whitelist(run, task, whitelist, api.usage())
    if not mode.check:
        prune_missing(registrations, reading)
    queue.purge_stale()
    return whitelist


def _enqueue(queue: WriteQueue, request: WriteRequest, whitelist: Collection[str] | None) -> list[str]:
    result = host_result(request.payload["ips"], (), _unchanged(request, whitelist or ()))
    if whitelist is None or result["unregistered"]:
        queue.enqueue(request)
        return []
    queue.enqueue(request, result=result)
    registered: list[str] = result["registered"]
    return registered


def _unchanged(request: WriteRequest, whitelist: Collection[str]) -> WhitelistResult:
    desired, found = deserialize_desired(request.payload), frozenset(whitelist)
    return WhitelistResult(desired, found, found, plan(found, desired))


def apply_and_report(queue: WriteQueue, request: WriteRequest, params: Mapping[str, Any], mode: Mode) -> Result:
    """Reconcile the whitelist for all requests of the batch, and return the result of this host.

    The result has ``summary`` if this host reports the changes for all hosts of the run.
    """
    batch = WriteBatch(queue, request, params, mode)
    received: Result | None = None
    result: Result = {}
    try:
        with queue.submit(request, batch.write, batch.window) as received:
            result = {"summary": {}, **batch.host_result} if received is None else received
        if received is None or is_in_sync(queue.store, request.run):
            usage = queue.cache.claim_usage(request.run)
            if usage and received is not None:
                result["summary"] = summary_of(_unchanged(request, usage[0]), usage[1], diff=False)
            elif usage and "api" in result["summary"]:
                # The reads of the first step are part of what the run cost.
                own = result["summary"]["api"]
                result["summary"]["api"] = {name: round(own[name] + count, 1) for name, count in usage[1].items()}
    except StateError as error:
        # What was done to the whitelist is reported all the same.
        result = result or {"summary": {}, **batch.host_result}
        if not (received or batch.host_result):
            raise
        batch.state_error = batch.state_error or error
    if batch.state_error and "error" not in result and not result.get("failed"):
        result.update({**batch.state_error.as_result(), "failed": True})
        result.pop("not_in_sync", None)
    if result.pop("not_in_sync", False):
        result["failed"] = params["fail"]
    if not mode.diff:
        result.get("summary", {}).pop("diff", None)
    return result
