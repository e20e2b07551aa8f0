# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases of a dynamic dedicated plan: allocate, query, replace, release."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.parameters import spread

Call = Callable[..., Any]


@pytest.fixture(autouse=True)
def without_proxies(sim: Simulator) -> None:
    sim.configure(options={"lease_proxies": False, "release_answer": "list"})


def ips(answer: Any) -> list[str]:
    return [item["IP"] for item in answer["Data"]]


def quota(call: Call) -> tuple[int, int, int]:
    answer = call("/info/quota")
    return answer["Total"], answer["Available"], answer["Used"]


def test_allocate_returns_leases_and_uses_channels(sim: Simulator, call: Call) -> None:
    answer = call("/allocate", Num="2")
    assert list(answer) == ["Code", "Data", "Num", "TaskID"]
    assert (answer["Code"], answer["Num"], len(answer["TaskID"])) == (0, 2, 16)
    assert answer["TaskID"].isalnum()
    first, second = answer["Data"]
    assert set(first) == {"IP", "port", "deadline", "host"}
    assert first["IP"] != second["IP"]
    assert first["port"].isdigit()
    assert first["host"] == f"{first['IP']}:{first['port']}"
    assert quota(call) == (5, 3, 2)
    lease = sim.leases()[0]
    assert (lease["ip"], lease["task_id"], lease["deadline"]) == (first["IP"], answer["TaskID"], first["deadline"])
    assert [item["ip"] for item in sim.state()["keys"][sim.key]["paid"]] == ips(answer)


def test_allocate_applies_area_provider_and_lifetime(sim: Simulator, call: Call) -> None:
    for name in ("Isp", "ISP"):
        answer = call("/allocate", AreaId="440100", Detail="1", KeepAlive="5", **{name: "2"})
        assert answer["Data"][0]["region"] == "广东省广州市移动"
    call("/allocate")
    now = sim.control("GET", "/clock")["now"]
    assert 290 < sim.leases()[0]["ends"] - now <= 300
    assert 1439 * 60 < sim.leases()[2]["ends"] - now <= 1440 * 60 + 1
    # A deadline is in Beijing time.
    deadline = datetime.fromisoformat(answer["Data"][0]["deadline"] + "+08:00")
    assert deadline.timestamp() == sim.leases()[1]["ends"]


@pytest.mark.parametrize(
    "params",
    [
        *({"Num": "101"}, {"Num": "-1"}, {"Num": "x"}, {"Num": "1.0"}, {"KeepAlive": "x"}, {"AreaId": "x"}),
        *({"Isp": "5"}, {"Detail": "2"}, {"Distinct": "yes"}),
    ],
)
@pytest.mark.parametrize("path", ["/allocate", "/replace"])
def test_invalid_parameters_are_refused(sim: Simulator, call: Call, path: str, params: dict[str, str]) -> None:
    assert call(path, **params)["Code"] == -10
    assert sim.leases() == []


def test_an_allocation_beyond_the_plan_or_the_free_channels_is_refused(sim: Simulator, call: Call) -> None:
    assert call("/allocate", Num="6")["Code"] == -101
    assert call("/allocate", Num="4")["Code"] == 0
    assert call("/allocate", Num="2")["Code"] == -102
    assert call("/allocate")["Code"] == 0
    sim.configure(used=3)
    call("/release", IP="*")
    assert call("/allocate", Num="3")["Code"] == -102
    assert quota(call) == (5, 2, 3)


def test_an_allocation_without_stock_is_refused(sim: Simulator, call: Call) -> None:
    rows = [
        {"area_id": 1, "area": "甲", "isp": 1, "available": 1},
        {"area_id": 1, "area": "甲", "isp": 4, "available": 1},
    ]
    sim.configure(plan={"stock": {"areas": rows}})
    assert call("/allocate", Num="2", Isp="1")["Code"] == -103
    assert call("/allocate", AreaId="2")["Code"] == -103
    assert call("/allocate", Isp="4", Detail="1")["Data"][0]["region"] == "甲BGP"
    assert call("/allocate", Isp="4")["Code"] == -103
    sim.configure(options={"short_stock": "partial"})
    assert call("/allocate", Num="2")["Num"] == 1
    # What is given back is stock again.
    call("/release", IP="*")
    sim.configure(options={"short_stock": "refuse"})
    assert call("/allocate", Num="2")["Num"] == 2


def test_freed_addresses_are_reused_first_or_last(sim: Simulator, call: Call) -> None:
    (one,) = ips(call("/allocate"))
    call("/release", IP=one)
    (two,) = ips(call("/allocate"))
    assert two != one
    call("/release", IP=two)
    sim.configure(options={"address_reuse": "first"})
    assert ips(call("/allocate")) == [two]
    call("/release", IP=two)
    assert ips(call("/allocate", Distinct="1"))[0] not in (one, two)


