# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases that the lookup returns."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._api.leases import AllocationParams
from .._core.errors import QgError
from .._core.text import counted
from .._core.validation import check_names, check_range
from .._core.waiting import SILENT
from .._store.opening import StorePlace
from .._task.operation import redact
from .._task.options import PLACE_OPTIONS, PROXY_API_OPTIONS, check_areas
from .._task.products import lease_client
from . import operations
from .credentials import check_credentials
from .ensure import matching_leases
from .operations import lease_results, min_remaining_of, with_codes
from .plan import MAX_PER_CALL, DesiredLeases
from .product import check_terms, lease_backend

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
    desired = DesiredLeases(
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
        leases = matching_leases(lease_backend(api), desired, max_age=params["max_age"], policy=operations.POLICY)
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
