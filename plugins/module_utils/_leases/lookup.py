# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases that the lookup returns."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from .._api.lease_client import Leases
from .._api.leases import Lease
from .._core.checks import check_range
from .._core.errors import QgError
from .._core.runtime import SILENT, Announcer
from .._core.text import counted
from .._paid.holdings import Holdings
from .._paid.matching import Desired
from .._store.facts import LEASE_LIST
from .._store.opening import open_store
from .._task.api_options import PROXY_API_OPTIONS, Connection
from .._task.operation import Params, redact
from .._task.products import PLACE_OPTIONS, lease_client
from .api import MAX_PER_CALL, LeaseApi
from .credentials import check_credentials
from .lease_options import check_isp, desired_leases, read_terms, with_codes
from .operations import lease_results

#: The options of the lookup that select leases.
LOOKUP_SELECTORS = tuple(PLACE_OPTIONS)


class _RememberedList(NamedTuple):
    """A list of leases, with the state time at which it was requested, and QG.net's time then."""

    read_at: float
    vendor_time: float
    leases: list[Lease]

    @classmethod
    def parse(cls, text: str) -> _RememberedList:
        """Return the list that :meth:`as_json` has written."""
        fields = json.loads(text)
        leases = [Lease.from_item(row["vendor"], row["task_id"]) for row in fields["leases"]]
        return cls(fields["read_at"], fields["vendor_time"], leases)

    def as_json(self) -> str:
        rows = [{"task_id": lease.task_id, "vendor": dict(lease.vendor)} for lease in self.leases]
        return json.dumps({**self._asdict(), "leases": rows})


def find_leases(params: Params, announcer: Announcer) -> list[dict[str, Any]]:
    """Return the leases that the lookup describes, in the order of deadlines or of ``seed``.

    Raises QgError if there are too few. Announces a new store.
    """
    at_least = params["at_least"]
    limit = params["limit"]
    seed = params["seed"]
    check_range("at_least", at_least, 0, MAX_PER_CALL)
    max_age = check_range("max_age", params["max_age"], 0, 3600)
    if limit is not None:
        check_range("limit", limit, 1, 10**6)
    check_credentials(params["form"] == "url", params["password"], "form", "url")
    desired = desired_leases(
        at_least,
        read_terms(areas=params["areas"], isp=params["isp"]),
        min_remaining=params["min_remaining"],
        on_uncertain=params["on_uncertain"],
        exclude_ips=params["exclude_ips"],
    )
    connection = Connection.of(params)
    # Templates may be evaluated in the process that Ansible forks its workers from.
    opened = open_store(connection.store, connection.timing.max_wait, announcer)
    with contextlib.closing(opened) as store:
        # A lookup cannot see whether its task has no_log, so it announces no wait.
        api = lease_client(connection, SILENT, partial(check_isp, params["isp"]), store=store)
        desired = replace(desired, terms=with_codes(desired.terms, api))
        leases = lease_results(_matching(api, desired, max_age), api.caller.vendor_clock)
    if len(leases) < at_least:
        raise QgError(
            f"The key holds {counted(len(leases), 'matching lease')}, fewer than at_least="
            f"{at_least}. Lease more with qingguo.qgnet.qg_proxy_allocate, or ask for less."
        )
    results: list[dict[str, Any]] = redact({"leases": leases}, params, PROXY_API_OPTIONS)["leases"]
    if seed:
        results.sort(
            key=lambda lease: hashlib.sha256(f"{seed}\0{lease['server']}".encode()).digest()
        )
    return results[:limit]


def _matching(client: Leases, desired: Desired, max_age: float) -> list[Lease]:
    """Return the held leases that match, from a list that is at most ``max_age`` seconds old."""
    api = LeaseApi(client)
    holdings = Holdings(api)
    if not _use_cached(api, holdings, max_age):
        with client.caller.key_lock("reading"):
            # Another run may have read it while this one waited.
            if not _use_cached(api, holdings, max_age):
                holdings.read()
                remembered = _RememberedList(
                    holdings.snapshot.read_at,
                    client.caller.vendor_clock.now(),
                    list(holdings.certain.values()),
                )
                client.caller.host_facts.save(LEASE_LIST, remembered.as_json())
    # What the list lacks may be wrong to use, however wrong it would be to buy it again.
    certain = holdings.certain
    traits = {name: each for name, each in holdings.traits().items() if name in certain}
    plan = desired.plan(traits, holdings.areas).decided()
    leases = [holdings.held[name] for name in plan.keep]
    return [lease for lease in leases if client.is_usable(lease)]


def _use_cached(api: LeaseApi, holdings: Holdings[Lease], max_age: float) -> bool:
    """Use the list that a lookup has read lately, if there is one, and QG.net's time then."""
    caller = api.caller
    remembered = caller.host_facts.read(LEASE_LIST, _RememberedList.parse)
    if remembered is None:
        return False
    age = holdings.now() - remembered.read_at
    if age > max_age:
        return False
    caller.vendor_clock.observe(remembered.vendor_time + age, 0.0)
    holdings.use_list({lease.name: lease for lease in remembered.leases}, remembered.read_at)
    return True
