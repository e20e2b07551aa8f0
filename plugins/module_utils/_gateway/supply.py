# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases for the pools of all hosts of a run: equal pools share one set of leases, and one call to
QG.net.

Before anything is bought, :mod:`.policy` decides by what the hosts report of exits whether it is of
use. A set that fails stops no other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address
from typing import Any

from .._api.lease_client import Leases
from .._api.leases import Lease, Terms
from .._core.checks import can_be_exit, is_ipv4
from .._core.errors import CallError, OptionError, QgError, Reason
from .._core.runtime import Announcer, wall_time
from .._leases.api import LeaseApi
from .._leases.lease_options import check_new_terms, desired_leases, with_codes
from .._leases.leasing import NamedLeases, ensure_leases, release_leases
from .._leases.operations import lease_results, unusable_leases
from .._paid.holdings import Holdings, ListRead
from .._paid.lifetime import MONTH, ShortLifeError
from .._paid.matching import Desired
from .._paid.reconciling import POLL
from .._store.installations import Installations
from .._store.store import Store
from .._task.api_options import Connection
from .._task.products import UnknownKeyError, check_served, lease_client
from .judging import forgiven, is_well, live_exits, matching, new_servers
from .lease_sets import LeaseSet, Need
from .logins import OWN_PASSWORD
from .pause_text import why_paused
from .policy import Cause, Decision, PoolState, after_purchase, decide
from .sightings import Seen, Sightings
from .slots import SlotLease, assign, slots_as_json, slots_from_json, vacant
from .timings import check_drain, drain_error, names_for

#: The options of the role, by the options of a task that leases.
_ROLE_OPTIONS = {
    "min_remaining": "drain",
    "count": "count",
    "areas": "areas",
    "isp": "isp",
    "keep_alive": "keep_alive",
}
#: Why QG.net refuses each call with a key, until the user corrects something.
_REFUSALS = (Reason.KEY, Reason.CALLER, Reason.PERMISSION)
#: The seconds that leases are supposed to last if nothing says it: the bound on purchases is then
#: that of a day.
_UNKNOWN_LIFETIME = 86400.0


@dataclass
class Supply:
    """What a set of leases has to offer.

    ``problem`` is why this is not what was declared, and empty if it is. With ``is_paused``,
    nothing but a probe is bought until exits work, or the drain fits. ``leases`` are what results
    of tasks show, and None if QG.net's list could not be read; ``lasting`` are the same leases.
    ``held`` are the names of all leases of the key, and ``missed`` those of them that QG.net's list
    lacks. ``slot_leases`` are those of pools with slots, and None if there are none or they are not
    known. ``bad`` are servers that nobody should use, ``working`` those that work for a host, and
    reports of a server before ``reports_since`` are forgotten. No pool of the set that may sleep
    has had a request for ``unused`` seconds; None if that is unknown. A set that sleeps would
    otherwise buy so many leases ``per_second`` for each of its pools. The number of leases that
    check mode would have bought is ``unbought``. The clock of the control node is ``clock_ahead``
    seconds ahead of QG.net's.
    """

    leases: list[dict[str, Any]] | None = None
    lasting: Sequence[SlotLease] = ()
    held: frozenset[str] = frozenset()
    missed: frozenset[str] = frozenset()
    slot_leases: list[SlotLease] | None = None
    problem: str = ""
    is_paused: bool = False
    bad: frozenset[str] = frozenset()
    working: frozenset[str] = frozenset()
    reports_since: Mapping[str, int] = field(default_factory=dict)
    unused: float | None = None
    per_second: float = 0.0
    bought: int = 0
    unbought: int = 0
    clock_ahead: float = 0.0
    warnings: list[str] = field(default_factory=list)
    #: The IPv4 address and port of each of its servers, and None for a name without an address.
    addresses: dict[str, str | None] = field(default_factory=dict)

    @property
    def servers(self) -> frozenset[str]:
        """The servers of its leases."""
        leases = (*self.lasting, *(self.slot_leases or ()))
        return frozenset(lease.server for lease in leases)