def test_query_groups_leases_by_task(sim: Simulator, call: Call) -> None:
    assert call("/query") == {"Code": 0, "TaskNum": 0, "TotalNum": 0}
    one, two = call("/allocate", Num="2"), call("/allocate")
    answer = call("/query")
    assert (answer["TaskNum"], answer["TotalNum"]) == (2, 3)
    assert answer["TaskList"][0] == {"TaskID": one["TaskID"], "Num": 2, "Data": one["Data"]}
    assert call("/query", TaskID="*") == answer
    only = call("/query", TaskID=f"{two['TaskID']},unknown", Detail="1")
    assert (only["TaskNum"], only["TotalNum"]) == (1, 1)
    assert only["TaskList"][0]["Data"][0]["region"]
    assert "TaskList" not in call("/query", TaskID="unknown")
    assert call("/query", TaskID="") == call("/query", TaskID="* ") == answer
    call("/release", IP="*")
    sim.configure(options={"empty_tasks": "null"})
    assert call("/query")["TaskList"] is None
    sim.configure(options={"empty_tasks": "list"})
    assert call("/query")["TaskList"] == []


def test_a_lease_ends_at_its_deadline(sim: Simulator, call: Call) -> None:
    call("/allocate", KeepAlive="1")
    call("/allocate", KeepAlive="2")
    sim.advance(60)
    assert (quota(call), call("/query")["TotalNum"]) == ((5, 4, 1), 1)
    sim.advance(60)
    assert (sim.leases(), quota(call)) == ([], (5, 5, 0))
    assert len(sim.state()["keys"][sim.key]["paid"]) == 2


def test_release_selects_leases_by_address_or_task(sim: Simulator, call: Call) -> None:
    sim.configure(plan={"channels": 20})
    one, two, three = (call("/allocate", Num="2") for repeat in range(3))
    first, second = ips(one)
    assert call("/release", IP=first) == {"Code": 0, "Num": 1, "Data": [first]}
    assert call("/release", IP=f"{second},{ips(two)[0]}")["Num"] == 2
    assert call("/release", TaskID=f"{two['TaskID']},{three['TaskID']}")["Num"] == 3
    assert sim.leases() == []
    for name in ("IP", "TaskID"):
        call("/allocate", Num="3")
        assert call("/release", **{name: "*"})["Num"] == 3
        assert call("/release", **{name: "*"}) == {"Code": 0, "Num": 0, "Data": []}


@pytest.mark.parametrize(
    "params",
    [
        *({}, {"IP": "*", "TaskID": "*"}, {"IP": ""}, {"IP": "198.51.100.2:20000"}, {"IP": "*,*"}),
        *({"IP": "", "TaskID": ""}, {"TaskID": ""}, {"TaskID": "a,,b"}),
    ],
)
def test_an_invalid_release_is_refused(sim: Simulator, call: Call, params: dict[str, str]) -> None:
    call("/allocate")
    assert call("/release", **params)["Code"] == -10
    assert len(sim.leases()) == 1


def test_a_release_of_absent_leases_returns_zero_or_an_error(sim: Simulator, call: Call) -> None:
    (held,) = ips(call("/allocate"))
    assert call("/release", IP="198.51.100.200")["Num"] == 0
    assert call("/release", TaskID="unknown") == {"Code": 0, "Num": 0, "Data": []}
    sim.configure(options={"absent_release": "error"})
    assert call("/release", IP=f"{held},198.51.100.200")["Code"] == -10
    assert call("/release", TaskID="unknown")["Code"] == -10
    assert len(sim.leases()) == 1
    sim.configure(options={"release_answer": "code"})
    assert call("/release", IP=held) == {"Code": 0}


def test_a_dynamic_dedicated_plan_releases_twice_its_channels_per_minute(sim: Simulator, call: Call) -> None:
    sim.configure(plan={"channels": 2})
    for _round in range(2):
        call("/allocate", Num="2")
        assert call("/release", IP="*")["Num"] == 2
    (held,) = ips(call("/allocate"))
    assert call("/release", IP=held)["Code"] == -105
    # Nothing to release is no release.
    assert call("/release", IP="198.51.100.200")["Code"] == 0
    assert [lease["ip"] for lease in sim.leases()] == [held]
    sim.advance(60)
    assert call("/release", IP=held)["Code"] == 0


def test_a_release_beyond_the_limit_releases_nothing(sim: Simulator, call: Call) -> None:
    sim.configure(plan={"channels": 3})
    call("/allocate", Num="3")
    sim.configure(plan={"channels": 1})
    assert call("/release", IP="*")["Code"] == -105
    assert len(sim.leases()) == 3


def test_a_channel_becomes_free_after_the_delay(sim: Simulator, call: Call) -> None:
    sim.configure(plan={"free_delay": 30, "channels": 2})
    call("/allocate", Num="2")
    call("/release", IP="*")
    assert (sim.leases(), quota(call)) == ([], (2, 0, 2))
    assert call("/allocate")["Code"] == -102
    sim.advance(29)
    assert call("/allocate")["Code"] == -102
    sim.advance(1)
    assert call("/allocate", KeepAlive="1")["Code"] == 0
    # A lease that ends by itself leaves its channel at once.
    sim.advance(60)
    assert quota(call) == (2, 2, 0)


