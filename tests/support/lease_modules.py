# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the modules for leases share: a key, the operations on it, and the vendor's books beside it."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from ansible_collections.qingguo.qgnet.plugins.module_utils._api import caller
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases import operations, pool
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal_rows import JournalRow
from simulator.fixture import Simulator
from support.playbooks import Result, assert_one_sentence, calls, operate

ALLOCATE, RELEASE, REPLACE = "/allocate", "/release", "/replace"
LIST, POOL, AREAS = "/query", "/extract", "/resources"
WRITES = (ALLOCATE, RELEASE, REPLACE)
#: The operations, by what the tests call them.
OPERATIONS = {
    "allocate": operations.ALLOCATE,
    "release": operations.RELEASE,
    "replace": operations.REPLACE,
    "info": operations.INFO,
    "pool": pool.POOL_INFO,
    "areas": pool.AREA_INFO,
    "quota": pool.QUOTA_INFO,
}
#: Waits of this process that are shorter than those of users, in seconds.
BRIEF_WAITS: dict[str, Any] = {
    "verify_delays": (0.0, 0.05, 0.05),
    "lag_delays": (0.0, 0.05, 0.1, 0.1),
    "channel_poll_interval": 0.2,
    "poll_interval": 0.1,
}
#: Seconds after which a call of an earlier run can no longer be under way.
SETTLED_AFTER = 0.3
#: The command that a message names if the outcome is unknown.
LOOK = "ansible localhost -m qingguo.qgnet.qg_proxy_info"
#: An address and its task: what distinguishes one paid lease from every other.
Paid = tuple[str, str]


def named(leases: list[dict[str, Any]]) -> set[Paid]:
    """The leases of a result, or of the simulator's books."""
    return {(lease["ip"], lease["task_id"]) for lease in leases}


@dataclass(frozen=True)
class Books:
    """What a key has ever been given, and what it holds, by the vendor."""

    paid: set[Paid]
    held: set[Paid]


@dataclass
class LeaseScenario:
    """One key: the operations on it, and what the vendor knows of it."""

    sim: Simulator
    options: dict[str, Any]
    start: Books = field(default_factory=lambda: Books(set(), set()))

    def __call__(self, name: str, *, check: bool = False, diff: bool = False, **changes: Any) -> Result:
        """Run an operation in this process."""
        count = {"count": 1} if name == "allocate" else {}
        return operate(OPERATIONS[name], {**self.options, **count, **changes}, check=check, diff=diff)

    def ok(self, name: str, **options: Any) -> Result:
        """The result of a success."""
        result = self(name, **options)
        assert "failed" not in result, result["msg"]
        return result

    def reached(self, name: str, **options: Any) -> Result:
        """The result of a success that agrees with the vendor's books since the start."""
        result = self.ok(name, **options)
        self.assert_reported(result)
        return result

    def stopped(self, name: str, **options: Any) -> Result:
        """The result of a failure that agrees with the vendor's books since the start."""
        result = self(name, **options)
        assert result["failed"] is True
        self.assert_reported(result)
        return result

    def get(self, path: str, **parameters: Any) -> Any:
        """Make a call past the collection, as another client does."""
        query = {"Key": self.sim.key, **parameters}
        return requests.get(self.sim.api_url + path, params=query, timeout=5).json()

    def books(self) -> Books:
        state = self.sim.state()["keys"][self.sim.key]
        return Books(named(state["paid"]), named(state["leases"]))

    def hold(self, *numbers: int, **parameters: Any) -> list[dict[str, Any]]:
        """Lease past the collection, one task for each number, so that only the vendor has a record of it."""
        for number in numbers:
            answer = self.get(ALLOCATE, Num=number, **parameters)
            assert answer["Code"] == 0, answer
        self.begin()
        return self.sim.leases()

    def save_channels(self) -> None:
        """Let the client know how many channels the plan has, as a task that reads the quota does."""
        self.ok("quota")

    def begin(self) -> None:
        """From here on it counts: an empty journal, and the books as they are."""
        self.sim.control("DELETE", "/journal")
        self.sim.control("DELETE", "/windows")
        self.start = self.books()

    def writes(self) -> list[str]:
        """The paths of the writing calls since then."""
        return calls(self.sim, *WRITES)

    def in_sync(self) -> None:
        """Wait until the vendor has carried out every call, also those that no run waits for any more."""
        give_up = time.monotonic() + 10
        while any(call["fault"] == "delay" and not call["executed"] for call in self.sim.journal()):
            assert time.monotonic() < give_up, "a delayed call is still not carried out"
            time.sleep(0.05)

    def assert_untouched(self) -> None:
        """Nothing was leased, and nothing released."""
        assert self.books() == self.start

    def assert_reported(self, result: Result) -> None:
        """The result agrees with the books: it names what was leased and released, or reports it as unknown."""
        self.in_sync()
        now = self.books()
        fresh, gone = now.paid - self.start.paid, self.start.held - now.held
        reported, released = named(result.get("allocated", [])), named(result.get("released", []))
        if "failed" in result:
            assert_one_sentence(result["msg"])
        if "is unknown" in result.get("msg", ""):
            assert LOOK in result["msg"]
            assert reported <= fresh
            assert released <= gone
        else:
            assert reported == fresh, (reported, fresh, result.get("msg"))
            assert released == gone, (released, gone, result.get("msg"))
            assert result["changed"] is bool(fresh or gone)
        assert result["changed"] or not (reported or released)


def settle_after(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let a call of an earlier run be over so many seconds after it was sent."""
    monkeypatch.setattr(JournalRow, "settles_in", lambda call, now: seconds - call.age(now))


def use_policy(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """Let operations of this process wait, and repeat calls, by a policy with these fields."""
    monkeypatch.setattr(operations, "POLICY", dataclasses.replace(operations.POLICY, **fields))


@pytest.fixture(name="scenario")
def scenario_fixture(
    sim: Simulator, common: dict[str, Any], haste: None, monkeypatch: pytest.MonkeyPatch
) -> LeaseScenario:
    """The session's key, with operations that wait briefly."""
    # The client's own waits between attempts are shortened already; this one is between releases.
    use_policy(monkeypatch, **BRIEF_WAITS, backoff=caller.backoff)
    settle_after(monkeypatch, SETTLED_AFTER)
    return LeaseScenario(sim, {**common, "product": "classic", "max_wait": 60.0})
