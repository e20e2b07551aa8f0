# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of plan, and the fields of a plan."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator

Call = Callable[..., Any]


DAY = 86400


@pytest.fixture(autouse=True)
def without_proxies(sim: Simulator) -> None:
    sim.configure(options={"lease_proxies": False})


def test_a_plan_by_volume_has_a_balance(sim: Simulator, call: Call) -> None:
    sim.configure(plan={"billing": "volume", "balance": 8, "channels": 1})
    assert call("/allocate", Num="6")["Num"] == 6
    assert call("/info/quota") == {"Code": 0, "Total": 8, "Available": 2, "Used": 6}
    assert call("/allocate", Num="3")["Code"] == -105
    sim.fault(path="/allocate", kind="reset_after")
    with pytest.raises(requests.ConnectionError):
        call("/allocate", Num="2")
    state = sim.state()["keys"][sim.key]
    assert (state["plan"]["balance"], len(state["paid"]), len(state["leases"])) == (0, 8, 8)
    assert {item["task_id"] for item in state["paid"]} == {lease["task_id"] for lease in state["leases"]}
    sim.advance(2 * DAY)
    state = sim.state()["keys"][sim.key]
    assert (len(state["paid"]), state["leases"]) == (8, [])
    sim.configure(options={"volume_quota": "refuse"})
    assert call("/info/quota")["Code"] == -15


def test_a_dynamic_shared_plan_has_no_release(sim: Simulator, call: Call) -> None:
    sim.configure(plan={"kind": "dynamic_shared", "lifetime": 3})
    assert call("/allocate", Num="2", KeepAlive="60")["Num"] == 2
    for path in ("/release", "/replace"):
        assert call(path, IP="*")["Code"] == -15
    sim.advance(150)
    assert call("/info/quota")["Used"] == 2
    sim.advance(30)
    assert (call("/info/quota")["Used"], call("/query")["TotalNum"]) == (0, 0)


def test_extract_returns_pool_addresses(sim: Simulator, call: Call, http: requests.Session) -> None:
    assert call("/extract")["Code"] == -15
    sim.configure(plan={"kind": "dynamic_shared", "lifetime": 3})
    one = call("/extract", Num="4", Detail="1")
    assert (list(one), one["Num"], len(one["TaskID"])) == (["Code", "Data", "Num", "TaskID"], 4, 16)
    assert set(one["Data"][0]) == {"IP", "port", "deadline", "host", "region"}
    # The pool stays until its addresses end, and takes no channel.
    assert call("/extract", Num="4", Detail="1")["Data"] == one["Data"]
    assert (call("/info/quota")["Used"], call("/query")["TotalNum"]) == (0, 0)
    assert (
        call("/extract", Num="3", AreaId="440100", ISP="2", Pool="2", Detail="1")["Data"][0]["region"]
        == "广东省广州市移动"
    )
    assert call("/extract", AreaId="1")["Code"] == -103
    for wrong in ({"Num": "x"}, {"Pool": "3"}, {"ISP": "x"}):
        assert call("/extract", **wrong)["Code"] == -10
    assert http.post(f"{sim.api_url}/extract", data={"Key": sim.key}, timeout=10).status_code == 405
    sim.advance(180)
    fresh = call("/extract", Num="4")["Data"]
    assert {item["IP"] for item in fresh}.isdisjoint(item["IP"] for item in one["Data"])
    sim.configure(plan={"billing": "volume"})
    assert call("/extract")["Code"] == -15


def test_a_static_dedicated_plan_limits_releases_per_week(sim: Simulator, call: Call) -> None:
    sim.configure(plan={"kind": "static_dedicated"})
    held = [item["IP"] for item in call("/allocate", Num="4")["Data"]]
    assert call("/replace")["Code"] == -15
    assert call("/release", IP=held[0])["Code"] == -105
    sim.advance(DAY - 10)
    assert call("/release", IP=held[0])["Code"] == -105
    sim.advance(11)
    assert call("/release", IP=held[0])["Code"] == 0
    assert call("/release", IP=f"{held[1]},{held[2]}")["Code"] == -105
    assert call("/release", IP=held[1])["Code"] == 0
    assert call("/release", IP=held[2])["Code"] == -105
    sim.advance(7 * DAY)
    assert call("/release", IP=held[2])["Code"] == 0
    assert [lease["ip"] for lease in sim.leases()] == held[3:]


def test_exclusive_occupancy_has_no_leases(sim: Simulator, call: Call) -> None:
    sim.configure(plan={"kind": "exclusive_occupancy"})
    for path in ("/allocate", "/query", "/release", "/replace", "/extract"):
        assert call(path)["Code"] == -15
    assert call("/info/quota") == {"Code": 0, "Total": 5, "Available": 5, "Used": 0}
    assert call("/whitelist/query")["Code"] == 0
    assert call("/resources")["Code"] == 0


def test_an_allocation_without_exit_addresses_is_refused(sim: Simulator, call: Call) -> None:
    sim.configure(
        plan={"channels": 1000, "stock": {"areas": [{"area_id": 1, "area": "甲", "isp": 1, "available": 999}]}}
    )
    codes = [call("/allocate", Num="100")["Code"] for repeat in range(6)]
    assert codes == [0, 0, 0, 0, 0, -103]


@pytest.mark.parametrize(
    "plan",
    [
        *([], {"kind": "x"}, {"billing": 1}, {"channels": -1}, {"lifetime": 0}, {"enterprise_pool": 1}),
        *({"free_delay": -1}, {"colour": 1}, {"stock": []}, {"stock": {"areas": {}}}, {"stock": {"areas": [{}]}}),
        {"stock": {"areas": [{"area_id": 1, "area": "甲", "isp": 5, "available": 1}]}},
    ],
)
def test_an_invalid_plan_is_refused(sim: Simulator, http: requests.Session, plan: object) -> None:
    before = sim.state()
    answer = http.put(f"{sim.control_url}/keys/{sim.key}", json={"plan": plan, "used": 3}, timeout=10)
    assert answer.status_code == 400
    assert sim.state()["keys"] == before["keys"]


@pytest.mark.parametrize(
    "values",
    [
        *({}, {"advance": -1}, {"advance": "1"}, {"advance": 1e300}, {"back": 1}, {"running": 0}, {"running": None}),
        *({"running": True, "back": 1}, []),
    ],
)
def test_an_invalid_clock_call_is_refused(sim: Simulator, http: requests.Session, values: object) -> None:
    assert http.put(f"{sim.control_url}/clock", json=values, timeout=10).status_code == 400


def test_a_stopped_clock_changes_only_when_it_is_advanced(sim: Simulator) -> None:
    sim.hold_clock()
    held = sim.control("GET", "/clock")
    time.sleep(0.05)
    assert sim.control("GET", "/clock") == {**held, "running": False}
    sim.hold_clock()
    assert sim.control("PUT", "/clock", {"advance": 60})["now"] == held["now"] + 60
    sim.hold_clock(False)
    on = sim.control("GET", "/clock")
    assert on["running"] is True
    # It runs on from where it stood, not from where it would be by now.
    assert held["now"] + 60 <= on["now"] < held["now"] + 70
    time.sleep(0.05)
    assert sim.control("GET", "/clock")["now"] > on["now"]
    sim.hold_clock()
    sim.reset()
    assert sim.control("GET", "/clock")["running"] is True
