# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each code of the vendor's table is one clear error, and no call is repeated without a reason."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator
from support.parameters import spread
from support.playbooks import ADD, DEL, QUERY, QUOTA, Operate, Result, assert_one_sentence, calls
from support.vendor_faults import assert_refusal

FIRST, SECOND, THIRD = "203.0.113.1", "203.0.113.2", "203.0.113.3"
#: What the vendor's table says of each code that ends a call for good: one word of the meaning.
FINAL = {
    -10: "parameter",
    -12: "blocked",
    -13: "not authorised",
    -14: "password",
    -15: "permission",
    -100: "expired",
    -987: "not a documented code",
}


def write(whitelist: Operate, endpoint: str) -> Result:
    """Add an address or remove one, of a list that holds the first."""
    return whitelist([SECOND]) if endpoint == ADD else whitelist([FIRST], state="absent")


READERS = ["whitelist", "whitelist_info", "quota_info"]


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> tuple[Any, str]:
    """A call of each module that begins with a read, and the endpoint that it reads."""
    run: Operate = request.getfixturevalue(request.param)
    if request.param == "whitelist":
        return (lambda **changes: run([FIRST], **changes)), QUERY
    return run, QUOTA if request.param == "quota_info" else QUERY


@pytest.mark.parametrize(("code", "http_status", "reader"), spread(FINAL, [200, 400], READERS), indirect=["reader"])
def test_a_final_code_of_a_read_is_one_call(
    reader: tuple[Any, str], sim: Simulator, code: int, http_status: int
) -> None:
    run, endpoint = reader
    sim.fault(path=endpoint, kind="code", code=code, http_status=http_status, times=-1)
    result = run()
    assert_refusal(result, code, endpoint, FINAL[code])
    assert result["http_status"] == http_status
    assert calls(sim) == [endpoint]
    assert result["changed"] is False


@pytest.mark.parametrize(("code", "http_status", "endpoint"), spread(FINAL, [200, 400], [ADD, DEL, DEL, ADD]))
def test_a_final_code_of_a_write_is_one_call(
    whitelist: Operate, sim: Simulator, endpoint: str, code: int, http_status: int
) -> None:
    sim.configure(whitelist=[FIRST])
    sim.fault(path=endpoint, kind="code", code=code, http_status=http_status, times=-1)
    result = write(whitelist, endpoint)
    assert_refusal(result, code, endpoint, FINAL[code])
    assert calls(sim, ADD, DEL) == [endpoint]
    assert result["changed"] is False
    assert result["added"] == result["removed"] == []
    assert result["whitelist"] == sim.whitelist() == [FIRST]


def test_an_unknown_key_and_a_wrong_password_are_reported_once(reader: tuple[Any, str], sim: Simulator) -> None:
    run, endpoint = reader
    assert_refusal(run(key="NOSUCHKEY"), -100, endpoint, FINAL[-100])
    sim.configure(pwd="right", api_auth=True)
    assert_refusal(run(password="wrong"), -14, endpoint, FINAL[-14])
    assert calls(sim) == [endpoint] * 2


def test_the_right_password_opens(reader: tuple[Any, str], sim: Simulator) -> None:
    sim.configure(pwd="a+b/c =&d", api_auth=True)
    run, _endpoint = reader
    assert "failed" not in run(password="a+b/c =&d")
    assert {call["params"]["Pwd"] for call in sim.journal()} == {"a+b/c =&d"}


@pytest.mark.parametrize("http_status", [200, 429])
def test_too_many_requests_is_waited_for(reader: tuple[Any, str], sim: Simulator, http_status: int) -> None:
    run, endpoint = reader
    sim.fault(path=endpoint, kind="code", code=-11, http_status=http_status)
    result = run()
    assert "failed" not in result
    first, second, *_rest = sim.journal(endpoint)
    # The vendor's minute may have begun with the refused call, and ends no earlier than that.
    assert second["at"] - first["at"] >= sim.state()["minute"]
    assert result["api"]["waited_seconds"] > 0


def test_too_many_requests_is_reported_where_there_is_no_time_to_wait(reader: tuple[Any, str], sim: Simulator) -> None:
    run, endpoint = reader
    sim.fault(path=endpoint, kind="code", code=-11, times=-1)
    result = run(max_wait=0)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert "max_wait" in result["msg"]
    assert len(calls(sim)) == 1


@pytest.mark.parametrize("endpoint", [ADD, DEL])
def test_too_many_requests_of_a_write_is_waited_for(whitelist: Operate, sim: Simulator, endpoint: str) -> None:
    sim.configure(whitelist=[FIRST])
    sim.fault(path=endpoint, kind="code", code=-11)
    result = write(whitelist, endpoint)
    assert "failed" not in result
    assert calls(sim) == [QUERY, endpoint, endpoint, QUERY]
    assert sim.whitelist() == ([FIRST, SECOND] if endpoint == ADD else [])


def test_others_who_use_the_same_key_do_not_make_it_fail(whitelist: Operate, sim: Simulator) -> None:
    # Another client, whose calls are not counted here, has used up the whole window, which lasts until this is refused.
    sim.hold_clock()
    for _call in range(20):
        requests.get(sim.api_url + ADD, params={"Key": sim.key, "IP": THIRD}, timeout=5)
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(whitelist, [FIRST, SECOND])
        while not pending.done() and all(call["code"] != -11 for call in sim.journal(ADD)):
            time.sleep(0.05)
        sim.hold_clock(False)
        assert "failed" not in pending.result()
    assert sim.whitelist() == [THIRD, FIRST, SECOND]
    assert -11 in [call["code"] for call in sim.journal(ADD)]


def test_the_vendors_limit_is_kept_by_waiting(whitelist: Operate, sim: Simulator) -> None:
    for number in range(25):
        assert "failed" not in whitelist([f"203.0.113.{number + 1}"])
    assert len(sim.whitelist()) == 25
    assert [call["code"] for call in sim.journal()] == [0] * len(sim.journal())


def test_the_vendors_text_is_shown_without_the_key(whitelist_info: Operate, sim: Simulator) -> None:
    sim.fault(path=QUERY, kind="code", code=-10, msg=f"key {sim.key} is odd")
    result = whitelist_info()
    assert "is odd" in result["msg"]
    assert sim.key not in str(result)


def test_quota(quota_info: Operate, sim: Simulator) -> None:
    sim.configure(channels=10, used=4)
    result = quota_info(at_least=6)
    vendor = {"Code": 0, "Total": 10, "Available": 6, "Used": 4}
    numbers = {"unit": "channels", "total": 10, "available": 6, "used": 4}
    assert result["quota"] == {**numbers, "balance": None, "vendor": vendor}
    assert result["sufficient"] is True
    assert result["changed"] is False
    assert quota_info(at_least=7)["sufficient"] is False
    assert quota_info()["sufficient"] is None
    assert calls(sim) == [QUOTA] * 3


def test_whitelist_info(whitelist_info: Operate, sim: Simulator) -> None:
    sim.configure(whitelist=["203.0.113.10", "203.0.113.9", "198.51.100.7"])
    result = whitelist_info()
    assert result["whitelist"] == ["198.51.100.7", "203.0.113.9", "203.0.113.10"]
    assert result["count"] == 3
    assert result["changed"] is False
    assert result["api"]["calls"] == 1
    assert calls(sim) == [QUERY]
