# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parameters that held leases were requested with, as the ledger shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from .._api.leases import AllocationParams, Lease
from .._core.errors import OptionError
from .._reconcile.held_leases import is_among
from .plan import format_leases
from .session import LeaseSession


def requested_terms(session: LeaseSession, leases: Sequence[Lease]) -> dict[str, AllocationParams]:
    """Return the parameters of these leases by their names; those of leases of other programs are not known."""
    found = {}
    for received, request in session.journal.read().bought({lease.server for lease in leases}):
        # The latest purchase of an address is that of the lease.
        terms = AllocationParams.from_json(request.get("terms") or {})
        found.update({lease.name: terms for lease in leases if is_among(lease, received)})
    return found


def successor_terms(session: LeaseSession, leases: Sequence[Lease], params: AllocationParams) -> AllocationParams:
    """Return the parameters for the successors of these leases: of what ``params`` leave open, those of the leases.

    Raises OptionError for leases whose successors would have different ones.
    """
    known, groups = requested_terms(session, leases), dict[AllocationParams, list[Lease]]()
    for lease in leases:
        groups.setdefault(_inherited(params, known.get(lease.name, AllocationParams())), []).append(lease)
    if len(groups) > 1:
        named = " and ".join(format_leases(group) for group in groups.values())
        raise OptionError(
            f"The leases were requested with different areas, isp or keep_alive: {named}. Replace each group by a task "
            "of its own with ips, or give all three for the new leases."
        )
    return next(iter(groups), params)


def _inherited(params: AllocationParams, old: AllocationParams) -> AllocationParams:
    is_placed = params.areas or params.exclude_areas
    return dataclasses.replace(
        params,
        keep_alive=old.keep_alive if params.keep_alive is None else params.keep_alive,
        isp=params.isp or old.isp,
        areas=params.areas if is_placed else old.areas,
        exclude_areas=params.exclude_areas if is_placed else old.exclude_areas,
    )
