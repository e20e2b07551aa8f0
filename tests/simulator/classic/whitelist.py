# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the whitelist calls do."""

from __future__ import annotations

from . import codes
from .codes import Refusal
from .request import Answer, Call


def add(call: Call) -> Answer:
    account, options = call.account, call.account.options
    asked = call.addresses()
    elsewhere = {ip for ip in asked if call.vendor.owner(ip) not in (None, account)}
    if elsewhere and options.bound == "refuse":
        raise Refusal(codes.BOUND_ELSEWHERE)
    present = {ip for ip in asked if ip in account.whitelist}
    if present and options.present_add == "full":
        raise Refusal(codes.WHITELIST_FULL)
    free = account.capacity - len(account.whitelist)
    fresh = [ip for ip in asked if ip not in present and ip not in elsewhere]
    if len(fresh) > free and options.overflow == "refuse":
        raise Refusal(codes.WHITELIST_FULL)
    refused = elsewhere.union(fresh[max(0, free) :])
    done = call.kept([ip for ip in asked if ip not in refused])
    account.whitelist.extend(ip for ip in done if ip not in present)
    if options.present_add == "zero":
        done = [ip for ip in done if ip not in present]
    return {"Code": codes.OK, "Data": done, "Num": len(done)}


def delete(call: Call) -> Answer:
    account = call.account
    asked = call.addresses()
    if account.options.absent_del == "error" and any(ip not in account.whitelist for ip in asked):
        raise Refusal(codes.BAD_PARAMETER)
    done = call.kept([ip for ip in asked if ip in account.whitelist])
    account.whitelist[:] = [ip for ip in account.whitelist if ip not in done]
    return {"Code": codes.OK, "Data": done, "Num": len(done)}


def query(call: Call) -> Answer:
    return {"Code": codes.OK, "Data": list(call.account.listed(call.now).whitelist)}
