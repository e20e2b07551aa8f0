# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the classic proxy API (``https://proxy.qg.net``), with one method for each call."""

from __future__ import annotations

from .leases import LeaseCalls
from .models import ReportedChange
from .monopolies import MonopolyCalls
from .whitelist import WhitelistCalls

__all__ = ["ProxyApi", "ReportedChange"]


class ProxyApi(WhitelistCalls, LeaseCalls, MonopolyCalls):
    """The calls of one key.

    A method raises ApiError if the vendor refuses, TransportError without a usable response, and WaitBudgetExceeded
    if the wait for the rate limit exceeds the budget.
    """
