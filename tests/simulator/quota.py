# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the call for the quota does."""

from __future__ import annotations

from . import codes
from .whitelist import Answer, Call


def quota(call: Call) -> Answer:
    total, used = call.account.channels, call.account.used
    return {"Code": codes.OK, "Total": total, "Available": max(0, total - used), "Used": used}
