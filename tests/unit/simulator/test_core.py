# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core, without the network."""

from __future__ import annotations

from typing import Any

import pytest
from simulator.clock import Clock
from simulator.core import ConnectionLost, Core

KEY = {"Key": "QGDEMO01"}
START = 1893456000.0


@pytest.fixture
def core() -> Core:
    return Core(clock=Clock(START), seed=1)


def leased_addresses(core: Core) -> list[str]:
    return [lease.ip for lease in core.keys["QGDEMO01"].holdings.leases]


def get(core: Core, path: str, **params: str) -> Any:
    return core.handle("GET", path, {**KEY, **params})


def test_the_core_handles_calls_of_all_methods_and_paths(core: Core) -> None:
    status, body = get(core, "/allocate", Num="2")
    assert (status, body["Code"], body["Data"][0]["deadline"]) == (200, 0, "2030-01-02 08:00:00")
    assert get(core, "/info/quota")[1]["Used"] == 2
    assert core.handle("POST", "/release", {**KEY, "IP": "*"}) == (200, {"Code": 0})
    assert core.handle("PUT", "/release", KEY) == (405, None)
    assert get(core, "/nothing") == (404, None)
    assert [entry["http_status"] for entry in core.journal.select()] == [200, 200, 200, 405, 404]


def test_a_seed_makes_all_responses_reproducible() -> None:
    stories = []
    for _story in range(2):
        core = Core(clock=Clock(START), seed=7)
        story = [get(core, "/allocate", Num="3"), get(core, "/replace"), get(core, "/query")]
        core.reset()
        again = [get(core, "/allocate", Num="3"), get(core, "/replace"), get(core, "/query")]
        stories.append(story)
        for one, two in zip(story, again, strict=True):
            assert one[1].get("TaskID") == two[1].get("TaskID")
    assert stories[0] == stories[1]


@pytest.mark.parametrize(("kind", "executed"), [("refuse", False), ("reset_before", False), ("reset_after", True)])
def test_a_connection_fault_raises_an_error(core: Core, kind: str, executed: bool) -> None:
    core.faults.append({"path": "/allocate", "kind": kind})
    with pytest.raises(ConnectionLost) as lost:
        get(core, "/allocate")
    assert lost.value.executed is executed
    assert len(leased_addresses(core)) == executed
    entry = core.journal.select()[0]
    assert (entry["fault"], entry["executed"], entry["http_status"]) == (kind, executed, None)


def test_a_delay_fault_advances_the_clock(core: Core) -> None:
    core.faults.append([{"path": "/query", "kind": kind, "seconds": 5} for kind in ("delay", "hang_after")])
    assert get(core, "/query")[1]["Code"] == get(core, "/query")[1]["Code"] == 0
    assert core.clock.now() == START + 10


def test_an_allocation_without_a_port_opens_no_lease(core: Core) -> None:
    class FailingPorts:
        host = "127.0.0.1"
        has_loopback = False
        opened = 0

        def open(self, key: str, lease: object) -> int:
            self.opened += 1
            if self.opened == 2:
                raise OSError("too many")
            return self.opened

        def close(self, lease: object) -> None:
            self.opened -= 1

    core.keys.lease_service.ports = ports = FailingPorts()
    assert get(core, "/allocate", Num="3")[1]["Code"] == -104
    assert (leased_addresses(core), ports.opened) == ([], 1)
    assert get(core, "/info/quota")[1]["Used"] == 0
    ports.opened = 0
    get(core, "/allocate")
    assert get(core, "/replace", Num="3")[1]["Code"] == -104
    assert (leased_addresses(core), core.journal.select("/replace")[0]["executed"]) == ([], True)
