# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exclusive occupancy over HTTP, as tasks."""

from __future__ import annotations

from typing import Any

import pytest
from integration.module_tasks import CHECK, IGNORE, play_tasks, printed, task
from integration.playground import QUOTA, Playground
from qgnet_simulator.running import Simulator
from support import phrases
from support.invariants import assert_one_sentence

pytestmark = pytest.mark.newest

LIST = "/monopolies"
HALF_A_DAY = 13 * 3600


def hold(name: str, options: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    return task(name, "qg_monopoly", options, **keywords)


@pytest.fixture(autouse=True)
def plan(sim: Simulator) -> None:
    """The key has a plan of exclusive occupancy, whose lines are dialed at once."""
    sim.configure(
        plan={"kind": "exclusive_occupancy", "channels": 6},
        options={"lease_proxies": False, "dial_seconds": 0.2, "queue_seconds": 0.2},
    )


def held(sim: Simulator) -> list[str]:
    return [monopoly["uuid"] for monopoly in sim.state()["keys"][sim.key]["monopolies"]]


def writes(sim: Simulator) -> list[str]:
    return [call["method"] for call in sim.journal() if call["method"] != "GET"]


def made(sim: Simulator) -> list[str]:
    """The methods and paths of all calls."""
    return [f"{call['method']} {call['path']}" for call in sim.journal()]


def test_hold_redial_and_release(sim: Simulator, playground: Playground) -> None:
    # Longer than the first look at the list takes on a busy machine.
    sim.configure(options={"queue_seconds": 3})
    options = {"count": 2, "area": 440100, "isp": "mobile"}
    run = play_tasks(
        playground,
        hold("predicted", options, **CHECK),
        hold("done", options, diff=True),
        hold("again", options),
        arguments=["-vvvv"],
    ).ok()
    uuids = held(sim)
    predicted = run.of("predicted").result
    assert predicted["changed"] is True
    assert predicted["missing"] == 2
    assert predicted["applied"] == []
    assert phrases.TO_BE_APPLIED_FOR in printed(run.stdout, "predicted")
    done = run.of("done").result
    assert done["changed"] is True
    assert done["applied"] == uuids
    for monopoly in done["monopolies"]:
        assert monopoly["state"] == "online"
        assert monopoly["area_code"] == "440100"
        assert monopoly["isp"] == "mobile"
        assert monopoly["since"].endswith("+08:00")
    assert f"+{uuids[0]}" in printed(run.stdout, "done")
    again = run.of("again").result
    assert again["changed"] is False
    assert again["already_present"] == uuids
    assert sim.key not in run.output
    # Nothing at all is sent to the host.
    assert not run.spied
    first_wait = run.stderr.partition("qg_monopoly: ")[2]
    assert first_wait.startswith(f"{phrases.NOT_ONLINE} (/monopolies): 0 of 2")
    assert made(sim)[:3] == ["GET /resources", f"GET {LIST}", f"GET {QUOTA}"]
    assert made(sim)[-1] == f"GET {LIST}"
    assert writes(sim) == ["POST"]

    sim.advance(60)
    redialed = {"state": "redialed", "all": True}
    run = play_tasks(playground, hold("predicted", redialed, **CHECK), hold("done", redialed)).ok()
    assert run.of("predicted").result["changed"] is True
    assert run.of("done").result["changed"] is True
    for monopoly in run.of("done").result["redialed"]:
        assert monopoly["server_before"] != monopoly["server_after"]
    assert writes(sim) == ["POST", "PUT"]

    sim.advance(HALF_A_DAY)
    released = {"state": "absent", "all": True}
    run = play_tasks(
        playground,
        hold("predicted", released, **CHECK),
        hold("done", released),
        task("left", "qg_monopoly_info"),
    ).ok()
    assert run.of("predicted").result["released"] == uuids
    assert run.of("done").result["released"] == uuids
    assert run.of("left").result["monopolies"] == []
    assert run.of("left").result["idle"]
    assert writes(sim) == ["POST", "PUT", "DELETE"]
    assert held(sim) == []


@pytest.mark.slow
def test_many_hosts_at_once_hold_one_desired_state(sim: Simulator, playground: Playground) -> None:
    inventory = "".join(f"app{number} ansible_connection=local\n" for number in range(4))
    run = play_tasks(playground, hold("it", {"count": 2}), hosts="all", inventory=inventory).ok()
    assert len(held(sim)) == 2
    assert writes(sim) == ["POST"]
    results = [done.result for done in run.by_host("it").values()]
    assert sorted(result["changed"] for result in results) == [False, False, False, True]
    for result in results:
        assert result["count"] == 2


def test_a_key_of_another_product_and_bad_options(sim: Simulator, playground: Playground) -> None:
    mistakes: list[dict[str, Any]] = [
        {"count": 0},
        {"state": "absent"},
        {"count": "many"},
        {"count": 1, "isp": "pigeon"},
        {"count": 1, "max_wait": -1},
    ]
    sim.configure(plan={"kind": "dynamic_dedicated"})
    run = play_tasks(
        playground,
        *(hold(f"mistake {number}", options) for number, options in enumerate(mistakes)),
        hold("wrong product", {"count": 1}),
        task("info of a wrong product", "qg_monopoly_info"),
        **IGNORE,
    )
    assert len(run.tasks) == len(mistakes) + 2
    for done in run.tasks:
        assert done.status == "failed"
        assert done.result["changed"] is False
        assert_one_sentence(done.result["msg"])
    for done in run.tasks[-2:]:
        assert done.result["error"]["http_status"] == 400
        assert done.result["error"]["endpoint"] == LIST
    # A bad option is found before any call.
    assert made(sim) == [f"GET {LIST}"] * 2
