# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The comparison of the list of leases with the quota, before any lease is paid for."""

from __future__ import annotations

from .._api.leases import Quota
from .._reconcile import confirmed_list
from .session import LeaseSession

#: The advice for quotas that count more than leases.
IGNORE = "Set undetermined=ignore if these channels carry no lease, as with a plan that is billed by volume. "


def confirm_list(session: LeaseSession, quota: Quota | None = None, *, advice: str = "") -> Quota | None:
    """Read list and quota until they agree, and return the quota; raises UncertainOutcomeError if they do not."""
    quota = confirmed_list.confirm_list(session, quota or session.quota(), what="leases", advice=advice)
    if quota is not None:
        session.balance_before = session.balance(quota)
    return quota
