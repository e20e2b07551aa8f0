# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exclusive occupancy over HTTP: as tasks, and with every kind of lost answer."""

from __future__ import annotations

import dataclasses
import importlib
import multiprocessing
import time
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.monopoly_process import ensure_held
from support.playbooks import Operate, Playground, Result, assert_one_sentence, operate

LIST, IDLE, REDIAL, QUOTA = "/monopolies", "/monopolies/idle", "/monopolies/ips", "/info/quota"
INVENTORY = "app ansible_connection=qg_spy\nbastion ansible_connection=qg_spy\n"
CHECK, IGNORE = "check_mode: true", "ignore_errors: true"
HOURS = 3600
#: Seconds that a call may take where a fault is a matter of time, and a time that is surely longer.
TIMEOUT, LONGER = 0.6, 2.4

PLAY = """
- hosts: {hosts}
  gather_facts: false
  module_defaults:
    group/qingguo.qgnet.qg:
      key: "{{{{ key }}}}"
      api_url: "{{{{ api_url }}}}"
  tasks:
"""


def play(options: str, *lines: str, module: str = "qg_monopoly", hosts: str = "app") -> str:
    """A playbook of the task "it"."""
    return PLAY.format(hosts=hosts) + task("it", options, *lines, module=module)


def task(name: str, options: str, *lines: str, module: str = "qg_monopoly") -> str:
    """One more task, with these lines beside its module."""
    return "".join(
        f"      {line}\n" if number else f"    - {line}\n"
        for number, line in enumerate((f"name: {name}", f"qingguo.qgnet.{module}: {{{options}}}", *lines))
        if line
    )


@pytest.fixture
def variables(sim: Simulator) -> dict[str, Any]:
    sim.configure(
        plan={"kind": "exclusive_occupancy", "channels": 6},
        options={"lease_proxies": False, "dial_seconds": 0.2, "queue_seconds": 0.2},
    )
    return {"key": sim.key, "api_url": sim.api_url}


@pytest.fixture
def monopoly(
    common: dict[str, Any], variables: dict[str, Any], haste: None, monkeypatch: pytest.MonkeyPatch
) -> Operate:
    """qg_monopoly in this process, with short intervals between reads of the list."""
    base = "ansible_collections.qingguo.qgnet.plugins.module_utils"
    operations = importlib.import_module(f"{base}._monopolies.operations")
    delays = {"verify_delays": (0.0, 0.05, 0.1), "apply_delays": (0.0, 0.05, 0.1), "first_interval": 0.1}
    monkeypatch.setattr(operations, "POLICY", dataclasses.replace(operations.POLICY, **delays))
    return lambda check=False, diff=False, **options: operate(
        operations.MONOPOLY, {**common, **options}, check=check, diff=diff
    )


def held(sim: Simulator) -> list[str]:
    return [monopoly["uuid"] for monopoly in sim.state()["keys"][sim.key]["monopolies"]]


def writes(sim: Simulator) -> list[str]:
    return [call["method"] for call in sim.journal() if call["method"] != "GET"]


def forget(sim: Simulator) -> None:
    sim.control("DELETE", "/journal")


