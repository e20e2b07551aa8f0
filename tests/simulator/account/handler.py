# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account API's desk: the signature, then the operation. Nobody documents a limit, so there is none."""

from __future__ import annotations

from ..classic.responses import Reply
from ..clock import Clock
from ..control.faults import Fault
from ..control.journal import Entry
from ..exchange import Taken
from .agents import Agents
from .endpoints import PATHS
from .envelope import answered, declined, failed, request_id
from .errors import KINDS, Declined
from .options import AgentOptions
from .request import Inquiry
from .signature import verify


class AccountDesk:
    caller = "appid"

    def __init__(self, agents: Agents, clock: Clock) -> None:
        self._agents = agents
        self._clock = clock

    def receive(self, entry: Entry) -> Taken:
        return Taken(entry, agent=self._agents.by_appid.get(entry.key or ""))

    def perform(self, taken: Taken, fault: Fault | None) -> Reply | None:
        entry, options = taken.entry, self._options(taken)
        service = PATHS[entry.path][0]
        if entry.method not in service.methods or (entry.method == "POST" and options.post == "refuse"):
            return None
        params = {**entry.params, self.caller: entry.key or ""}
        identity = request_id(entry.seq)
        try:
            found = service.operation(Inquiry(verify(taken.agent, params, self._clock.now()), params))
        except Declined as refusal:
            entry.refusal = refusal.kind
            reply = declined(service, refusal.kind, refusal.text, options, identity)
        else:
            entry.executed = True
            reply = answered(service, found, options, identity, fault.kind if fault else None)
        entry.code = reply.body.get("Code")
        entry.request_id = reply.body.get("RequestId")
        return reply

    def refuse(self, taken: Taken, fault: Fault) -> Reply:
        entry, options = taken.entry, self._options(taken)
        text = fault.get("msg", KINDS["planned"][1])
        reply = failed(PATHS[entry.path][0], fault.get("code"), text, options, request_id(entry.seq))
        entry.request_id = reply.body.get("RequestId")
        return reply

    @staticmethod
    def _options(taken: Taken) -> AgentOptions:
        return taken.agent.options if taken.agent else AgentOptions()
