# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exclusive occupancy over HTTP, as tasks."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.module_tasks import CHECK, IGNORE, SPYING, from_variables, play, printed, task
from support.playground import Playground, Run, assert_one_sentence

LIST, IDLE, REDIAL, QUOTA = "/monopolies", "/monopolies/idle", "/monopolies/ips", "/info/quota"
HOURS = 3600
DEFAULTS = from_variables("key", "api_url")


def hold(name: str, options: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    return task(name, "qg_monopoly", options, **keywords)


@pytest.fixture
def variables(sim: Simulator) -> dict[str, Any]:
    sim.configure(
        plan={"kind": "exclusive_occupancy", "channels": 6},
        options={"lease_proxies": False, "dial_seconds": 0.2, "queue_seconds": 0.2},
    )
    return {"key": sim.key, "api_url": sim.api_url}


@dataclasses.dataclass
class Stage:
    """Plays tasks against the simulator."""

    playground: Playground
    variables: dict[str, Any]

    def play(self, *tasks: dict[str, Any], hosts: str = "app", **how: Any) -> Run:
        text = play(*tasks, hosts=hosts, defaults=DEFAULTS)
        return self.playground.play(text, variables=self.variables, **{"inventory": SPYING, **how})


@pytest.fixture
def stage(playground: Playground, variables: dict[str, Any]) -> Stage:
    return Stage(playground, variables)


def held(sim: Simulator) -> list[str]:
    return [monopoly["uuid"] for monopoly in sim.state()["keys"][sim.key]["monopolies"]]


def writes(sim: Simulator) -> list[str]:
    return [call["method"] for call in sim.journal() if call["method"] != "GET"]


def forget(sim: Simulator) -> None:
    sim.control("DELETE", "/journal")


def test_hold(sim: Simulator, stage: Stage) -> None:
    # Longer than the first look at the list takes on a busy machine.
    sim.configure(options={"queue_seconds": 3})
    options = {"count": 2, "area": 440100, "isp": "mobile"}
    run = stage.play(
        hold("predicted", options, **CHECK),
        hold("done", options, diff=True),
        hold("again", options),
        arguments=("-vvvv",),
    ).ok()
    predicted, done, again = (each.result for each in run.tasks)
    assert (predicted["changed"], predicted["missing"], predicted["applied"]) == (True, 2, [])
    assert "+to be applied for" in printed(run.stdout, "predicted")
    assert (done["changed"], done["applied"]) == (True, held(sim))
    assert {one["state"] for one in done["monopolies"]} == {"online"}
    assert {(one["area_code"], one["isp"]) for one in done["monopolies"]} == {("440100", "mobile")}
    assert all(one["since"].endswith("+08:00") for one in done["monopolies"])
    assert f"+{held(sim)[0]}" in printed(run.stdout, "done")
    assert (again["changed"], again["already_present"]) == (False, held(sim))
    assert sim.key not in run.output
    # Nothing at all is sent to the host.
    assert not run.spied
    lines = [line for line in run.stderr.splitlines() if line.startswith("qg_monopoly: ")]
    assert lines[0].startswith(
        "qg_monopoly: waiting because resources are not online yet (/monopolies): 0 of 2 online, "
    )
    made = [(call["method"], call["path"]) for call in sim.journal()]
    assert made[:3] == [("GET", "/resources"), ("GET", LIST), ("GET", QUOTA)]
    assert made[-1] == ("GET", LIST)
    assert writes(sim) == ["POST"]


def test_redial_and_release(sim: Simulator, stage: Stage) -> None:
    stage.play(hold("done", {"count": 2})).ok()
    sim.advance(60)
    forget(sim)
    redialed = {"state": "redialed", "all": True}
    run = stage.play(hold("predicted", redialed, **CHECK), hold("done", redialed)).ok()
    predicted, done = (each.result for each in run.tasks)
    assert predicted["changed"] is done["changed"] is True
    assert all(one["server_before"] != one["server_after"] for one in done["redialed"])
    assert writes(sim) == ["PUT"]

    forget(sim)
    sim.advance(13 * HOURS)
    released = {"state": "absent", "all": True}
    run = stage.play(hold("predicted", released, **CHECK), hold("done", released), task("it", "qg_monopoly_info")).ok()
    predicted, done, it = (each.result for each in run.tasks)
    assert predicted["released"] == done["released"] != []
    assert (writes(sim), held(sim), it["monopolies"]) == (["DELETE"], [], [])
    assert it["idle"]


@pytest.mark.slow
def test_many_hosts_at_once_hold_one_desired_state(sim: Simulator, stage: Stage) -> None:
    inventory = "".join(f"app{number} ansible_connection=local\n" for number in range(4))
    run = stage.play(hold("it", {"count": 2}), hosts="all", inventory=inventory).ok()
    assert len(held(sim)) == 2
    assert writes(sim) == ["POST"]
    results = [done.result for done in run.by_host("it").values()]
    assert sorted(result["changed"] for result in results) == [False, False, False, True]
    assert all(result["count"] == 2 for result in results)


def test_a_key_of_another_product_and_bad_options(sim: Simulator, stage: Stage) -> None:
    mistakes: list[dict[str, Any]] = [
        {"count": 0},
        {"state": "absent"},
        {"count": "many"},
        {"count": 1, "isp": "pigeon"},
        {"count": 1, "max_wait": -1},
    ]
    sim.configure(plan={"kind": "dynamic_dedicated"})
    run = stage.play(
        *(hold(f"mistake {number}", options, **IGNORE) for number, options in enumerate(mistakes)),
        hold("wrong product", {"count": 1}, **IGNORE),
        task("info of a wrong product", "qg_monopoly_info", **IGNORE),
    )
    assert [done.status for done in run.tasks] == ["failed"] * (len(mistakes) + 2)
    for done in run.tasks:
        assert done.result["changed"] is False
        assert_one_sentence(done.result["msg"])
    for done in run.tasks[-2:]:
        assert (done.result["error"]["http_status"], done.result["error"]["endpoint"]) == (400, LIST)
    # A bad option is found before any call.
    assert [(call["method"], call["path"]) for call in sim.journal()] == [("GET", LIST)] * 2
