# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The two steps of qg_egress_whitelist: a host claims addresses, and its claim is fulfilled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .._core.addresses import numeric_order
from .._core.errors import OptionError, QgError
from .._reconcile.held_whitelist import HeldWhitelist
from .._store.claims import Claim, Claims, RunClaims
from .._store.readings import Readings
from .._task.operation import Mode
from .._task.options import ProxyApiOptions
from .batch import WriteBatch, prune_missing
from .host_plan import host_result
from .ownership import Ownership, addresses_by_host, adoptable, adopted, explain_unknown, is_registered
from .plan import DesiredWhitelist
from .pruning import former_addresses
from .results import NO_USAGE, summary_of, unreadable_warnings
from .status import Changed, Round
from .turns import Turns


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


def host_claim(
    options: HostOptions,
    run: str,
    host: str,
    ips: tuple[str, ...],
    *,
    detected: bool = False,
    gone: Mapping[str, Sequence[str]] | None = None,
    adopt: bool = False,
) -> Claim:
    """Return the claim of a host in a run. ``detected`` says that the host itself reported the addresses."""
    limit = options.max_removals
    desired = DesiredWhitelist(options.state, ips, max_removals=limit, detected=detected, gone=gone or {}, adopt=adopt)
    return Claim(
        desired.as_claim,
        options.api.transport.max_wait,
        options.api.transport.timeout,
        id=f"{run}/{host}",
        run=run,
        host=host,
        inventory=options.inventory_id,
    )


def find_claim(claims: Claims, options: HostOptions, run: str, host: str) -> Claim | None:
    """Return the claim that a host made in this run for the same key, inventory and state; None without one."""
    claim = claims.of_host(run, host, options.inventory_id)
    return claim if claim and claim.wanted["state"] == options.state else None


def adopt_registrations(
    claims: Claims, options: HostOptions, host: str, ips: Collection[str], mode: Mode
) -> list[dict[str, str]]:
    """Make the registrations of the host in other inventories those of this one, and return them.

    Raises OptionError if one of them may be that of another host.
    """
    own = options.inventory_id
    others = adoptable(host, own, ips, claims.standing.owners(host=host))
    if others and not mode.check:
        claims.standing.change(lambda owners, _now: adopted(owners, own, others), host=host)
    return others


def forgotten_hosts(claims: Claims, options: HostOptions, names: Sequence[str]) -> list[str]:
    """Return the names of registered hosts without duplicates; raises OptionError for one that is not registered."""
    registered = addresses_by_host(claims.standing.owners(inventory=options.inventory_id))
    for name in names:
        if name not in registered:
            elsewhere = sorted({owner.inventory for owner in claims.standing.owners(host=name)})
            raise OptionError(explain_unknown(name, options.inventory_id, registered, elsewhere))
    return list(dict.fromkeys(names))


def submit_claim(claims: Claims, claim: Claim, options: HostOptions, mode: Mode, task: str | None) -> dict[str, Any]:
    """Make the claim of a host; returns its ``registered`` addresses if it requires no change.

    That is so if an earlier run has registered the host with exactly these addresses, and they are on the whitelist,
    which the first host of the ``task`` reads for all; the result of this one contains a ``summary``. Without a
    ``task``, the whitelist is not read here, and :func:`apply_and_report` decides.
    """
    desired = DesiredWhitelist(**claim.wanted)
    readings, owners = Readings(claims), claims.standing.owners(host=claim.host, inventory=claim.inventory)
    known = desired.state == "present" and is_registered(owners, desired.ips, given=not desired.detected)
    removes = desired.gone or (options.prune and former_addresses(claims.standing, claim.inventory))
    if not (task and known and not options.always_apply and not removes):
        return _make(claims, claim)
    run = RunClaims(claims.store, claim.run)

    def is_read_unneeded() -> bool:
        return readings.cached(task) is not None or run.has_pending_changes()

    whitelist = readings.cached(task)
    # If another host has pending changes, the leader reads the whitelist for all.
    if whitelist is None and not run.has_pending_changes():
        # The call of the other process may take its own timeout.
        with readings.reader(claim.max_wait + claim.timeout, is_read_unneeded) as quiet:
            if quiet and not is_read_unneeded():
                read = _read(claims, options.api, mode, task)
                # Made within the lock: if the read failed, other hosts find a pending change, and do not repeat it.
                return {**_make(claims, claim, readings.cached(task)), **read}
            whitelist = readings.cached(task)
    return _make(claims, claim, whitelist)


