# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor itself, without the network: which desk has a call, and what faults do to it.

The HTTP side hands its calls in here. Tests that want many calls and no sockets use ``Core.handle``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .account import agents as agency
from .account import endpoints as services
from .account.agents import Agents
from .account.handler import AccountDesk
from .classic.handler import KeyDesk
from .classic.responses import Reply, code_of, parsed
from .classic.state import Ends, Vendor
from .clock import Clock, http_date
from .control.faults import Fault, FaultPlan
from .control.journal import Entry, Journal
from .exchange import Desk, Taken, name_of
from .rate_limits import Windows
from .routing import PATHS, reads_body


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
    ends: Ends = (("127.0.0.1", 0), ("", 0))
    user_agent: str = ""


class Core:
    def __init__(
        self,
        keys: Iterable[str] = ("QGDEMO01",),
        public: Mapping[str, str] | None = None,
        minute: float = 60.0,
        clock: Clock | None = None,
        seed: int | None = None,
        agents: Iterable[tuple[str, str]] = agency.DEFAULT,
    ) -> None:
        self.clock = Clock() if clock is None else clock
        self.vendor = Vendor(keys, public or {}, self.clock, seed)
        self.agents = Agents(agents)
        self.windows = Windows(minute, self.clock)
        self.faults = FaultPlan()
        self.journal = Journal()
        self.headers: dict[str, str] = {}
        """Those of the last answer of ``handle``."""
        self._key_desk = KeyDesk(self.vendor, self.windows)
        self._account_desk = AccountDesk(self.agents, self.clock)

    def reset(self) -> None:
        self.clock.reset()
        self.vendor.reset()
        self.agents.reset()
        self.windows.clear()
        self.faults.clear()
        self.journal.clear()

    def handle(self, method: str, path: str, params: Mapping[str, str]) -> tuple[int, Any]:
        """One call: its HTTP status, and its answer, which is None where it is no JSON.

        Planned faults meet it as they would on the network, but that no time passes except on the clock.
        """
        self.headers = {}
        fault = self.faults.take(path, method)
        taken = self.take(Received(method, path, params, "body" if reads_body(method, path) else "query"))
        entry = taken.entry
        if path not in PATHS:
            entry.http_status = 404
            return 404, None
        entry.fault = fault.kind if fault else None
        if fault is not None and fault.kind == "delay":
            self.clock.advance(fault.get("seconds"))
        reply = self.respond(taken, fault)
        if fault is not None and not reply.no_method:
            if fault.kind in ("refuse", "reset_before", "reset_after"):
                raise Lost(fault.kind, entry.executed)
            if fault.kind in ("hang_after", "trickle"):
                self.clock.advance(fault.get("seconds"))
            elif fault.kind in ("truncate", "garbage", "status", "redirect"):
                status = {"status": fault.get("http_status"), "redirect": 302}.get(fault.kind, 200)
                reply = Reply(status, parsed(fault.get("body", "")))
        date = self.date(taken)
        self.headers = {} if date is None else {"Date": date}
        if fault is not None:
            self.headers.update(fault.get("headers", {}))
        entry.http_status = reply.status
        return reply.status, reply.body

    def take(self, call: Received) -> Taken:
        """Write a call into the journal, and find its caller."""
        desk = self._desk(call.path)
        key, rest = name_of(call.params, desk.caller)
        entry = Entry(
            seq=self.journal.next_seq(),
            at=self.clock.now(),
            method=call.method,
            path=call.path,
            key=key,
            params=rest,
            param_source=call.origin,
            query_length=call.query_length,
            source=call.ends[0][0],
            public=self.vendor.public_address(call.ends),
            user_agent=call.user_agent,
            ips=rest["IP"].split(",") if rest.get("IP") else [],
        )
        self.journal.append(entry)
        return desk.receive(entry)

    def respond(self, taken: Taken, fault: Fault | None) -> Reply:
        """Carry out a call unless its fault forbids that, and answer it, with those faults that change the JSON."""
        entry, desk = taken.entry, self._desk(taken.entry.path)
        reply = Reply(200, None)
        if fault is None or fault.executes:
            answer = desk.perform(taken, fault)
            if answer is None:
                return Reply(405, None)
            reply = answer
        if fault is not None and fault.kind == "code":
            entry.code = fault.get("code")
            reply = desk.refuse(taken, fault)
            reply.body.update(fault.get("body_extra", {}))
            reply.status = fault.get("http_status", reply.status)
        elif fault is not None and fault.kind == "replace":
            reply = Reply(200, fault.get("body"))
            entry.code = code_of(reply.body)
        return reply

    def date(self, taken: Taken) -> str | None:
        """The Date header of an answer that is sent now."""
        date = taken.agent.options.date if taken.agent else True
        return http_date(self.clock.now()) if date is True else date or None

    def _desk(self, path: str) -> Desk:
        return self._account_desk if services.belongs(path) else self._key_desk
