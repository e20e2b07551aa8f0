# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exclusive occupancy: apply, wait, redial, release."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from simulator.fixture import Simulator


class Client:
    """A client of the five calls."""

    def __init__(self, sim: Simulator, http: requests.Session) -> None:
        self._sim = sim
        self._http = http

    def __call__(self, method: str, path: str = "", **params: str) -> tuple[int, Any]:
        sent: dict[str, Any] = {"data" if method == "POST" else "params": {"Key": self._sim.key, **params}}
        answer = self._http.request(method, f"{self._sim.api_url}/monopolies{path}", timeout=10, **sent)
        return answer.status_code, answer.json()

    def apply(self, **params: str) -> list[str]:
        status, body = self("POST", **params)
        assert status == 200
        uuids: list[str] = body["data"]
        return uuids

    def states(self) -> list[str]:
        return [item["state"] for item in self("GET")[1]["data"]]


@pytest.fixture
def client(sim: Simulator, http: requests.Session) -> Client:
    sim.configure(
        plan={"kind": "exclusive_occupancy"},
        options={"lease_proxies": False, "dial_seconds": 20, "queue_seconds": 10},
    )
    sim.hold_clock()
    return Client(sim, http)


def test_a_monopoly_is_queued_dialled_and_online(sim: Simulator, client: Client) -> None:
    assert client("GET") == (200, {"data": []})
    one, two = client.apply(Num="2")
    assert client.states() == ["排队中(等待秒数10)", "排队中(等待秒数20)"]
    waiting = client("GET", UUIDs=one)[1]["data"]
    assert set(waiting[0]) == {"uuid", "area", "isp", "state", "monopolize_time", "last_dial_time"}
    sim.advance(11)
    assert client.states() == ["重拨中", "排队中(等待秒数9)"]
    sim.advance(20)
    assert client.states() == ["在线", "重拨中"]
    online = client("GET", UUIDs=f"{one},unknown")[1]["data"]
    assert [item["uuid"] for item in online] == [one]
    assert online[0]["ip"].startswith("198.51.100.")
    assert online[0]["heartbeat"] == sim.control("GET", "/clock")["beijing"]
    sim.advance(10)
    assert client.states() == ["在线", "在线"]
    assert {item["uuid"] for item in sim.state()["keys"][sim.key]["monopolies"]} == {one, two}


def test_apply_selects_area_and_provider(sim: Simulator, client: Client) -> None:
    client.apply(AreaCode="440100", Operator="2")
    item = client("GET")[1]["data"][0]
    assert (item["area"], item["isp"]) == ("广东省广州市", "移动")


def test_an_invalid_application_is_refused(sim: Simulator, client: Client) -> None:
    assert client("POST", Num="6")[0] == 400
    assert client("POST", AreaCode="1")[0] == 400
    client.apply(Num="4")
    status, body = client("POST", Num="2")
    assert (status, list(body)) == (400, ["error"])
    for wrong in ({"Num": "x"}, {"Operator": "5"}, {"AreaCode": "x"}):
        assert client("POST", **wrong)[0] == 400
    assert len(client.states()) == 4


def test_an_application_returns_the_configured_data(sim: Simulator, client: Client) -> None:
    sim.configure(options={"apply_data": "empty"})
    assert client.apply() == []
    sim.configure(options={"apply_data": "objects", "empty_data": "null"})
    body: Any = client.apply()
    assert body[0]["state"].startswith("排队中")
    assert len(client.states()) == 2


def test_apply_reads_the_form_and_ignores_the_query(sim: Simulator, client: Client, http: requests.Session) -> None:
    url = f"{sim.api_url}/monopolies"
    assert http.post(url, params={"Key": sim.key}, data={"Num": "1"}, timeout=10).status_code == 400
    answer = http.post(url, params={"Pwd": "x", "Num": "3"}, data={"Key": sim.key}, timeout=10)
    assert len(answer.json()["data"]) == 1
    assert sim.journal("/monopolies")[-1]["param_source"] == "body"
    assert http.put(url, params={"Key": sim.key}, timeout=10).status_code == 405


