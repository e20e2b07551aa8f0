# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy API's desk: the checks common to its calls in their order, then the operation."""

from __future__ import annotations

from ..control.faults import Fault
from ..control.journal import Entry
from ..exchange import Taken
from ..rate_limits import Windows
from . import codes
from .codes import Refusal
from .endpoints import PATHS, Endpoint, find
from .keys import STATUS_CODES
from .request import Answer, Call
from .responses import Reply, refused, shaped
from .state import Vendor


class KeyDesk:
    caller = "Key"

    def __init__(self, vendor: Vendor, windows: Windows) -> None:
        self._vendor = vendor
        self._windows = windows

    def receive(self, entry: Entry) -> Taken:
        account = self._vendor.accounts.get(entry.key) if entry.key else None
        return Taken(entry, account, options=account.options) if account else Taken(entry)

    def perform(self, taken: Taken, fault: Fault | None) -> Reply | None:
        entry, options = taken.entry, taken.options
        endpoint = find(entry.method, entry.path)
        refuses_post = options.post == "refuse" and not self._rest(entry.path)
        if endpoint is None or (entry.method == "POST" and refuses_post):
            return None
        self._vendor.settle()
        try:
            answer = self._answer(endpoint, taken, fault.get("drop", 0) if fault else 0)
        except Refusal as refusal:
            entry.code, entry.executed = refusal.code, refusal.done
            reply = refused(refusal.code, refusal.text, options.msg, endpoint.rest)
            if not endpoint.rest:
                reply.status = options.error_status
        else:
            entry.code, entry.executed = codes.OK, True
            reply = Reply(200, answer)
        if taken.account:
            taken.account.record(self._vendor.clock.now())
        return shaped(reply, options, fault.kind if fault else None)

    def refuse(self, taken: Taken, fault: Fault) -> Reply:
        code: int = fault.get("code")
        message = fault.get("msg", codes.MESSAGES.get(code, ""))
        return refused(code, message, taken.options.msg or "msg" in fault.fields, self._rest(taken.entry.path))

    @staticmethod
    def _rest(path: str) -> bool:
        return any(endpoint.rest for endpoint in PATHS[path])

    def _answer(self, endpoint: Endpoint, taken: Taken, drop: int) -> Answer:
        account, params = taken.account, taken.entry.params
        if not taken.entry.key:
            raise Refusal(codes.BAD_PARAMETER)
        if account is None:
            raise Refusal(codes.NO_PLAN)
        if account.pwd is not None and params.get("Pwd") != account.pwd:
            raise Refusal(codes.BAD_PWD)
        if STATUS_CODES[account.status] != codes.OK:
            raise Refusal(STATUS_CODES[account.status])
        if not endpoint.belongs_to(account.plan):
            raise Refusal(codes.NO_PERMISSION)
        if not self._windows.admit(account.key, endpoint.window, endpoint.limit(account)):
            raise Refusal(codes.TOO_MANY_CALLS)
        return endpoint.operation(Call(self._vendor, self._windows, account, params, drop))
