# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor itself, without the network: the common checks in their order, the operations, the shape of answers.

The HTTP side hands its calls in here. Tests that want many calls and no sockets use ``Core.handle``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import codes
from .accounts import STATUS_CODES, Account
from .calls import Answer, Call
from .clock import Clock
from .codes import Refusal
from .endpoints import PATHS, Endpoint, find
from .faults import Fault, FaultPlan
from .journal import Entry, Journal
from .limits import Windows
from .options import Options
from .shape import Reply, code_of, parsed, refused, shaped
from .vendor import Vendor


class Lost(Exception):
    """The connection broke: no answer came."""

    def __init__(self, fault: str, executed: bool) -> None:
        super().__init__(f"fault {fault}")
        self.executed = executed
        """Whether the call was carried out all the same."""


@dataclass
class Received:
    """A call as it arrived."""

    method: str
    path: str
    params: Mapping[str, str]
    origin: str = "query"
    query_length: int = 0
    source: str = "127.0.0.1"
    port: int = 0
    user_agent: str = ""


@dataclass
class Taken:
    """A call in the journal, and the key that it names."""

    entry: Entry
    account: Account | None
    options: Options = field(default_factory=Options)


class Core:
    def __init__(
        self,
        keys: Iterable[str] = ("QGDEMO01",),
        public: Mapping[str, str] | None = None,
        minute: float = 60.0,
        clock: Clock | None = None,
        seed: int | None = None,
    ) -> None:
        self.clock = Clock() if clock is None else clock
        self.vendor = Vendor(keys, public or {}, self.clock, seed)
        self.windows = Windows(minute, self.clock)
        self.faults = FaultPlan()
        self.journal = Journal()

    def reset(self) -> None:
        self.clock.reset()
        self.vendor.reset()
        self.windows.clear()
        self.faults.clear()
        self.journal.clear()

    def handle(self, method: str, path: str, params: Mapping[str, str]) -> tuple[int, Any]:
        """One call: its HTTP status, and its answer, which is None where it is no JSON.

        Planned faults meet it as they would on the network, but that no time passes except on the clock.
        """
        fault = self.faults.take(path, method)
        taken = self.take(Received(method, path, params, "body" if method == "POST" else "query"))
        entry = taken.entry
        if path not in PATHS:
            entry.http_status = 404
            return 404, None
        entry.fault = fault.kind if fault else None
        if fault is not None and fault.kind == "delay":
            self.clock.advance(fault.get("seconds"))
        reply = self.respond(taken, fault)
        if fault is not None and reply.status != 405:
            if fault.kind in ("refuse", "reset_before", "reset_after"):
                raise Lost(fault.kind, entry.executed)
            if fault.kind in ("hang_after", "trickle"):
                self.clock.advance(fault.get("seconds"))
            elif fault.kind in ("truncate", "garbage", "status", "redirect"):
                status = {"status": fault.get("http_status"), "redirect": 302}.get(fault.kind, 200)
                reply = Reply(status, parsed(fault.get("body", "")))
        entry.http_status = reply.status
        return reply.status, reply.body

    def take(self, call: Received) -> Taken:
        """Write a call into the journal, and find its key."""
        key = call.params.get("Key")
        rest = {name: value for name, value in call.params.items() if name != "Key"}
        entry = Entry(
            seq=self.journal.next_seq(),
            at=self.clock.now(),
            method=call.method,
            path=call.path,
            key=key,
            params=rest,
            param_source=call.origin,
            query_length=call.query_length,
            source=call.source,
            public=self.vendor.public_address(call.source, call.port),
            user_agent=call.user_agent,
            ips=rest["IP"].split(",") if rest.get("IP") else [],
        )
        self.journal.append(entry)
        account = self.vendor.accounts.get(key) if key else None
        return Taken(entry, account, account.options) if account else Taken(entry, None)

    def respond(self, taken: Taken, fault: Fault | None) -> Reply:
        """Carry out a call unless its fault forbids that, and answer it, with those faults that change the JSON."""
        entry, options = taken.entry, taken.options
        reply = Reply(200, None)
        rest = any(endpoint.rest for endpoint in PATHS[entry.path])
        if fault is None or fault.executes:
            endpoint = find(entry.method, entry.path)
            if endpoint is None or (entry.method == "POST" and options.post == "refuse" and not rest):
                return Reply(405, None)
            reply = self._perform(endpoint, taken, fault)
        if fault is not None and fault.kind == "code":
            code = entry.code = fault.get("code")
            message = fault.get("msg", codes.MESSAGES.get(code, ""))
            reply = refused(code, message, options.msg or "msg" in fault.fields, rest)
            reply.body.update(fault.get("body_extra", {}))
            reply.status = fault.get("http_status", reply.status)
        elif fault is not None and fault.kind == "replace":
            reply = Reply(200, fault.get("body"))
            entry.code = code_of(reply.body)
        return reply

    def _perform(self, endpoint: Endpoint, taken: Taken, fault: Fault | None) -> Reply:
        self.vendor.settle()
        entry, options = taken.entry, taken.options
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
        return shaped(reply, options, fault.kind if fault else None)

    def _answer(self, endpoint: Endpoint, taken: Taken, drop: int) -> Answer:
        """The common checks in the vendor's order, then the operation."""
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
        if not self.windows.admit(account.key, endpoint.window, endpoint.limit(account)):
            raise Refusal(codes.TOO_MANY_CALLS)
        return endpoint.operation(Call(self.vendor, self.windows, account, params, drop))
