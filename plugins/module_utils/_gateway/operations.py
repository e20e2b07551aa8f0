# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a run that installs or refreshes gateways and lists, without what happens on hosts.

A run looks at the hosts, records what it installs, leases for all hosts, and decides what each of
them is to serve.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import QgError
from .._core.runtime import playbook_command, wall_time
from .._core.text import format_sample
from .._store.installations import LIST, Installation, Installations
from .._store.registrations import inventory_name
from .declaration import Declaration, Gateway, Pool, as_json, from_json
from .exits import CLOCKS_AGREE, Look
from .lease_sets import Need, lease_sets
from .policy import Cause, Exit
from .served import Candidate, why_unserved
from .servers import (
    SERVERS_OF_SLOT,
    STEADY,
    Server,
    file_text,
    next_servers,
    number_of_servers,
    seconds_without_exit,
    slot_servers,
)
from .slots import SlotLease, of_slot
from .supply import Supplier, Supply
from .timings import names_for


@dataclass
class Order:
    """An installation of this run, and what its host has reported of it.

    ``logins`` tells the keys of its pools apart within the run, ``refused`` are sentences for pools
    whose key is wrong. ``problem`` is why nothing can be done for it; empty if something can.
    """

    installation: Installation
    declaration: Declaration
    logins: dict[str, str]
    look: Look
    refused: dict[str, str] = field(default_factory=dict)
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the order as a variable of its host."""
        return {
            "installation": dataclasses.asdict(self.installation),
            "declaration": as_json(self.declaration),
            "logins": self.logins,
            "look": self.look.as_json(),
            "problem": self.problem,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Order:
        """Return the order in a variable of its host."""
        installation = Installation(**data["installation"])
        declaration = from_json(installation.kind, data["declaration"])
        look = Look.from_json(data["look"])
        return cls(installation, declaration, dict(data["logins"]), look, problem=data["problem"])


@dataclass
class Outcome:
    """What has come of an order: the servers of each pool, the leases of a list, and why these are
    not as declared.

    ``sleeps`` are the pools that sleep: since when, in Unix time, and about how many leases were
    not bought since.
    """

    servers: dict[str, list[Server]] = field(default_factory=dict)
    leases: list[dict[str, Any]] | None = None
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    sleeps: dict[str, dict[str, float]] = field(default_factory=dict)
    #: What went wrong before this run, which has put it right.
    late: list[str] = field(default_factory=list)

    @property
    def problem(self) -> str:
        """The problems as one text; empty if there is none."""
        return " ".join(dict.fromkeys(self.problems))


def left_to_another_run(
    rows: Installations, orders: Mapping[str, Sequence[Order]]
) -> list[Installation]:
    """Return what another run has refreshed, installed or removed since this refresh has found it.

    Nothing is leased for that: the other one has done what this one was to do, and this one would
    decide by what hosts reported before.
    """
    found = [order.installation for of_host in orders.values() for order in of_host]
    return rows.changed(found)


def why_left(kind: str, name: str, host: str) -> str:
    """Return the message for what another run has written or removed while this one was busy."""
    return (
        f"The {kind} {name} of {host} was left as it is, since another run has refreshed, "
        "installed or removed it meanwhile."
    )


def check(orders: Mapping[str, Sequence[Order]], supplier: Supplier) -> None:
    """Refuse pools whose key or terms QG.net does not accept, before anything is written."""
    mistakes = []
    for lease_set in lease_sets(_needs(orders)):
        mistake = supplier.why_refused(lease_set)
        if mistake:
            hosts = format_sample(sorted({need.host for need in lease_set.needs}))
            mistakes.append(f"Pool {lease_set.pool.name} of {hosts}: {mistake}")
    if mistakes:
        raise QgError(f"{' '.join(mistakes)} Nothing was changed on any host.")


def declare(rows: Installations, orders: Iterable[Order]) -> None:
    """Record what is installed, before anything is paid for."""
    declared = []
    for order in orders:
        if order.problem:
            continue
        options = as_json(order.declaration)
        declared.append(dataclasses.replace(order.installation, options=options))
    taken = rows.declare(declared)
    if taken:
        hosts = format_sample(sorted({each.host for each in taken}))
        raise QgError(
            f"Another run has installed or removed the {taken[0].kind} {taken[0].name} of {hosts} "
            "meanwhile, so nothing was leased: run this one again."
        )


def serve(
    orders: Mapping[str, Sequence[Order]], supplier: Supplier, *, is_refresh: bool
) -> dict[str, list[Outcome]]:
    """Lease for the orders of all hosts; returns the outcome of each."""
    supplies: dict[tuple[str, str], Supply] = {}
    for lease_set in lease_sets(_needs(orders)):
        supply = supplier.supply(lease_set)
        supply.addresses = {server: supplier.address(server) for server in supply.servers}
        for need in lease_set.needs:
            supplies[need.installation, need.pool.name] = supply
    outcomes: dict[str, list[Outcome]] = {}
    for host, of_host in orders.items():
        outcomes[host] = []
        for order in of_host:
            outcome = Outcome()
            for pool in order.declaration.pools:
                supply = supplies.get((order.installation.id, pool.name)) or Supply(
                    problem=order.problem or order.refused.get(pool.name, "")
                )
                if pool.sleeps_after(supply.unused):
                    outcome.sleeps[pool.name] = _sleep(order, pool, supply)
                elif is_refresh and pool.name not in order.installation.sleeps:
                    outcome.late += _lateness(order, pool)
                _add_pool(outcome, order, pool, supply)
            outcomes[host].append(outcome)
    return outcomes


def _needs(orders: Mapping[str, Sequence[Order]]) -> list[Need]:
    """Return what the hosts need for the pools for which something can be done."""
    needs = []
    for host, of_host in orders.items():
        for order in of_host:
            for pool in order.declaration.pools:
                if not order.problem and pool.name not in order.refused:
                    needs.append(
                        Need(
                            host=host,
                            kind=order.installation.kind,
                            installation=order.installation.id,
                            pool=pool,
                            login=order.logins[pool.name],
                            interval=order.declaration.interval,
                            exits=order.look.exits_of(pool.name),
                            has_answer=order.look.has_answer,
                            unused=order.look.unused.get(pool.name),
                            is_reconfigured=order.look.is_reconfigured,
                            forgets_reports=order.look.forgets_reports,
                        )
                    )
    return needs


def _sleep(order: Order, pool: Pool, supply: Supply) -> dict[str, float]:
    """Return since when a pool sleeps, and about how many leases were not bought for it since."""
    now = wall_time()
    before = order.installation.sleeps.get(pool.name, {})
    since = min(before.get("since", now), now)
    return {"since": since, "not_bought": supply.per_second * (now - since)}


def unchanged(order: Order) -> Outcome:
    """Return the outcome of an order for which nothing was leased yet: the servers of before."""
    outcome = Outcome()
    for pool in order.declaration.pools:
        outcome.servers[pool.name] = _before(order, pool, {})
    return outcome


def _exits(order: Order, pool: Pool, reports_since: Mapping[str, int]) -> dict[str, Exit]:
    """Return what a host says of the exits of a pool, without reports that are forgotten."""
    exits = order.look.exits_of(pool.name)
    return {server: each.without_old_report(reports_since) for server, each in exits.items()}


def _before(order: Order, pool: Pool, reports_since: Mapping[str, int]) -> list[Server]:
    """Return the servers of a pool before this run, with what clients have reported since they were
    written, without reports that are forgotten.
    """
    exits = _exits(order, pool, reports_since)
    servers = []
    for server in order.look.servers:
        if server.pool != pool.name:
            continue
        since = reports_since.get(server.server, 0)
        exit_ = exits.get(server.server)
        if since > server.reports_since:
            server = dataclasses.replace(server, reported=False, reports_since=since)
        elif exit_ and exit_.cause is Cause.REPORTED:
            server = dataclasses.replace(server, reported=True)
        servers.append(server)
    return servers


def _lateness(order: Order, pool: Pool) -> list[str]:
    """Return a sentence if the last lease of a pool, or of a slot, had ended before this refresh.

    If the refresh before had a problem, that is why.
    """
    if order.problem or order.installation.problem:
        return []
    now = wall_time() + order.look.clock_ahead
    seconds = seconds_without_exit(_before(order, pool, {}), now)
    if seconds <= STEADY:
        return []
    names = names_for(order.installation.kind, pool)
    sentence = (
        f"Pool {pool.name} of {order.installation.host} was refreshed too late: its last lease had "
        f"ended {seconds:.0f} s before, so that requests failed. Let the timer refresh it each "
        f"{order.declaration.interval} s ({names.prefix}interval), or raise {names.of('drain')}."
    )
    return [sentence]


def served(order: Order, outcome: Outcome) -> dict[str, Any]:
    """Return what a host is to serve, as its templates print it."""
    pools = []
    for pool in order.declaration.pools:
        pools.append({**dataclasses.asdict(pool), **_printed(pool)})
    after = [server for pool in order.declaration.pools for server in outcome.servers[pool.name]]
    paths: dict[str, Any]
    if isinstance(order.declaration, Gateway):
        paths = {
            "file": order.declaration.file,
            "run": order.declaration.run,
            "layout": order.declaration.layout,
            "text": file_text(order.installation.id, after),
            "before": file_text(order.look.identifier, order.look.servers)
            if order.look.identifier
            else "",
        }
    else:
        paths = {"mark": order.declaration.mark}
    return {
        **as_json(order.declaration),
        **paths,
        "files": [*order.declaration.files],
        "id": order.installation.id,
        "seen": order.look.seen,
        "kind": order.installation.kind,
        "host": order.installation.host,
        "pools": pools,
        "leases": outcome.leases,
        "problem": outcome.problem,
        "late": " ".join(outcome.late),
        "sleeps": outcome.sleeps,
        # Nothing is written over what another run or another inventory has installed.
        "is_left_alone": bool(order.problem),
        "serves": "serves" in order.look.flags,
        "is_root": "root" in order.look.flags,
    }


def _printed(pool: Pool) -> dict[str, Any]:
    """Return what the templates of a gateway need of a pool beside its options: its ports with the
    names of their backends, and how many servers each of these has.
    """
    fronts = [{"name": pool.name, "port": pool.port}]
    servers = number_of_servers(pool.count)
    if pool.has_slots:
        fronts = []
        for slot, port in enumerate(pool.ports, 1):
            fronts.append({"name": f"{pool.name}.{slot}", "port": port})
        servers = SERVERS_OF_SLOT
    return {"is_http": pool.is_http, "fronts": fronts, "servers": servers}


def _add_pool(outcome: Outcome, order: Order, pool: Pool, supply: Supply) -> None:
    """Add what a set of leases offers a pool to the outcome of its order."""
    if pool.has_slots:
        servers = _slots(outcome, order, pool, supply)
    else:
        before = _before(order, pool, supply.reports_since)
        leases = _servers(outcome, order, pool, supply, supply.lasting, before)
        # The deadlines of before are times of the host.
        now = wall_time() + order.look.clock_ahead
        servers = next_servers(leases, before, count=pool.count, bad=supply.bad, now=now)
    outcome.servers[pool.name] = servers
    if outcome.leases is None:
        outcome.leases = supply.leases
    outcome.warnings += [f"Pool {pool.name}: {warning}" for warning in supply.warnings]
    place = f"Pool {pool.name} of {order.installation.host}"
    if order.installation.kind == LIST:
        place = f"The list {order.installation.name} of {order.installation.host}"
    if pool.name in outcome.sleeps:
        # It needs nothing now, so that this fails no run.
        if supply.problem:
            outcome.warnings.append(f"{place} sleeps, and cannot be served later: {supply.problem}")
        return
    serving = _serving(servers)
    shut_out = _shut_out(order, pool, supply, serving) or _why_closed(pool, supply, serving)
    reason = order.problem or supply.problem or shut_out
    problem = why_unserved(
        pool.count - supply.unbought,
        _candidates(order, pool, supply, servers),
        reason=reason,
        is_out=supply.is_paused or bool(shut_out),
    )
    if problem:
        outcome.problems.append(f"{place}: {problem}")


def _why_closed(pool: Pool, supply: Supply, serving: Iterable[Server]) -> str:
    """Return which slots of a pool have no server; empty if all have one, or would have."""
    if not pool.has_slots:
        return ""
    served_slots = {server.slot for server in serving}
    closed = [str(slot) for slot in range(1, pool.count + 1) if slot not in served_slots]
    if len(closed) <= supply.unbought:
        return ""
    return (
        "no lease serves at these slots, which close each connection: "
        f"{format_sample(closed)}. The warnings of the run say why."
    )


def _serving(servers: Iterable[Server]) -> list[Server]:
    """Return the servers that get new requests."""
    serving = []
    for server in servers:
        if not (server.drained or server.waits or server.reported):
            serving.append(server)
    return serving


def _candidates(
    order: Order, pool: Pool, supply: Supply, servers: Iterable[Server]
) -> list[Candidate]:
    """Return the leases that last and are to serve a pool, as its host sees them."""
    leases = supply.lasting
    if pool.has_slots:
        slots = range(1, pool.count + 1)
        names = {lease.name for lease in supply.slot_leases or () if lease.slot in slots}
        leases = [lease for lease in leases if lease.name in names]
    exits = _exits(order, pool, supply.reports_since)
    reported = {server.server for server in servers if server.reported}
    # Programs that read a list look names up by themselves.
    with_address = {server.server for server in servers}
    with_address.update(server for server, address in supply.addresses.items() if address)
    candidates = []
    for lease in leases:
        candidates.append(
            Candidate(
                lease.server,
                exits.get(lease.server),
                has_address=lease.server in with_address or order.installation.kind == LIST,
                is_listed=lease.name not in supply.missed,
                is_reported=lease.server in reported,
            )
        )
    return candidates


def _slots(outcome: Outcome, order: Order, pool: Pool, supply: Supply) -> list[Server]:
    """Return the servers of all slots of a pool: those of before, if it is unknown which leases the
    slots have.
    """
    servers_before = _before(order, pool, supply.reports_since)
    servers = []
    for slot in range(1, pool.count + 1):
        before = [server for server in servers_before if server.slot == slot]
        if supply.slot_leases is None:
            servers += before
        else:
            of_this = of_slot(supply.slot_leases, slot)
            leases = _servers(outcome, order, pool, supply, of_this, before)
            servers += slot_servers(leases, before)
    return servers


def _servers(
    outcome: Outcome,
    order: Order,
    pool: Pool,
    supply: Supply,
    leases: Iterable[SlotLease],
    before: Iterable[Server],
) -> list[Server]:
    """Return servers for leases, without those that have no address.

    A name may have several addresses in turn: a lease keeps its first one, at which it is judged.
    """
    targets = {old.server: old.target for old in before}
    servers = []
    for lease in leases:
        address = targets.get(lease.server) or supply.addresses[lease.server]
        if address is None:
            outcome.warnings.append(
                f"{lease.server} is left out, because the control node finds no address for it in "
                "the public internet."
            )
        else:
            servers.append(
                Server(
                    pool.name,
                    lease.server,
                    _until(lease.until, supply, order.look),
                    slot=lease.slot,
                    address="" if address == lease.server else address,
                    reports_since=supply.reports_since.get(lease.server, 0),
                )
            )
    return servers


def _until(deadline: float | None, supply: Supply, look: Look) -> int | None:
    """Return a deadline on the clock of a host, in Unix time; None if the lease may last longer.

    Otherwise a host whose clock is wrong would take out leases that live, and each run would pay
    for other ones.
    """
    if deadline is None:
        return None
    ahead = supply.clock_ahead + look.clock_ahead
    return int(deadline + ahead) if abs(ahead) >= CLOCKS_AGREE else int(deadline)


def _shut_out(order: Order, pool: Pool, supply: Supply, serving: Sequence[Server]) -> str:
    """Return why this host cannot use any exit of a lease that lives, and whether others can; empty
    if it can use one, or if that is unknown.

    ``serving`` are the servers that get new requests after this run.
    """
    seen = _exits(order, pool, supply.reports_since)
    # A slot may still have a lease that was released.
    exits = [seen[lease.server] for lease in supply.lasting if lease.server in seen]
    if not exits or any(each.works is not False for each in exits):
        return ""
    is_rejected = all(each.cause is Cause.REJECTED for each in exits)
    if not is_rejected and any(server.server not in seen for server in serving):
        # What was leased just now may work, unless the host is refused whatever the exit.
        return ""
    works_for_others = any(lease.server in supply.working for lease in supply.lasting)
    if is_rejected:
        others = ", and lets others through" if works_for_others else ""
        command = playbook_command("register", qg_hosts=inventory_name(order.installation.host))
        return (
            f"every exit answers 407 to this host{others}. Check its credentials, or to register "
            f"it, type: {command}"
        )
    others = ", and exits work for others" if works_for_others else ""
    return (
        f"no exit works for this host{others}. Check that the host reaches the ports of the leases."
    )