@dataclass
class Supplier:
    """Leases for the pools of all hosts.

    ``connect`` returns the connection for a need. ``bought`` is the number of leases that the run
    has bought, or would buy in check mode.
    """

    connect: Callable[[Need], Connection]
    announcer: Announcer
    store: Store
    cap: int | None = None
    check: bool = False
    bought: int = 0
    #: The clients by the keys with which the run has leased.
    clients: dict[str, Leases] = field(default_factory=dict)
    #: The addresses of servers, since a lookup of a name may take seconds.
    addresses: dict[str, str | None] = field(default_factory=dict)
    #: The last list of each key: one is enough for all sets.
    lists: dict[str, ListRead[Lease]] = field(default_factory=dict)
    #: The host of the API.
    api_host: str = ""

    def address(self, server: str) -> str | None:
        """Return a server with its IPv4 address, since HAProxy takes no name at run time; None if
        the name has none that can be one of an exit.
        """
        if server not in self.addresses:
            self.addresses[server] = _address(server, self.api_host)
        return self.addresses[server]

    def supply(self, lease_set: LeaseSet) -> Supply:
        """Ensure the leases of a set, as far as its exits can be used."""
        supply = Supply()
        try:
            client, desired = self._connect(lease_set)
            self._supply(client, desired, lease_set, supply)
        except QgError as error:
            # The cause of a pool that is paused says more than that nothing could be bought.
            supply.problem = supply.problem or _message(error, lease_set)
        self.bought += supply.bought
        return supply

    def why_refused(self, lease_set: LeaseSet) -> str:
        """Return the mistake in the key or the terms of a set; empty if there is none, or if
        QG.net cannot be asked now.
        """
        try:
            client, _desired = self._connect(lease_set)
            check_served(client)
        except QgError as error:
            is_refused = isinstance(error, CallError) and error.reason in _REFUSALS
            if is_refused or isinstance(error, OptionError | UnknownKeyError):
                return _message(error, lease_set)
        return ""

    def _connect(self, lease_set: LeaseSet) -> tuple[Leases, Desired]:
        """Return the client for the key of a set, and what is to be held with it."""
        pool = lease_set.pool
        terms = Terms(areas=pool.areas, isp=pool.isp, keep_alive=pool.keep_alive)
        desired = desired_leases(
            lease_set.count,
            terms,
            min_remaining=f"{lease_set.drain}s",
            on_uncertain="fail",
            exclude_ips=None,
        )
        connection = self.connect(lease_set.needs[0])
        client = lease_client(
            connection, self.announcer, partial(check_new_terms, terms), store=self.store
        )
        self.clients[connection.key] = client
        self.api_host = client.caller.api_host
        life = Holdings(LeaseApi(client)).journal.lifetime(terms.keep_alive)
        check_drain(lease_set.drain, life, names_for(lease_set.needs[0].kind, pool))
        return client, dataclasses.replace(desired, terms=with_codes(terms, client))

    def _supply(
        self, client: Leases, desired: Desired, lease_set: LeaseSet, supply: Supply
    ) -> None:
        """Lease what is missing, or what the policy decides if anything is known against an
        exit.
        """
        installations = Installations(self.store)
        name = _name(client, lease_set, "lease set")
        sightings = Sightings(
            installations, self.store.digest("sightings", client.caller.key_digest)
        )
        seen = sightings.seen(lease_set, name)
        if not self.check:
            sightings.record(lease_set, name)
        supply.unused = seen.unused
        desired = dataclasses.replace(desired, count=lease_set.count_after(seen.unused))
        if not desired.count:
            supply.per_second = _saved_per_second(client, desired, lease_set)
        supply.working = frozenset(server for server, each in seen.exits.items() if each.works)
        state = installations.set_state(name, PoolState.from_json)
        supply.reports_since = state.reports_since
        if is_well(state, seen.exits.values()):
            self._lease(client, desired, lease_set, supply)
            return
        with client.caller.key_lock("judging", "the exits of a pool"):
            state = installations.set_state(name, PoolState.from_json)
            state = forgiven(state, lease_set, seen.exits.values(), self.store.now())
            decision, listed = self._judge(client, desired, lease_set, state, seen)
            supply.bad = decision.exclude
            supply.reports_since = decision.state.reports_since
            supply.warnings += decision.warnings
            if decision.problem is not None:
                # What ends soon while this run waits is not bought either.
                desired = dataclasses.replace(desired, at_most=1)
                supply.is_paused = True
                supply.problem = why_paused(decision.problem, self.store.now())
                if decision.problem.pause.cause is Cause.REJECTED and lease_set.pool.is_entry:
                    supply.problem += f" {OWN_PASSWORD}"
            if not self.check:
                # Before the payment, so that a run that is killed has used up what it may buy.
                installations.save_set_state(name, decision.state.as_json())
                # Only once, since a product that refuses this now would refuse it in each run.
                excluded = decision.exclude & listed - state.bad.keys()
                _release(client, excluded - seen.working_elsewhere)
            wanted = dataclasses.replace(desired, count=decision.count or 0)
            try:
                self._lease(client, wanted, lease_set, supply)
            finally:
                if not self.check:
                    state = after_purchase(state, decision, supply.bought, self.store.now())
                    state = state.with_bad(supply.bad)
                    installations.save_set_state(name, state.as_json())

    def _judge(
        self, client: Leases, desired: Desired, lease_set: LeaseSet, state: PoolState, seen: Seen
    ) -> tuple[Decision, Set[str]]:
        """Return what the policy decides, and the servers of the leases by which it does."""
        holdings = Holdings(LeaseApi(client))
        holdings.read(self._earlier(client))
        self._keep(client, holdings)
        lasts_by_server = matching(holdings, desired, lease_set.drain)
        life = holdings.journal.lifetime(desired.terms.keep_alive, MONTH) or _UNKNOWN_LIFETIME
        now = self.store.now()
        if not desired.count:
            decision = Decision(None, frozenset(state.bad), state.as_of(now, life))
            return decision, lasts_by_server.keys()
        new = new_servers(holdings, lease_set)
        live = live_exits(lasts_by_server, new, state.bad, seen.exits)
        decision = decide(state, live, count=desired.count, lifetime=life, now=now)
        return decision, lasts_by_server.keys()

    def _earlier(self, client: Leases) -> ListRead[Lease] | None:
        """Return the list of a key that the run has read for another set, if that was just now."""
        last = self.lists.get(client.caller.key_digest)
        is_recent = last is not None and self.store.now() - last.read_at <= POLL
        return last if is_recent else None

    def _keep(self, client: Leases, holdings: Holdings[Lease]) -> None:
        self.lists[client.caller.key_digest] = holdings.last_list

    def _lease(self, client: Leases, desired: Desired, lease_set: LeaseSet, supply: Supply) -> None:
        """Lease what is missing, or what channels and cap allow if that is less."""
        wanted = desired
        refusals = []
        while True:
            try:
                error = self._ensure(client, wanted, lease_set, supply)
                break
            except QgError as refusal:
                possible = _possible_count(refusal, wanted.count)
                if possible is None or possible >= wanted.count or self.check:
                    raise
                refusals.append(refusal.message)
                wanted = dataclasses.replace(wanted, count=possible)
        supply.problem = supply.problem or " ".join(refusals)
        # Without a quota, only a purchase shows how many channels are free.
        number = wanted.count - len(supply.lasting)
        while number > 1 and getattr(error, "reason", None) is Reason.CHANNELS:
            number //= 2
            wanted = dataclasses.replace(wanted, count=len(supply.lasting) + number)
            error = self._ensure(client, wanted, lease_set, supply)
        lasting = {lease.name for lease in supply.lasting}
        missing = vacant(supply.slot_leases or (), lasting, lease_set.slot_count)
        has_count = len(lasting) >= desired.count > 0
        if missing and has_count and not supply.problem:
            # The other leases stay at slots that no pool of this run has.
            wanted = dataclasses.replace(desired, count=len(lasting) + len(missing))
            self._ensure(client, wanted, lease_set, supply)

    def _ensure(
        self, client: Leases, desired: Desired, lease_set: LeaseSet, supply: Supply
    ) -> QgError | None:
        """Lease what is missing, and add it to what the set has to offer; returns the error of a
        purchase.

        If QG.net leases the address of a bad exit again, it is not bad any more. Otherwise the next
        run would buy another lease for it, which no bound would count.
        """
        desired = dataclasses.replace(desired, exclude_ips=supply.bad)
        ignore_quota = lease_set.pool.ignore_quota
        result = ensure_leases(
            client,
            desired,
            check=self.check,
            cap=self.cap,
            ignore_quota=ignore_quota,
            earlier=self._earlier(client),
        )
        self._keep(client, result.holdings)
        if self.check:
            supply.unbought += result.missing
        supply.bought += result.missing if self.check else len(result.allocated)
        again = supply.bad.intersection(lease.server for lease in result.allocated)
        if again:
            supply.bad -= again
            return self._ensure(client, desired, lease_set, supply)
        supply.warnings += [*result.warnings, *unusable_leases(client, result.after)]
        clock = client.caller.vendor_clock
        supply.leases = lease_results(result.leases, clock)
        now = clock.now()
        supply.lasting = [_lasting(lease, client.product, now) for lease in result.leases]
        supply.held = frozenset(lease.name for lease in result.after)
        supply.missed = frozenset(result.holdings.missing)
        supply.clock_ahead = wall_time() - clock.now()
        if result.error:
            supply.problem = supply.problem or _message(result.error, lease_set)
            # It serves, and nothing that would last is bought before the drain fits.
            supply.is_paused = supply.is_paused or isinstance(result.error, ShortLifeError)
        if lease_set.slot_count:
            self._assign(client, lease_set, supply)
        return result.error

    def _assign(self, client: Leases, lease_set: LeaseSet, supply: Supply) -> None:
        """Give the leases their slots, as the store remembers them."""

        def change(recorded: Iterable[SlotLease]) -> dict[str, Any]:
            now = client.caller.vendor_clock.now()
            slots = assign(
                recorded,
                supply.lasting,
                held=supply.held,
                count=lease_set.slot_count,
                bad=supply.bad,
                now=now,
            )
            return slots_as_json(slots)

        installations = Installations(self.store)
        name = _name(client, lease_set, "slots")
        if self.check:
            after = change(installations.set_state(name, slots_from_json))
        else:
            after = installations.change_set_state(name, slots_from_json, change)
        supply.slot_leases = slots_from_json(after)


