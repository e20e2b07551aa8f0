# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of a control node that manages exclusive-occupancy resources, in this process."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.monopolies import Monopolies
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    UncertainOutcomeError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.change import (
    MonopolyResult,
    hold,
    redial,
    release_held,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.journal import MONOPOLIES, Journal
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.matching import Desired
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Store
from support.in_process import InProcess, Vendor, client
from support.monopoly_calls import HOURS, IDLE, START


def occupancy(channels: int = 10, **options: Any) -> Vendor:
    """Return a vendor with a key for exclusive occupancy."""
    core = Vendor(START, kind="exclusive_occupancy", channels=channels)
    core.configure(options={"dial_seconds": 4, "queue_seconds": 2, **options})
    return core


class MonopolyNode:
    """A control node. Each run has a client of its own, and all share the state directory and the transport."""

    def __init__(self, core: Vendor, directory: Path) -> None:
        self.core = core
        self.directory = directory
        self.wire = InProcess(core)
        #: A store that is used in place of the one in the directory.
        self.store: Store | None = None

    def other(self) -> MonopolyNode:
        """Return a control node that knows nothing of this one."""
        return MonopolyNode(self.core, self.directory / "other")

    def api(self, max_wait: float = 300.0, on_wait: Callable[[str], None] | None = None) -> Monopolies:
        """Return a client, as each run has one."""
        return Monopolies(client(self.core, self.directory, max_wait, self.wire, on_wait, self.store).caller)

    def hold(self, count: int, *, wait: bool = True, check: bool = False, **options: Any) -> MonopolyResult:
        """Ensure a number of resources, with options of :meth:`api` and of what is desired."""
        client_options = {name: options.pop(name) for name in ("max_wait", "on_wait") if name in options}
        area = options.pop("area_code", None)
        terms = AllocationParams(areas=(area,) if area else (), isp=options.pop("isp", None))
        return hold(self.api(**client_options), Desired(count, terms, **options), wait=wait, check=check)

    def hold_old(self, count: int) -> list[str]:
        """Hold resources that are old enough to be released, and return their names."""
        uuids = self.hold(count).applied
        self.core.clock.advance(13 * HOURS)
        return uuids

    def ready(self, count: int = 2) -> list[str]:
        """Hold resources that can be redialed at once, and return their names."""
        uuids = succeeded(self.hold(count)).applied
        self.core.clock.advance(60)
        self.core.journal.clear()
        return uuids

    def redial(
        self, uuids: Collection[str] | None = None, *, wait: bool = True, check: bool = False, **options: Any
    ) -> MonopolyResult:
        """Redial these resources, or all, with options of :meth:`api`."""
        return redial(self.api(**options), uuids, wait=wait, check=check)

    def release(self, uuids: Collection[str] | None = None, *, check: bool = False) -> MonopolyResult:
        """Release these resources, or all."""
        return release_held(self.api(), uuids, check=check)

    @property
    def uuids(self) -> list[str]:
        """What the key holds."""
        return self.core.uuids

    def sent(self, call: str) -> list[dict[str, Any]]:
        """Return the journal's entries for a call."""
        method, path = call.split()
        return [entry for entry in self.core.journal.select(path) if entry["method"] == method]

    def writes(self) -> list[str]:
        """Return the methods of the writing calls so far."""
        return [record.method for record in self.core.journal if record.method != "GET"]

    def unresolved(self) -> int:
        """How many applications are recorded whose result is not known."""
        api = self.api()
        return sum(
            call.buys > 0 for call in Journal(api.caller.rate_limiter.state, api.caller.key_digest, MONOPOLIES).open()
        )

    def offline(self, *uuids: str) -> None:
        """Cut these resources off."""
        self.core.configure(offline=list(uuids))

    def list_lag(self, seconds: float) -> None:
        """Let the list be as old as this."""
        self.core.configure(options={"list_lag": seconds})

    def hide_stock(self) -> None:
        """Let the idle stock name no area."""
        self.core.fault(IDLE, "replace", body={"data": []}, times=-1)


def message(outcome: MonopolyResult) -> str:
    """Return the message of a run that failed."""
    assert outcome.error is not None
    assert "\n" not in outcome.error.message
    assert "  " not in outcome.error.message
    return outcome.error.message


def uncertain(outcome: MonopolyResult) -> str:
    """Return the message of a run that could not find out what a call did."""
    assert isinstance(outcome.error, UncertainOutcomeError)
    return message(outcome)


def succeeded(outcome: MonopolyResult) -> MonopolyResult:
    """Return the outcome of a run that did not fail."""
    assert outcome.error is None, outcome.error.message
    return outcome