def _read(claims: Claims, options: ProxyApiOptions, mode: Mode, task: str) -> dict[str, Any]:
    """Read the whitelist for all hosts of a task, without waiting; returns the result of this host.

    The second step reports a failure.
    """
    try:
        api = options.client(claims.store)
        api.budget.max_wait = 0.0
        held = HeldWhitelist(api, claims.standing.exist)
        reading = held.read()
        # Addresses that an earlier call may still remove do not count. The second step waits for that call.
        leaving = [change.names for change in held.open_changes() if not change.present]
    except QgError:
        return {}
    whitelist = reading.ips.difference(*leaving)
    turns = Turns(claims)
    turns.readings.cache(task, sorted(whitelist))
    if not mode.check:
        prune_missing(claims.standing, reading)
    turns.purge()
    return {"summary": summary_of(Round(whitelist).whole([], {}), api.usage(), diff=False)}


def _make(claims: Claims, claim: Claim, whitelist: Collection[str] | None = None) -> dict[str, Any]:
    """Make a claim. It is in sync if all of its addresses are registered, and on the whitelist."""
    ips = claim.wanted["ips"]
    in_sync = whitelist is not None and set(ips).issubset(whitelist)
    if not in_sync:
        named = claims.standing.owners(host=claim.host)
        former = {own.ip for own in named if claim.wanted["adopt"] or own.inventory == claim.inventory}
        claim = replace(claim, wanted={**claim.wanted, "former": sorted(former)})
    claims.make(replace(claim, in_sync=in_sync))
    return {"registered": numeric_order(ips) if in_sync else []}


def apply_and_report(turns: Turns, claim: Claim, options: HostOptions, mode: Mode) -> dict[str, Any]:
    """Fulfil the claim of a host, and others with it, and return its result.

    The result has ``summary`` if this host reports the changes for all hosts of the run.
    """
    if claim.in_sync:
        return host_result(claim.wanted, Round(frozenset(claim.wanted["ips"])), Changed())
    batch = WriteBatch(turns, claim, options.api, mode)
    result = _result(batch, claim, batch.run(), mode)
    batch.report_state_error(result)
    if result.pop("not_in_sync", False):
        result["failed"] = options.fail or result.get("failed", False)
    return result


def _result(batch: WriteBatch, claim: Claim, found: Round, mode: Mode) -> dict[str, Any]:
    """Return the result of a host, with the summary of its group if it reports for that."""
    leads: dict[str, Any] = {} if batch.received else {"summary": {}}
    if not found.is_known:
        return {**leads, **found.failure()}
    kept: list[dict[str, Any]] = []
    batch.tolerate_state_error(lambda: kept.extend(_kept(batch, claim, found)))
    result = {**leads, **host_result(claim.wanted, found, found.changed([claim], batch.made), kept)}
    if claim.id not in (*found.reporters, *(found.shown if mode.diff else ())):
        return result
    group: list[Claim] = []
    batch.tolerate_state_error(lambda: group.extend(batch.group()))
    whole = found.whole(group, batch.made)
    summary = summary_of(whole, NO_USAGE if batch.received else batch.api_usage, diff=True)
    diff = summary.pop("diff")
    if mode.diff and claim.id in found.shown:
        result["diff"] = diff
    if claim.id not in found.reporters:
        return result
    if warnings := unreadable_warnings(whole):
        result["warnings"] = warnings
    gone = {host: set(ips).intersection(whole.removed) for own in group for host, ips in own.wanted["gone"].items()}
    pruned = {host: numeric_order(ips) for host, ips in sorted(gone.items()) if ips}
    result["summary"] = {**summary, **({"pruned_hosts": pruned} if pruned else {})}
    results = [host_result(own.wanted, found, found.changed([own], batch.made)) for own in group]
    # A change is always reported, even if it concerns none of the hosts.
    if (whole.added or whole.removed) and not any(own["changed"] for own in results):
        result["changed"] = True
    if whole.error and not any("not_in_sync" in own for own in results):
        result |= {**whole.error.as_result(), "failed": True}
    return result


def _kept(batch: WriteBatch, claim: Claim, found: Round) -> list[dict[str, Any]]:
    """Return the addresses that a host no longer needs and others do."""
    wanted = claim.wanted
    is_absent = wanted["state"] == "absent"
    own = {*wanted["former"], *(wanted["ips"] if is_absent else ())}
    unneeded = own.difference(() if is_absent else wanted["ips"], found.remove, found.withheld)
    # A host to be deregistered of which nothing is known may be that of another inventory.
    if unneeded.isdisjoint(found.after) and (own or not is_absent):
        return []
    states = {other.host: DesiredWhitelist(**other.wanted) for other in batch.group()}
    owned = Ownership.of(batch.owners(), claim.inventory, states, {claim.host} if wanted["adopt"] else ())
    registered = {**owned.registered, claim.host: set(wanted["former"])}
    return Ownership(registered, owned.others).kept(states).get(claim.host, [])
