# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of qg_report_info: hosts, leases, spending, gateways and lists of a key, and what
is wrong with them.

What cannot be read is one sentence among the problems, and the rest is reported.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from .._api.calls import CLASSIC
from .._api.key import KeyCaller
from .._api.lease_client import Leases
from .._api.leases import Quota
from .._api.parsing import BEIJING
from .._core.errors import CallError, QgError, Reason
from .._core.runtime import playbook_command
from .._core.text import format_sample
from .._gateway.outlook import outlook
from .._gateway.records import described, problem_of
from .._leases.foreign import (
    foreign_leases,
    leases_with_origins,
    unexplained_addresses,
    unexplained_fall,
)
from .._leases.operations import lease_results
from .._leases.origin import Origins
from .._spending.caps import DAY, parse_cap, recent_purchases
from .._spending.forecast import allowed_after, duration, number
from .._spending.ledger import spending, sums
from .._store.installations import Installations
from .._store.registrations import inventory_name
from .._task.api_options import (
    AUTO,
    CAP_OPTIONS,
    PRODUCT_OPTIONS,
    PROXY_API_OPTIONS,
    SHARED_KEY_OPTIONS,
    Connection,
    key_caller,
)
from .._task.operation import Mode, Operation, Params, Spec, explained
from .._task.products import UnknownKeyError, all_key_digests, detected
from .._whitelist.operations import whitelist_with_owners
from .page import page

T = TypeVar("T")
_SPEC: Spec = {**CAP_OPTIONS, **SHARED_KEY_OPTIONS, **PRODUCT_OPTIONS, **PROXY_API_OPTIONS}
#: The days that spending is reported of, today included.
_DAYS = 14
#: The numbers of a call that are added up.
_NUMBERS = ("received", "unknown")


@dataclass
class Reporter:
    """Reads one part after the other into ``data``.

    The whitelist comes first, since only the classic API has it.
    """

    connection: Connection
    caller: KeyCaller
    mode: Mode
    cap: int | None
    is_shared: bool
    problems: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def read(self) -> dict[str, Any]:
        """Return the report as data."""
        self.data |= dict.fromkeys(("bought", "buyers", "leases", "foreign"), None)
        self.data["cap"] = self.cap
        self.data["whitelist"] = self._part("The whitelist", self._whitelist)
        client = self._part("The product of the key", self._client)
        self.data["product"] = client.product if client else None
        quota = None
        if client:
            self._part("The list of leases", lambda: self._leases(client))
            quota = self._part("The quota", lambda: self._quota(client))
        self.data["quota"] = quota.described() if quota else None
        self.data["spending"] = self._part("The ledger", lambda: self._spending(client))
        self.data["installations"] = self._part("The gateways and lists", self._installations)
        self.data["forecast"] = ""
        if client:
            sentence = self._part(
                "The forecast", lambda: outlook(client, self.connection.key, self.cap, quota)
            )
            self.data["forecast"] = sentence or ""
        self.data["problems"] = self.problems
        return {**self.data, "page": page(self.data)}

    def _part(self, name: str, read: Callable[[], T]) -> T | None:
        """Return what is read; None if that fails, which adds the reason to the problems."""
        try:
            return read()
        except QgError as error:
            self.problems.append(f"{name} cannot be read: {explained(error, self.mode.origin)}")
            return None

    def _client(self) -> Leases | None:
        """Return the client of the leases of the key; None for the key of a tunnel, which has a
        whitelist but no list of leases.
        """
        if self.connection.product != AUTO:
            self.caller.use_product(self.connection.product)
            return Leases(self.caller)
        try:
            return detected(self.caller)
        except UnknownKeyError:
            if self.data["whitelist"] is None:
                raise
            self.data["leases"] = []
            return None

    def _whitelist(self) -> dict[str, Any]:
        whitelist = whitelist_with_owners(self.caller)
        for entry in whitelist["entries"]:
            if not entry["listed"]:
                hosts = sorted({inventory_name(owner["host"]) for owner in entry["owners"]})
                self.problems.append(
                    f"{entry['ip']} is registered for {format_sample(hosts)}, and not on the "
                    f"whitelist. Type: {playbook_command('register', qg_hosts=','.join(hosts))}"
                )
        return whitelist

    def _leases(self, client: Leases) -> None:
        try:
            held, origins = leases_with_origins(client)
        except CallError as error:
            # Plans for reserved lines have no list of leases, but a quota.
            if error.reason is not Reason.PERMISSION or client.lease_quota() is None:
                raise
            held = []
            origins = Origins({}, None)
        rows = []
        results = lease_results(held, client.caller.vendor_clock)
        for lease, row in zip(held, results, strict=True):
            rows.append({**row, "bought_here": origins.bought_here[lease.name]})
        self.data["leases"] = rows
        self.data["foreign"] = origins.foreign
        foreign = foreign_leases(origins, self.is_shared)
        if foreign and not self.is_shared:
            self.problems.append(f"The key holds {len(held)} leases{foreign}.")

    def _quota(self, client: Leases) -> Quota | None:
        quota = client.lease_quota()
        if quota is not None and quota.balance is not None:
            used = unexplained_addresses(unexplained_fall(client, quota.balance), self.is_shared)
            if used and not self.is_shared:
                self.problems.append(f"The plan has {quota.balance} addresses left{used}.")
        return quota

    def _spending(self, client: Leases | None) -> list[dict[str, Any]]:
        """Return what was bought on each day of the last two weeks on which anything was bought."""
        store = self.caller.store
        keys = self._digests(client)
        recent = sorted(
            (purchase for key in keys for purchase in recent_purchases(store, key)), reverse=True
        )
        bought = sum(amount for _age, amount in recent)
        self.data["bought"] = bought
        if self.cap is not None and bought >= self.cap:
            self.problems.append(
                f"The cap of {number(self.cap)} is reached: nothing is bought for "
                f"{duration(allowed_after(self.cap, recent))}, unless you raise max_new_per_day "
                "(environment QG_MAX_NEW_PER_DAY)."
            )
        now = store.wall_time()
        today = datetime.datetime.fromtimestamp(now, BEIJING).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        first = today - datetime.timedelta(days=_DAYS - 1)
        calls = list(spending(store, keys, first.timestamp()))
        lately = [call for call in calls if call["at"].timestamp() > now - DAY]
        self.data["buyers"] = sums(lately, ("user", "host"), _NUMBERS)
        return sums(calls, ("day", "product"), _NUMBERS)

    def _digests(self, client: Leases | None) -> list[str]:
        """Return the names of the key in the store: those for all products if its product is not
        known.
        """
        if client:
            return [client.caller.key_digest]
        return all_key_digests(self.caller)

    def _installations(self) -> list[dict[str, Any]]:
        store = self.caller.store
        now = store.wall_time()
        installed = []
        for each in Installations(store).standing():
            problem = problem_of(each, now)
            if problem:
                self.problems.append(problem)
            installed.append({**described(each), "problem": problem})
        return installed


def _run(params: Params, mode: Mode) -> dict[str, Any]:
    connection = Connection.of(params)
    caller = key_caller(replace(connection, product=CLASSIC), mode.announcer)
    with contextlib.closing(caller.store):
        cap = parse_cap(params["max_new_per_day"])
        report = Reporter(connection, caller, mode, cap, params["shared_key"]).read()
    return {"changed": False, **report, "api": caller.usage()}


REPORT_INFO = Operation(spec=_SPEC, run=_run)