def _address(server: str, api_host: str) -> str | None:
    """Return a server with its IPv4 address; None if its name has none that can be one of an
    exit.
    """
    host, _colon, port = server.rpartition(":")
    if is_ipv4(host):
        return server
    try:
        addresses = socket.getaddrinfo(host, int(port), socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, ValueError, UnicodeError):
        return None
    address = str(addresses[0][4][0])
    if not can_be_exit(IPv4Address(address), api_host):
        return None
    return f"{address}:{port}"


def _lasting(lease: Lease, product: str, now: float) -> SlotLease:
    """Return a lease without a slot. One of longterm may last longer than its deadline says, and
    that of one that counts and would be over cannot be true.
    """
    until = None
    if lease.expires is not None and product != "longterm" and lease.expires.timestamp() > now:
        until = lease.expires.timestamp()
    return SlotLease(0, lease.name, lease.server, until)


def _message(error: QgError, lease_set: LeaseSet) -> str:
    """Return the message of an error with the name that an option has in the role."""
    names = names_for(lease_set.needs[0].kind, lease_set.pool)
    if isinstance(error, ShortLifeError):
        return drain_error(lease_set.drain, error.life, names).message
    if isinstance(error, OptionError) and error.option in ("key", "password"):
        name = f"The {error.option} of pool {lease_set.pool.name}"
        return OptionError(name, error.problem, error.fix).message
    if isinstance(error, CallError) and error.reason is Reason.CALLER and lease_set.pool.is_entry:
        return f"{error.message} {OWN_PASSWORD}"
    if not isinstance(error, OptionError) or error.option not in _ROLE_OPTIONS:
        return error.message
    name = names.of(_ROLE_OPTIONS[error.option])
    return OptionError(name, error.problem, error.fix).message


