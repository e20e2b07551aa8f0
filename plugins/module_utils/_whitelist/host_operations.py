# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two steps of qg_egress_whitelist: a host submits its request, and receives its result."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._core.errors import OptionError, QgError
from .._reconcile.held_whitelist import HeldWhitelist
from .._store.registrations import RegistrationStore
from .._store.write_queue import Result, WriteQueue, WriteRequest, has_pending_changes, is_in_sync
from .._task.operation import Mode
from .._task.options import ProxyApiOptions
from .batch import WriteBatch, prune_missing
from .host_plan import host_result
from .ownership import adoptable, explain_unknown
from .plan import DesiredWhitelist, WhitelistResult, plan
from .results import summary_of


@dataclass(frozen=True)
class HostOptions:
    """The options of qg_egress_whitelist for the whitelist, checked.

    If a proxy is to be verified, ``always_apply`` runs the second step also for hosts that are in sync.
    """

    api: ProxyApiOptions
    state: str
    inventory_id: str
    max_removals: int
    prune: bool
    fail: bool
    always_apply: bool

    @classmethod
    def parse(cls, params: Mapping[str, Any]) -> HostOptions:
        """Check and return the options; raises OptionError for every mistake in them."""
        api = ProxyApiOptions.parse(params)
        if params["max_removals"] < 0:
            raise OptionError(f"max_removals={params['max_removals']} is out of range: give 0 or more.")
        names = ("state", "inventory_id", "max_removals", "prune", "fail")
        return cls(api, **{name: params[name] for name in names}, always_apply=bool(params["verify_proxy"]))


def host_request(
    options: HostOptions,
    run: str,
    host: str,
    ips: tuple[str, ...],
    *,
    detected: bool = False,
    gone: Mapping[str, Sequence[str]] | None = None,
    adopt: bool = False,
) -> WriteRequest:
    """Return the request of a host in a run. ``detected`` says that the host itself reported the addresses."""
    limit = options.max_removals
    desired = DesiredWhitelist(options.state, ips, max_removals=limit, detected=detected, gone=gone or {}, adopt=adopt)
    return WriteRequest(
        desired.payload,
        options.api.transport.max_wait,
        options.api.transport.timeout,
        id=f"{run}/{host}",
        run=run,
        host=host,
        inventory=options.inventory_id,
    )


def find_request(queue: WriteQueue, options: HostOptions, run: str, host: str) -> WriteRequest | None:
    """Return the request that a host submitted in this run for the same key, inventory and state; None without one."""
    request = queue.get_for_host(run, host, options.inventory_id)
    return request if request and request.payload["state"] == options.state else None


def adopt_registrations(
    queue: WriteQueue, options: HostOptions, host: str, ips: Collection[str], mode: Mode
) -> list[dict[str, str]]:
    """Make the registrations of the host in other inventories those of this one, and return them.

    Raises OptionError if one of them may be that of another host.
    """
    registrations = RegistrationStore(queue.store, queue.key, options.inventory_id)
    adopted = adoptable(host, options.inventory_id, ips, registrations.load_named(host))
    if adopted and not mode.check:
        registrations.adopt(host, [(entry["inventory_id"], entry["ip"]) for entry in adopted])
    return adopted


def forgotten_hosts(queue: WriteQueue, options: HostOptions, names: Sequence[str]) -> list[str]:
    """Return the names of registered hosts without duplicates; raises OptionError for one that is not registered."""
    registrations = RegistrationStore(queue.store, queue.key, options.inventory_id)
    registered = registrations.load_inventory()
    for name in names:
        if name not in registered:
            elsewhere = sorted({owner.inventory for owner in registrations.load_named(name)})
            raise OptionError(explain_unknown(name, options.inventory_id, registered, elsewhere))
    return list(dict.fromkeys(names))


