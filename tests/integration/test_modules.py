# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules for leases and reserved lines as tasks: results, check mode, refusals, proxies that
work, and URLs that stay hidden.

Delegated to another host, each runs as an ordinary module with the same operations.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.release import __version__
from integration.module_tasks import (
    CHECK,
    IGNORE,
    SPYING,
    THERE,
    play_cases,
    play_tasks,
    printed,
    task,
)
from integration.playground import (
    QUOTA,
    Playground,
    Run,
    assert_task_failed,
    calls,
    lease_elsewhere,
)
from qgnet_simulator.running import Simulator
from support import phrases

ALLOCATE, LIST = "/allocate", "/query"
DIFF = {"diff": True}


def hold(sim: Simulator, **parameters: Any) -> dict[str, Any]:
    """Lease one past the collection, without its effect on limits."""
    [lease] = lease_elsewhere(sim, **parameters)
    sim.control("DELETE", "/windows")
    return lease


def run_tasks(
    playground: Playground, *tasks: dict[str, Any], verbosity: str = "", **variables: Any
) -> Run:
    """Run tasks; those of leases have the classic product, since with the default one reads would
    show it first.
    """
    return play_tasks(
        playground,
        *tasks,
        defaults={"product": "classic"},
        variables=variables,
        arguments=[verbosity, "--diff"] if verbosity else [],
        environment={"ANSIBLE_LOG_PATH": str(playground.root / "ansible.log")} if verbosity else {},
    )