def _name(client: Leases, lease_set: LeaseSet, what: str) -> str:
    """Return the name of what the store remembers of a set, whatever hosts and pools it serves."""
    pool = lease_set.pool
    terms = json.dumps([sorted(pool.areas), pool.isp, pool.keep_alive])
    return client.caller.store.digest(what, client.caller.key_digest, client.product, terms)


def _saved_per_second(client: Leases, desired: Desired, lease_set: LeaseSet) -> float:
    """Return how many leases a set that sleeps would buy in a second for each of its pools; 0 if it
    is unknown how long they last.
    """
    life = Holdings(LeaseApi(client)).journal.lifetime(desired.terms.keep_alive, MONTH)
    if life is None:
        return 0.0
    return lease_set.count / len(lease_set.needs) / max(life - lease_set.drain, lease_set.interval)


def _release(client: Leases, servers: frozenset[str]) -> None:
    """Release exits that serve nobody, if the product of the key can do that now."""
    if not servers or client.calls.release is None:
        return
    with contextlib.suppress(QgError):
        release_leases(client, NamedLeases("ips", servers))


def _possible_count(refusal: QgError, count: int) -> int | None:
    """Return the count that channels or the cap allow, if a refusal says so; None otherwise."""
    details = refusal.details
    if "missing" in details:
        missing = int(details["missing"])
        free = int(details["quota"]["available"])
    elif "cap" in details:
        cap = details["cap"]
        missing = int(cap["wanted"])
        # The cap may have been lowered since.
        free = max(0, int(cap["limit"]) - int(cap["bought"]) - int(cap["unknown"]))
    else:
        return None
    return count - missing + free
