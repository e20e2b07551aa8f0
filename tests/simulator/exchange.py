# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two desks of the vendor, for keys and for accounts: each knows its callers, its checks and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from .account.agents import Agent
from .classic.keys import Account
from .classic.options import Options
from .classic.responses import Reply
from .control.faults import Fault
from .control.journal import Entry


@dataclass
class Taken:
    """A call in the journal, and the key or the agent that it names, where there is one."""

    entry: Entry
    account: Account | None = None
    agent: Agent | None = None
    options: Options = field(default_factory=Options)
    """Those of the key."""


class Desk(Protocol):
    caller: str
    """The parameter that says who calls."""

    def receive(self, entry: Entry) -> Taken:
        """Find the caller of a call."""

    def perform(self, taken: Taken, fault: Fault | None) -> Reply | None:
        """Carry a call out and answer it; nothing where it takes no such method."""

    def refuse(self, taken: Taken, fault: Fault) -> Reply:
        """Answer with the code of a fault."""


def name_of(params: Mapping[str, str], caller: str) -> tuple[str | None, dict[str, str]]:
    """Who calls, and the other parameters."""
    return params.get(caller), {name: value for name, value in params.items() if name != caller}