def test_redial_changes_the_exit_address_and_has_a_minimum_interval(sim: Simulator, client: Client) -> None:
    (uuid,) = client.apply()
    status, body = client("PUT", "/ips", UUIDs=uuid)
    assert (status, list(body)) == (400, ["error"])
    sim.advance(30)
    before = sim.state()["keys"][sim.key]["monopolies"][0]
    assert client("PUT", "/ips", UUIDs=uuid) == (200, {"data": [uuid]})
    assert client.states() == ["重拨中"]
    assert client("PUT", "/ips", UUIDs=uuid)[0] == 400
    sim.configure(options={"dial_seconds": 0})
    sim.advance(20)
    after = sim.state()["keys"][sim.key]["monopolies"][0]
    assert (after["state"], after["uuid"]) == ("在线", uuid)
    assert after["exit"] != before["exit"]
    assert after["last_dial_time"] > before["last_dial_time"]
    assert client("PUT", "/ips", UUIDs=uuid)[0] == 200
    # Online again at once, but dialled a moment ago.
    assert client.states() == ["在线"]
    assert "10" in client("PUT", "/ips", UUIDs=uuid)[1]["error"]
    sim.advance(10)
    assert client("PUT", "/ips", UUIDs=uuid)[0] == 200


def test_release_after_twelve_hours(sim: Simulator, client: Client) -> None:
    one, two = client.apply(Num="2")
    sim.advance(12 * 3600 - 10)
    status, body = client("DELETE", UUIDs=f"{one},{two}")
    assert (status, "12" in body["error"]) == (400, True)
    sim.advance(11)
    assert client("DELETE", UUIDs=one) == (200, {"data": [one]})
    assert [item["uuid"] for item in client("GET")[1]["data"]] == [two]
    assert client("DELETE", UUIDs=one)[0] == 400


@pytest.mark.parametrize(("method", "path"), [("PUT", "/ips"), ("DELETE", "")])
def test_an_unknown_monopoly_is_refused(sim: Simulator, client: Client, method: str, path: str) -> None:
    client.apply()
    sim.advance(13 * 3600)
    (known,) = [item["uuid"] for item in client("GET")[1]["data"]]
    for uuids in ("unknown", f"{known},unknown", "", "*"):
        assert client(method, path, UUIDs=uuids)[0] == 400
    assert client(method, path)[0] == 400
    assert client.states() == ["在线"]


def test_a_monopoly_can_be_taken_offline(sim: Simulator, client: Client) -> None:
    (uuid,) = client.apply()
    sim.advance(60)
    sim.configure(offline=[uuid])
    item = client("GET")[1]["data"][0]
    assert (item["state"], "ip" in item, "heartbeat" in item) == ("离线", False, False)
    assert client("PUT", "/ips", UUIDs=uuid)[0] == 200
    sim.advance(20)
    assert client.states() == ["在线"]


def test_idle_lists_the_available_addresses(sim: Simulator, client: Client) -> None:
    rows = [
        {"area_id": 1, "area": "甲", "isp": 1, "available": 2},
        {"area_id": 2, "area": "乙", "isp": 4, "available": 0},
    ]
    sim.configure(plan={"stock": {"areas": rows}})
    assert client("GET", "/idle") == (200, {"data": [{"area_code": 1, "area": "甲", "isp": "电信", "num": 2}]})
    client.apply()
    assert client("GET", "/idle")[1]["data"][0]["num"] == 1
    sim.advance(60)
    assert client("GET", "/idle")[1]["data"][0]["num"] == 1
    client.apply()
    assert client("GET", "/idle") == (200, {"data": []})
    assert client("POST")[0] == 400


def test_other_plans_have_no_monopolies(sim: Simulator, client: Client) -> None:
    sim.configure(plan={"kind": "dynamic_dedicated"})
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", ""), ("PUT", "/ips"), ("GET", "/idle")):
        assert client(method, path)[0] == 400
        assert sim.journal()[-1]["code"] == -15


def test_key_checks_and_quota_apply_to_monopolies(sim: Simulator, client: Client, http: requests.Session) -> None:
    client.apply(Num="2")
    answer = http.get(f"{sim.api_url}/info/quota", params={"Key": sim.key}, timeout=10).json()
    assert (answer["Used"], answer["Available"]) == (2, 3)
    assert client("GET", Key="NOBODY01")[0] == 400
    sim.configure(api_auth=True)
    assert client("GET")[0] == 400
    assert client("GET", Pwd="0123456789ab")[0] == 200


def test_faults_apply_by_method(sim: Simulator, client: Client) -> None:
    sim.fault(path="/monopolies", method="POST", kind="reset_after")
    assert client.states() == []
    with pytest.raises(requests.ConnectionError):
        client("POST")
    assert len(client.states()) == 1
    sim.fault(path="/monopolies", kind="code", code=-1)
    assert client("GET") == (500, {"error": "未知错误"})
    sim.fault(path="/monopolies", kind="data_null")
    assert client("GET") == (200, {"data": None})
    sim.fault(path="/monopolies", kind="partial", drop=1)
    # The first call to the path spends it, though a list has nothing to leave out.
    assert len(client.states()) == 1
    sim.fault(path="/monopolies", method="POST", kind="partial", drop=1)
    assert len(client.apply(Num="2")) == 1
    assert len(client.states()) == 2
