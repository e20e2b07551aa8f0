# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules for leases as tasks: results, check mode, refusals, proxies that work, and URLs that
stay hidden.
"""

from __future__ import annotations

from typing import Any

import pytest
import requests
from integration.module_tasks import CHECK, IGNORE, THERE, play_tasks, printed, task
from integration.playground import QUOTA, Playground, Run, calls
from qgnet_simulator.running import Simulator
from support import phrases

pytestmark = pytest.mark.measured

ALLOCATE, LIST = "/allocate", "/query"
DIFF = {"diff": True}


def hold(sim: Simulator, **parameters: Any) -> dict[str, Any]:
    """Lease past the collection."""
    query = {"Key": sim.key, "Num": 1, **parameters}
    answer = requests.get(sim.api_url + ALLOCATE, params=query, timeout=5).json()
    assert answer["Code"] == 0
    sim.control("DELETE", "/journal")
    sim.control("DELETE", "/windows")
    [lease] = sim.leases()
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