def named(leases: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """The leases of a result, or of the simulator's books."""
    return {(lease["ip"], lease["task_id"]) for lease in leases}


@pytest.mark.measured
def test_qg_proxy_allocate(sim: Simulator, playground: Playground) -> None:
    old = hold(sim, KeepAlive=30)
    options = {"count": 3, "keep_alive": 120}
    run = run_tasks(
        playground,
        task("predicted", "qg_proxy_allocate", options, **CHECK),
        task("done", "qg_proxy_allocate", options, **DIFF),
        task("again", "qg_proxy_allocate", options),
        task("predicted again", "qg_proxy_allocate", options, **CHECK),
    ).ok()

    predicted = run.of("predicted").result
    assert predicted["changed"] is True
    assert predicted["missing"] == 2
    assert predicted["count"] == 1
    assert named(predicted["leases"]) == named([old])
    assert predicted["allocated"] == []
    assert (
        predicted["diff"]["after"] == predicted["diff"]["before"] + f"{phrases.TO_BE_LEASED}\n" * 2
    )

    done = run.of("done").result
    assert done["count"] == 3
    assert done["missing"] == 0
    assert done["held"] == 3
    assert len(done["allocated"]) == 2
    assert done["api"] == {"calls": 3, "retries": 0, "waited_seconds": 0.0}
    for lease in done["allocated"]:
        assert f"+{lease['server']}" in printed(run.stdout, "done")

    again = run.of("again").result
    assert again["changed"] is False
    assert run.of("predicted again").result["changed"] is False
    assert named(again["leases"]) == named(done["leases"])
    assert again["allocated"] == []
    assert again["released"] == []
    assert calls(sim) == [LIST, QUOTA, LIST, QUOTA, ALLOCATE, LIST, LIST]
    assert sim.journal(ALLOCATE)[0]["params"] == {"Num": "2", "KeepAlive": "120", "Detail": "1"}
    # Nothing at all is sent to the host.
    assert not run.spied


#: A key without a password, whose whitelist has the address of this machine.
LISTED = "QGLISTED"
PWD = "p+w/SECRETPWD&9=SECRETEND"
URL = {"with_credentials": True, "password": "{{ password }}"}


def use(name: str, url: str) -> list[dict[str, Any]]:
    """Call through a proxy that was registered, and show the exit.

    The URL goes to curl through its standard input: a command line, and an environment, are shown
    at -vvvv.
    """
    text = f'proxy = "{{{{ {url} }}}}"\nurl = "{{{{ api_url }}}}/ip"\n'
    curl = {"argv": ["curl", "-q", "-sS", "--noproxy", "", "--config", "-"], "stdin": text}
    return [
        {
            "name": f"use {name}",
            "ansible.builtin.command": curl,
            "no_log": True,
            "register": "used",
        },
        {"name": f"exit of {name}", "ansible.builtin.debug": {"msg": "{{ used.stdout }}"}},
    ]


def assert_silent(playground: Playground, run: Run) -> None:
    """What was sent to the host that a task was delegated to holds the options, as it has to."""
    secrets = ("SECRETPWD", "SECRETEND", playground.options["key"])
    playground.assert_nowhere(secrets, run, but=("spy",))


@pytest.mark.measured
def test_a_proxy_url_is_a_secret_that_works(sim: Simulator, playground: Playground) -> None:
    """Without credentials, a proxy works where the address of the client is on the whitelist."""
    held = hold(sim)
    sim.configure(pwd=PWD, api_auth=True)
    sim.configure(LISTED, whitelist=["127.0.0.1"])
    sim.fault(path=ALLOCATE, kind="status", http_status=502)
    one = {"count": 1, **URL}
    run = run_tasks(
        playground,
        task("allocate", "qg_proxy_allocate", one, register="it"),
        *use("allocated", "it.leases[0].proxy_url"),
        task("info", "qg_proxy_info", URL, register="it"),
        *use("listed", "it.leases[0].proxy_url"),
        task("loop", "qg_proxy_allocate", one, loop=[1, 2]),
        task("loop there", "qg_proxy_allocate", one, loop=[1], **THERE),
        task("replace there", "qg_proxy_replace", {"all": True, **URL}, register="it", **THERE),
        *use("replaced", "it.leases[0].proxy_url"),
        # The user learns that a lease may be paid for; what is known of it stays hidden.
        task("unknown", "qg_proxy_allocate", {**one, "count": 2, "max_wait": 0}, **IGNORE),
        task(
            "allocate for the listed key",
            "qg_proxy_allocate",
            {"count": 1, "key": LISTED},
            register="it",
        ),
        *use("listed key", "it.leases[0].server"),
        verbosity="-vvvv",
        password=PWD,
    ).ok()

    assert_silent(playground, run)
    for name in ("allocated", "listed"):
        assert run.of(f"exit of {name}").result["msg"] == held["ip"]
    assert run.of("exit of listed key").result["msg"] == sim.leases(LISTED)[0]["ip"]
    successor = sim.leases()[0]["ip"]
    assert successor != held["ip"]
    assert run.of("exit of replaced").result["msg"] == successor
    assert phrases.IS_UNKNOWN in printed(run.output, "unknown")


@pytest.mark.measured
def test_proxies_of_the_pool_work_and_a_failure_is_reported_with_credentials_too(
    sim: Simulator, playground: Playground
) -> None:
    """What holds a secret is hidden. The reason of a failure holds none, and has to be seen."""
    sim.configure(plan={"kind": "dynamic_shared"}, pwd=PWD, api_auth=True)
    sim.configure(LISTED, plan={"kind": "dynamic_shared"}, whitelist=["127.0.0.1"])
    sim.configure("EXPIRED1", pwd=PWD, api_auth=True, status="expired")
    expired = {**URL, "key": "EXPIRED1"}
    failing = [
        task("allocate", "qg_proxy_allocate", {"count": 1, **expired}, **IGNORE),
        task("replace", "qg_proxy_replace", {"all": True, **expired}, **IGNORE),
        task("info", "qg_proxy_info", expired, **IGNORE, **THERE),
        task("pool of another key", "qg_proxy_pool_info", expired, **IGNORE),
    ]
    run = run_tasks(
        playground,
        task("pool", "qg_proxy_pool_info", URL, register="it", **THERE),
        *use("pool", "it.proxies[0].proxy_url"),
        task("pool of the listed key", "qg_proxy_pool_info", {"key": LISTED}, register="it"),
        *use("listed pool", "it.proxies[0].server"),
        *failing,
        verbosity="-vvvv",
        password=PWD,
    ).ok()

    assert_silent(playground, run)
    assert run.of("exit of pool").result["msg"].startswith("127.64.")
    listed = run.of("pool of the listed key").result["proxies"][0]
    assert run.of("exit of listed pool").result["msg"] == listed["ip"]
    for each in failing:
        assert run.of(each["name"]).status == "failed"
        assert phrases.PLAN_EXPIRED in printed(run.output, each["name"]), each


LINES = "/monopolies"
HALF_A_DAY = 13 * 3600


def hold_lines(name: str, options: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    return task(name, "qg_monopoly", options, **keywords)


@pytest.fixture
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


@pytest.mark.newest
@pytest.mark.usefixtures("plan")
def test_hold_redial_and_release(sim: Simulator, playground: Playground) -> None:
    # Longer than the first look at the list takes on a busy machine.
    sim.configure(options={"queue_seconds": 3})
    options = {"count": 2, "area": 440100, "isp": "mobile"}
    run = play_tasks(
        playground,
        hold_lines("predicted", options, **CHECK),
        hold_lines("done", options, diff=True),
        hold_lines("again", options),
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
    first_wait = run.stderr.partition(f"qg_monopoly: {phrases.NOT_ONLINE}")[2]
    assert first_wait.startswith(" (/monopolies): 0 of 2")
    assert made(sim)[:3] == ["GET /resources", f"GET {LINES}", f"GET {QUOTA}"]
    assert made(sim)[-1] == f"GET {LINES}"
    assert writes(sim) == ["POST"]

    sim.advance(60)
    redialed = {"state": "redialed", "all": True}
    run = play_tasks(
        playground, hold_lines("predicted", redialed, **CHECK), hold_lines("done", redialed)
    ).ok()
    assert run.of("predicted").result["changed"] is True
    assert run.of("done").result["changed"] is True
    for monopoly in run.of("done").result["redialed"]:
        assert monopoly["server_before"] != monopoly["server_after"]
    assert writes(sim) == ["POST", "PUT"]

    sim.advance(HALF_A_DAY)
    released = {"state": "absent", "all": True}
    run = play_tasks(
        playground,
        hold_lines("predicted", released, **CHECK),
        hold_lines("done", released),
        task("left", "qg_monopoly_info"),
    ).ok()
    assert run.of("predicted").result["released"] == uuids
    assert run.of("done").result["released"] == uuids
    assert run.of("left").result["monopolies"] == []
    assert run.of("left").result["idle"]
    assert writes(sim) == ["POST", "PUT", "DELETE"]
    assert held(sim) == []


#: A plan of each API that has purchases of its own.
PLANS = {
    "classic": {"kind": "dynamic_dedicated", "channels": 30},
    "exclusive": {"kind": "exclusive", "channels": 30},
}


@pytest.mark.newest
def test_an_entry_names_the_run_and_the_host(sim: Simulator, playground: Playground) -> None:
    cases: dict[str, dict[str, Any]] = {}
    for product, plan in PLANS.items():
        key = f"QG{product.upper()}"
        sim.configure(key, plan=plan, options={"lease_proxies": False})
        options = {"key": key, "product": product}
        for count in (2, 3):
            purchase = {**options, "count": count}
            cases[f"{product} {count}"] = {"qingguo.qgnet.qg_proxy_allocate": purchase}
        cases[product] = {"qingguo.qgnet.qg_ledger_info": options}

    run = play_cases(playground, cases).ok()

    for product in PLANS:
        ledger = run.of(product).result
        assert "ansible_facts" not in ledger
        first, second = ledger["entries"]
        assert first["run"] != ""
        assert first["run"] == second["run"]
        assert first["host"] == "app"
        assert first["product"] == product
        assert first["received"] == 2
        assert second["received"] == 1


SHARED = "QGSHARED"
OCCUPIED = "QGOCCUPY"
ADDRESS = "203.0.113.7"
TASKS: dict[str, dict[str, Any]] = {
    "qg_whitelist": {"ips": [ADDRESS]},
    "qg_whitelist_info": {},
    "qg_quota_info": {},
    "qg_area_info": {},
    "qg_proxy_allocate": {"count": 2},
    "qg_proxy_info": {},
    "qg_proxy_replace": {"all": True},
    "qg_proxy_release": {"all": True},
    "qg_proxy_pool_info": {"key": SHARED},
    "qg_monopoly": {"key": OCCUPIED, "count": 1},
    "qg_monopoly_info": {"key": OCCUPIED},
}
#: The calls of those that change something.
WRITING = {
    "qg_whitelist": "/whitelist/add",
    "qg_proxy_allocate": "/allocate",
    "qg_proxy_replace": "/replace",
    "qg_proxy_release": "/release",
    "qg_monopoly": "/monopolies",
}


def is_list(call: dict[str, Any]) -> bool:
    """The list of exclusive occupancy has the path of the application."""
    return bool(call["path"] == "/monopolies" and call["method"] == "GET")


@pytest.mark.slow
def test_every_module_runs_where_its_task_is_delegated_to(
    sim: Simulator, playground: Playground
) -> None:
    sim.configure(SHARED, plan={"kind": "dynamic_shared"})
    occupied = {"lease_proxies": False, "dial_seconds": 0, "queue_seconds": 0}
    sim.configure(OCCUPIED, plan={"kind": "exclusive_occupancy"}, options=occupied)
    cases = {name: {f"qingguo.qgnet.{name}": options, **THERE} for name, options in TASKS.items()}
    run = play_cases(playground, cases, inventory=SPYING, ignore_errors=False).ok()
    results = {task.name: task.result for task in run.tasks}
    assert {name for name, result in results.items() if result["changed"]} == set(WRITING)
    writes = [
        call["path"]
        for call in sim.journal()
        if call["path"] in WRITING.values() and not is_list(call)
    ]
    assert writes == list(WRITING.values())
    assert results["qg_whitelist_info"]["whitelist"] == [ADDRESS]
    assert sim.whitelist() == [ADDRESS]
    assert results["qg_quota_info"]["quota"]["available"] > 0
    leases = results["qg_proxy_allocate"]["allocated"]
    assert [lease["ip"] for lease in results["qg_proxy_info"]["leases"]] == [
        lease["ip"] for lease in leases
    ]
    assert len(results["qg_proxy_replace"]["allocated"]) == 2
    assert len(results["qg_proxy_release"]["released"]) == 2
    monopolies = results["qg_monopoly_info"]["monopolies"]
    assert results["qg_monopoly"]["applied"] == [monopoly["uuid"] for monopoly in monopolies]
    # The module is sent to the host, and shows no progress.
    assert run.spied
    assert "qg_monopoly: " not in run.stdout
    assert sim.key not in run.output


def test_an_empty_selector_is_refused_before_the_module_is_sent(
    sim: Simulator, playground: Playground
) -> None:
    cases = {}
    for value in (None, "", [""]):
        cases[f"ips={value}"] = {"qingguo.qgnet.qg_proxy_release": {"ips": value}, **THERE}

    run = play_cases(playground, cases, inventory=SPYING)

    for case in cases:
        assert_task_failed(run.of(case), phrases.NEVER_MEANS_ALL)
    assert not run.spied
    assert sim.journal() == []


# A host whose Python is too old

#: Each old Python, and the last ansible-core that sends modules to a host with it.
OLD = {"3.8": (2, 19), "3.9": (2, 21)}
CORE = tuple(map(int, __version__.split(".")[:2]))


def interpreter(version: str) -> str:
    """A Python of this version, from the path or from pyenv."""
    home = Path(os.environ.get("PYENV_ROOT") or Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".pyenv")
    found = [
        shutil.which(f"python{version}"),
        *map(str, home.glob(f"versions/{version}.*/bin/python")),
    ]
    for path in filter(None, found):
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    pytest.skip(f"there is no Python {version} on this machine")


@pytest.mark.parametrize("version", OLD)
@pytest.mark.usefixtures("sim")
def test_a_host_with_an_old_python_is_named_in_one_sentence(
    playground: Playground, version: str
) -> None:
    if OLD[version] < CORE:
        pytest.skip(f"ansible-core {__version__} itself refuses Python {version} on a host")
    module: dict[str, Any] = {"qingguo.qgnet.qg_whitelist_info": {}}
    run = play_cases(
        playground,
        {"here": module, "there": {**module, **THERE}},
        arguments=["-e", f"ansible_python_interpreter={interpreter(version)}"],
    )
    # On the control node, the interpreter of the host plays no part.
    assert run.of("here").status == "ok"
    assert_task_failed(run.of("there"), f"is Python {version}:")
    assert run.of("there").result["msg"].startswith(phrases.NEEDS_PYTHON)
    assert "Traceback" not in run.output