def test_replace_releases_the_oldest_leases(sim: Simulator, call: Call) -> None:
    sim.configure(plan={"free_delay": 30})
    one, two = ips(call("/allocate", Num="2")), ips(call("/allocate", Num="3"))
    answer = call("/replace", Num="2", Detail="1")
    assert (list(answer), answer["Num"]) == (["Code", "Data", "Num", "TaskID"], 2)
    assert set(ips(answer)).isdisjoint(one + two)
    assert [lease["ip"] for lease in sim.leases()] == two + ips(answer)
    assert quota(call) == (5, 0, 5)
    assert len(sim.state()["keys"][sim.key]["paid"]) == 7


def test_replace_can_release_random_leases(sim: Simulator, call: Call) -> None:
    sim.configure(plan={"channels": 50}, options={"replace_order": "random"})
    held = ips(call("/allocate", Num="50"))
    call("/replace", Num="10")
    left = {lease["ip"] for lease in sim.leases()}
    assert len(left) == 50
    assert not left.issuperset(held[10:])


def test_replace_of_more_leases_than_exist_allocates_the_rest(sim: Simulator, call: Call) -> None:
    call("/allocate")
    assert call("/replace", Num="6")["Code"] == -101
    assert call("/replace", Num="3")["Num"] == 3
    sim.configure(used=1)
    assert call("/replace", Num="4")["Num"] == 4
    sim.configure(used=2)
    assert call("/replace", Num="5")["Code"] == -102
    assert len(sim.leases()) == 4


def test_a_failed_replace_keeps_or_drops_the_old_leases(sim: Simulator, call: Call) -> None:
    held = ips(call("/allocate", Num="2"))
    assert call("/replace", AreaId="9")["Code"] == -103
    assert [lease["ip"] for lease in sim.leases()] == held
    sim.configure(options={"replace_failure": "drop"})
    assert call("/replace", AreaId="9")["Code"] == -103
    assert [lease["ip"] for lease in sim.leases()] == held[1:]
    assert [entry["executed"] for entry in sim.journal("/replace")] == [False, True]


def test_replace_counts_the_old_leases_as_stock(sim: Simulator, call: Call) -> None:
    sim.configure(plan={"stock": {"areas": [{"area_id": 1, "area": "甲", "isp": 1, "available": 1}]}})
    held = ips(call("/allocate"))
    assert call("/allocate")["Code"] == -103
    answer = call("/replace")
    assert answer["Code"] == 0
    assert ips(answer) != held


KEY_CHECKS = [
    *(({"status": "blocked"}, -12), ({"status": "unauthorised"}, -13), ({"status": "no_permission"}, -15)),
    *(({"status": "expired"}, -100), ({"api_auth": True}, -14)),
]


@pytest.mark.parametrize(
    ("path", "check"), spread(["/allocate", "/replace", "/release", "/query", "/resources"], KEY_CHECKS)
)
def test_the_key_is_checked_before_the_operation(
    sim: Simulator, call: Call, path: str, check: tuple[dict[str, Any], int]
) -> None:
    fields, code = check
    sim.configure(**fields)
    assert call(path, Num="x")["Code"] == code
    assert sim.journal()[-1]["executed"] is False


def test_partial_faults_leave_out_leases(sim: Simulator, call: Call) -> None:
    sim.fault(path="/allocate", kind="partial", drop=1)
    assert call("/allocate", Num="3")["Num"] == 2
    sim.fault(path="/release", kind="partial", drop=1)
    assert call("/release", IP="*")["Num"] == 1
    assert len(sim.leases()) == 1
    sim.fault(path="/query", kind="data_null")
    assert call("/query")["TaskList"] is None
    sim.fault(path="/query", kind="strings")
    assert call("/query")["TaskList"][0]["Num"] == "1"


def test_resources_lists_the_stock_by_area_and_provider(sim: Simulator, call: Call) -> None:
    rows = [
        {"area_id": 1, "area": "甲", "isp": 1, "available": 1},
        {"area_id": 1, "area": "甲", "isp": 2, "available": 0},
        {"area_id": 2, "area": "乙", "isp": 1, "available": 5},
    ]
    sim.configure(plan={"stock": {"areas": rows}})
    one = {"AreaId": 1, "Area": "甲", "Isp": 1, "Status": 1}
    assert call("/resources")["Data"] == [
        one,
        {**one, "Isp": 2, "Status": 0},
        {"AreaId": 2, "Area": "乙", "Isp": 1, "Status": 1},
    ]
    assert call("/resources", AreaId="1", Isp="1") == {"Code": 0, "Data": [one]}
    assert [row["Isp"] for row in call("/resources", Status="0")["Data"]] == [2]
    assert len(call("/resources", Status="1")["Data"]) == 2
    for wrong in ({"Status": "2"}, {"AreaId": "x"}, {"Isp": "9"}):
        assert call("/resources", **wrong)["Code"] == -10