def submit_host(
    queue: WriteQueue, request: WriteRequest, options: HostOptions, mode: Mode, task: str | None
) -> list[str]:
    """Enqueue the request of a host. Returns its addresses if it requires no change.

    That is so if an earlier run has registered the host with exactly these addresses, and they are on the whitelist,
    which the first host of the ``task`` reads for all. Without a ``task``, the whitelist is not read here, and
    :func:`apply_and_report` decides.
    """
    desired = DesiredWhitelist.from_payload(request.payload)
    registrations = RegistrationStore(queue.store, queue.key, request.inventory)
    known = desired.state == "present" and registrations.is_registered(
        request.host, desired.ips, given=not desired.detected
    )
    removes = desired.gone or (options.prune and registrations.load_former())
    if not (task and known and not options.always_apply and not removes):
        queue.enqueue(request)
        return []

    def is_read_unneeded() -> bool:
        return queue.cache.cached_whitelist(task) is not None or has_pending_changes(queue.store, request.run)

    whitelist = queue.cache.cached_whitelist(task)
    # If another host has pending changes, the leader reads the whitelist for all.
    if whitelist is None and not has_pending_changes(queue.store, request.run):
        # The call of the other process may take its own timeout.
        with queue.cache.reader(request.max_wait + request.timeout, is_read_unneeded) as quiet:
            if quiet and not is_read_unneeded():
                whitelist = _read(queue, request.run, options.api, mode, task)
                # Enqueued within the lock: if the read failed, other hosts find a pending change, and do not repeat it.
                return _enqueue(queue, request, desired, whitelist)
            whitelist = queue.cache.cached_whitelist(task)
    return _enqueue(queue, request, desired, whitelist)


def _read(queue: WriteQueue, run: str, options: ProxyApiOptions, mode: Mode, task: str) -> list[str] | None:
    """Read the whitelist without waiting; returns None on failure, which the second step then reports."""
    try:
        api = options.client(queue.store)
        api.budget.max_wait = 0.0
        registrations = RegistrationStore(queue.store, queue.key, "")
        held = HeldWhitelist(api, registrations.expects_addresses)
        reading = held.read()
        # Addresses that an earlier call may still remove do not count. The second step waits for that call.
        leaving = [change.names for change in held.open_changes() if not change.present]
    except QgError:
        return None
    whitelist = sorted(reading.ips.difference(*leaving))
    queue.cache.cache_whitelist(run, task, whitelist, api.usage())
    if not mode.check:
        prune_missing(registrations, reading)
    queue.purge_stale()
    return whitelist


def _enqueue(
    queue: WriteQueue, request: WriteRequest, desired: DesiredWhitelist, whitelist: Collection[str] | None
) -> list[str]:
    result = host_result(desired.ips, (), _unchanged(desired, whitelist or ()))
    if whitelist is None or result["unregistered"]:
        queue.enqueue(request)
        return []
    queue.enqueue(request, result=result)
    registered: list[str] = result["registered"]
    return registered


def _unchanged(desired: DesiredWhitelist, whitelist: Collection[str]) -> WhitelistResult:
    found = frozenset(whitelist)
    return WhitelistResult(desired, found, found, plan(found, desired))


def apply_and_report(queue: WriteQueue, request: WriteRequest, options: HostOptions, mode: Mode) -> Result:
    """Reconcile the whitelist for all requests of the batch, and return the result of this host.

    The result has ``summary`` if this host reports the changes for all hosts of the run.
    """
    batch = WriteBatch(queue, request, options.api, mode)
    result, is_received = batch.run()
    if not is_received:
        result = {"summary": {}, **result}
    batch.tolerate_state_error(lambda: _add_usage_of_reads(queue, request.run, result, is_received=is_received))
    batch.report_state_error(result)
    if result.pop("not_in_sync", False):
        result["failed"] = options.fail or result.get("failed", False)
    if not mode.diff:
        result.pop("diff", None)
    return result


def summary_of_reads(queue: WriteQueue, run: str) -> Result:
    """Return the summary of the first step's reads, for one host of a run that requires no changes."""
    usage = queue.cache.claim_usage(run) if is_in_sync(queue.store, run) else None
    if usage is None:
        return {}
    whitelist, reads = usage
    return {"summary": summary_of(_unchanged(DesiredWhitelist("present", ()), whitelist), reads, diff=False)}


def _add_usage_of_reads(queue: WriteQueue, run: str, result: Result, *, is_received: bool) -> None:
    """Add the reads of the first step to the API usage of the run, once for all hosts."""
    if is_received:
        result.update(summary_of_reads(queue, run))
    elif (usage := queue.cache.claim_usage(run)) and "api" in result["summary"]:
        own = result["summary"]["api"]
        own |= {name: round(own[name] + count, 1) for name, count in usage[1].items()}