def test_hold(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    text = play("count: 2, area_code: 440100, isp: mobile")

    def run(*arguments: str) -> Any:
        return playground.play(text, inventory=INVENTORY, variables=variables, arguments=arguments).ok()

    predicted = run("--check", "--diff")
    result = predicted.of("it").result
    assert (result["changed"], result["missing"], result["applied"]) == (True, 2, [])
    assert "+2 to be applied for" in predicted.stdout
    assert [call["path"] for call in sim.journal()] == [LIST, QUOTA, IDLE]
    assert writes(sim) == []

    done = run("--diff", "-vvvv")
    result = done.of("it").result
    assert result["changed"] is True
    assert result["applied"] == held(sim)
    assert {one["state"] for one in result["monopolies"]} == {"online"}
    assert {(one["area_code"], one["isp"]) for one in result["monopolies"]} == {("440100", "mobile")}
    assert all(one["since"].endswith("+08:00") for one in result["monopolies"])
    assert f"+{held(sim)[0]}" in done.stdout
    assert sim.key not in done.output
    assert writes(sim) == ["POST"]
    # Nothing at all is sent to the host.
    assert not done.spied
    lines = [line for line in done.stderr.splitlines() if line.startswith("qg_monopoly: ")]
    begin = "qg_monopoly: waiting because resources are not online yet (/monopolies): 0 of 2 online, 2 queued; at"
    assert lines[0].startswith(begin)

    forget(sim)
    again = run()
    assert again.of("it").result["changed"] is False
    assert again.of("it").result["already_present"] == held(sim)
    assert [(call["method"], call["path"]) for call in sim.journal()] == [("GET", LIST)]


def test_redial(sim: Simulator, playground: Playground, variables: dict[str, Any], monopoly: Operate) -> None:
    monopoly(count=2, state_dir=str(playground.state_dir))
    sim.advance(60)
    forget(sim)
    options = "state: redialled, all: true"
    text = play(options, CHECK) + task("done", options)
    run = playground.play(text, inventory=INVENTORY, variables=variables).ok()
    assert run.of("it").result["changed"] is True
    result = run.of("done").result
    assert result["changed"] is True
    assert [one["uuid"] for one in result["redialled"]] == held(sim)
    for one in result["redialled"]:
        assert one["server_before"]
        assert one["server_after"]
        assert one["server_before"] != one["server_after"]
    # Of both tasks: in check mode nothing is redialled, and a second time the vendor would refuse it.
    assert writes(sim) == ["PUT"]


def test_release(sim: Simulator, playground: Playground, variables: dict[str, Any], monopoly: Operate) -> None:
    old = monopoly(count=2, state_dir=str(playground.state_dir))["applied"]
    sim.advance(13 * HOURS)
    (young,) = monopoly(count=3, state_dir=str(playground.state_dir))["applied"]
    forget(sim)
    options = "state: absent, all: true"
    text = play(options, CHECK, IGNORE) + task("done", options, IGNORE)
    run = playground.play(text, inventory=INVENTORY, variables=variables).ok()
    assert run.of("it").status == "failed"
    assert run.of("it").result["released"] == old

    result = run.of("done").result
    assert run.of("done").status == "failed"
    # The task in check mode has left them.
    assert (result["changed"], result["released"]) == (True, old)
    assert [one["uuid"] for one in result["refused"]] == [young]
    assert_one_sentence(result["msg"])
    assert f"{young} (possible from {result['refused'][0]['possible_from']} on)" in result["msg"]
    assert writes(sim) == ["DELETE"]

    forget(sim)
    sim.advance(13 * HOURS)
    options = f"state: absent, uuids: ['{young}', '{old[0]}']"
    text = play(options) + task("again", options)
    run = playground.play(text, inventory=INVENTORY, variables=variables).ok()
    result, again = run.of("it").result, run.of("again").result
    assert (result["changed"], result["released"]) == (True, [young])
    assert (again["changed"], again["released"]) == (False, [])
    assert writes(sim) == ["DELETE"]


def test_info(sim: Simulator, playground: Playground, variables: dict[str, Any], monopoly: Operate) -> None:
    monopoly(count=2, state_dir=str(playground.state_dir))
    forget(sim)
    text = play("", module="qg_monopoly_info") + task("checked", "", CHECK, module="qg_monopoly_info")
    run = playground.play(text, inventory=INVENTORY, variables=variables).ok()
    for name in ("it", "checked"):
        result = run.of(name).result
        assert result["changed"] is False, name
        assert [one["uuid"] for one in result["monopolies"]] == held(sim), name
        assert result["idle"], name
    assert [call["path"] for call in sim.journal()] == [LIST, IDLE] * 2


@pytest.mark.newest_core
def test_many_hosts_at_once_hold_one_desired_state(
    sim: Simulator, playground: Playground, variables: dict[str, Any]
) -> None:
    inventory = "".join(f"app{number} ansible_connection=local\n" for number in range(4))
    run = playground.play(play("count: 2", hosts="all"), inventory=inventory, variables=variables).ok()
    assert len(held(sim)) == 2
    assert writes(sim) == ["POST"]
    results = [done.result for done in run.by_host("it").values()]
    assert sorted(result["changed"] for result in results) == [False, False, False, True]
    assert all(result["count"] == 2 for result in results)


@pytest.mark.newest_core
@pytest.mark.parametrize("module", ["qg_monopoly", "qg_monopoly_info"])
def test_a_key_of_another_product(
    sim: Simulator, playground: Playground, variables: dict[str, Any], module: str
) -> None:
    sim.configure(plan={"kind": "dynamic_dedicated"})
    text = play("count: 1" if module == "qg_monopoly" else "", module=module)
    failed = playground.play(text, inventory=INVENTORY, variables=variables).of("it")
    assert failed.status == "failed"
    assert (failed.result["changed"], failed.result["http_status"]) == (False, 400)
    assert failed.result["endpoint"] == LIST
    assert_one_sentence(failed.result["msg"])
    assert writes(sim) == []


@pytest.mark.newest_core
def test_bad_options(sim: Simulator, playground: Playground, variables: dict[str, Any]) -> None:
    mistakes = ["state: absent", "count: many", "count: 1, isp: pigeon", "count: 1, max_wait: -1"]
    text = play("count: 0", IGNORE) + "".join(
        task(f"mistake {number}", options, IGNORE) for number, options in enumerate(mistakes)
    )
    run = playground.play(text, inventory=INVENTORY, variables=variables).ok()
    names = ["it", *(f"mistake {number}" for number in range(len(mistakes)))]
    assert {done.name: done.status for done in run.tasks} == dict.fromkeys(names, "failed")
    for done in run.tasks:
        assert_one_sentence(done.result["msg"])
    assert sim.journal() == []


#: Answers to a write that say nothing, and whether the vendor did it.
LOST: dict[str, tuple[bool, dict[str, Any]]] = {
    "reset after": (True, {"kind": "reset_after"}),
    "reset before": (False, {"kind": "reset_before"}),
    "closed": (False, {"kind": "refuse"}),
    "garbage": (True, {"kind": "garbage"}),
    "garbage before": (False, {"kind": "garbage", "executed": False}),
    "bad gateway after": (True, {"kind": "status", "http_status": 502, "executed": True}),
    "unknown error": (False, {"kind": "code", "code": -1}),
    "too late": (True, {"kind": "hang_after", "seconds": LONGER}),
    "truncated": (True, {"kind": "truncate"}),
}
lost = pytest.mark.parametrize(("done", "fields"), LOST.values(), ids=LOST)


@lost
def test_a_lost_application(sim: Simulator, monopoly: Operate, done: bool, fields: dict[str, Any]) -> None:
    sim.fault(path=LIST, method="POST", **fields)
    result = monopoly(count=2, timeout=TIMEOUT)
    assert "failed" not in result, result.get("msg")
    assert result["applied"] == held(sim)
    assert len(held(sim)) == 2
    assert writes(sim) == ["POST"] * (1 if done else 2)
    forget(sim)
    assert monopoly(count=2)["changed"] is False
    assert writes(sim) == []


@lost
def test_a_lost_release(sim: Simulator, monopoly: Operate, done: bool, fields: dict[str, Any]) -> None:
    uuids = monopoly(count=2)["applied"]
    sim.advance(13 * HOURS)
    forget(sim)
    sim.fault(path=LIST, method="DELETE", **fields)
    result = monopoly(state="absent", all=True, timeout=TIMEOUT)
    assert "failed" not in result, result.get("msg")
    assert (result["released"], held(sim)) == (uuids, [])
    assert writes(sim) == ["DELETE"] * (1 if done else 2)


@lost
def test_a_lost_redial(sim: Simulator, monopoly: Operate, done: bool, fields: dict[str, Any]) -> None:
    uuids = monopoly(count=2)["applied"]
    sim.advance(60)
    forget(sim)
    sim.fault(path=REDIAL, method="PUT", **fields)
    result = monopoly(state="redialled", uuids=uuids, timeout=TIMEOUT)
    assert "failed" not in result, result.get("msg")
    assert [one["uuid"] for one in result["redialled"]] == uuids
    assert all(one["server_before"] != one["server_after"] for one in result["redialled"])
    assert writes(sim) == ["PUT"] * (1 if done else 2)


@pytest.mark.parametrize("fields", [{"kind": "status", "http_status": 502}, {"kind": "delay", "seconds": LONGER}])
def test_an_application_that_may_still_be_under_way(sim: Simulator, monopoly: Operate, fields: dict[str, Any]) -> None:
    sim.fault(path=LIST, method="POST", **fields)
    result: Result = monopoly(count=2, timeout=TIMEOUT, wait=False)
    assert result["failed"]
    assert_one_sentence(result["msg"])
    assert "ansible localhost -m qingguo.qgnet.qg_monopoly_info" in result["msg"]
    assert writes(sim) == ["POST"]


@pytest.mark.newest_core
def test_the_run_after_one_that_was_killed_while_it_applied_holds_what_is_desired(
    sim: Simulator, playground: Playground, variables: dict[str, Any], minute: float
) -> None:
    """The vendor carries the application out when its process is gone already."""
    sim.fault(path=LIST, method="POST", kind="delay", seconds=5)
    options = {"key": sim.key, "api_url": sim.api_url, "state_dir": str(playground.state_dir), "count": 2}
    process = multiprocessing.get_context("spawn").Process(target=ensure_held, args=(options, minute))
    process.start()
    deadline = time.monotonic() + 60
    while "POST" not in writes(sim) and process.is_alive() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.join(1)
    process.kill()
    process.join(10)
    assert process.exitcode == -9
    assert (writes(sim), held(sim)) == (["POST"], [])

    result = playground.play(play("count: 2"), inventory=INVENTORY, variables=variables).ok().of("it").result
    assert len(held(sim)) == 2
    assert result["already_present"] == held(sim)
    assert (result["changed"], result["count"]) == (False, 2)
    assert held(sim)[0] in result["warnings"][0]
    assert writes(sim) == ["POST"]
