# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the release call does, and how much of it each product allows."""

from __future__ import annotations

from . import codes
from .codes import Refusal
from .leases import Lease
from .plans import STATIC
from .request import Answer, Call

DAY = 86400.0
WEEK = 7 * DAY
WEEKLY = 2
COUNTER = "/release addresses"
"""The window that counts addresses, beside the one that counts calls."""


def _named(call: Call) -> list[Lease]:
    """The leases that the call names, among those that the key holds."""
    names = [name for name in ("IP", "TaskID") if name in call.params]
    if len(names) != 1:
        raise Refusal(codes.BAD_PARAMETER)
    name, held = names[0], call.account.books.leases
    if call.params[name] == "*":
        return list(held)
    wanted = call.addresses() if name == "IP" else call.words(name)
    found = [lease for lease in held if (lease.ip if name == "IP" else lease.task_id) in wanted]
    known = {lease.ip if name == "IP" else lease.task_id for lease in found}
    if call.account.options.absent_release == "error" and not known.issuperset(wanted):
        raise Refusal(codes.BAD_PARAMETER)
    return found


def release(call: Call) -> Answer:
    account, windows = call.account, call.windows
    leases = call.kept(_named(call))
    if account.plan.kind == STATIC:
        limit, seconds = WEEKLY, WEEK
        if any(call.now - lease.at <= DAY for lease in leases):
            raise Refusal(codes.COUNT_LIMIT)
    else:
        limit, seconds = account.plan.channels * 2, windows.minute
    if leases and not windows.admit(account.key, COUNTER, limit, len(leases), seconds):
        raise Refusal(codes.COUNT_LIMIT)
    call.vendor.lessor.release(account, leases, account.plan.free_delay)
    if account.options.release_answer == "code":
        return {"Code": codes.OK}
    return {"Code": codes.OK, "Num": len(leases), "Data": [lease.ip for lease in leases]}
