# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases that the lookup returns."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from .._api.lease_client import Leases
from .._api.leases import AllocationParams, Lease
from .._core.checks import check_names, check_range
from .._core.errors import QgError
from .._core.runtime import SILENT
from .._core.text import counted
from .._paid.books import Books, listed, view
from .._paid.leases import MAX_PER_CALL, LeaseKind
from .._paid.matching import Desired
from .._store.facts import LEASE_LIST
from .._store.store import StorePlace
from .._task.operation import redact
from .._task.options import PROXY_API_OPTIONS
from .._task.products import PLACE_OPTIONS, check_areas, lease_client
from .change import applicable, planned
from .credentials import check_credentials
from .operations import check_terms, lease_results, min_remaining_of, with_codes

#: The options of the lookup that select leases.
LOOKUP_SELECTORS = tuple(PLACE_OPTIONS)


def find_leases(params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the leases that the options of the lookup describe, in the order of their deadlines or of ``seed``.

    Raises QgError if there are too few.
    """
    least, most = params["at_least"], params["limit"]
    check_range("at_least", least, 0, MAX_PER_CALL)
    min_remaining = min_remaining_of(params)
    check_range("max_age", params["max_age"], 0, 3600)
    if most is not None:
        check_range("limit", most, 1, 10**6)
    check_credentials(params["form"] == "url", params, "form=url")
    desired = Desired(
        count=least,
        params=AllocationParams(isp=params["isp"], areas=check_areas("areas", params["areas"])),
        min_remaining=min_remaining,
        on_uncertain=params["on_uncertain"],
        exclude_ips=frozenset(check_names("exclude_ips", params["exclude_ips"])),
    )
    # Templates may be evaluated in the process that Ansible forks its workers from.
    with contextlib.closing(StorePlace(params["store"]).open(params["max_wait"])) as state:
        # A lookup cannot see whether its task has no_log, so it announces nothing.
        api = lease_client(params, SILENT, check_terms, state=state)
        desired = replace(desired, params=with_codes(desired.params, api))
        leases = _matching(api, desired, params["max_age"])
        found = lease_results(leases, api.caller.vendor_clock)
    if len(leases) < least:
        raise QgError(
            f"The key holds {counted(len(leases), 'matching lease')}, fewer than at_least={least}. Lease more with "
            "qingguo.qgnet.qg_proxy_allocate, or ask for less."
        )
    results: list[dict[str, Any]] = redact({"leases": found}, params, PROXY_API_OPTIONS)["leases"]
    if params["seed"]:
        results.sort(key=lambda lease: hashlib.sha256(f"{params['seed']}\0{lease['server']}".encode()).digest())
    return results[:most]


def _matching(client: Leases, desired: Desired, max_age: float) -> list[Lease]:
    """Return the held leases that match, from a list that is at most ``max_age`` seconds old."""
    kind = LeaseKind(client)
    books = Books(kind, kind.journal, client.caller.budget)
    reading = _read(kind, max_age)
    books.held = view(reading.listed, kind.journal.reported(reading.read_at), kind)
    vendor_now = reading.vendor_at + kind.journal.store.now() - reading.read_at
    live = {
        name: lease for name, lease in books.held.items() if not kind.has_ended(lease, reading.vendor_at, vendor_now)
    }
    found = planned(kind, books, live, applicable(kind, desired), every=True)
    return [books.held[name] for name in found.keep]


class _Reading(NamedTuple):
    """The vendor's list, requested at a state time, when it was ``vendor_at`` by the vendor's clock."""

    read_at: float
    vendor_at: float
    listed: dict[str, Lease]


def _read(kind: LeaseKind, max_age: float) -> _Reading:
    """Return a list that a lookup has read lately, or else a new one, for others as well."""
    if cached := _cached(kind, max_age):
        return cached
    with kind.caller.key_lock("reading"):
        # Another run may have read it while this one waited.
        if cached := _cached(kind, max_age):
            return cached
        read_at, found = kind.journal.store.now(), listed(kind)
        vendor_at = kind.caller.vendor_clock.now()
        rows = [(lease.task_id, dict(lease.vendor)) for lease in found.values()]
        kind.caller.host_facts.save(LEASE_LIST, json.dumps([read_at, vendor_at, rows]))
        return _Reading(read_at, vendor_at, found)


def _cached(kind: LeaseKind, max_age: float) -> _Reading | None:
    known = kind.caller.host_facts.get(LEASE_LIST)
    read_at, vendor_at, rows = kind.journal.store.decoded(known) if known else (-math.inf, 0.0, [])
    if read_at < kind.journal.store.now() - max_age:
        return None
    leases = (Lease.from_item(vendor, task_id) for task_id, vendor in rows)
    return _Reading(read_at, vendor_at, {lease.name: lease for lease in leases})
