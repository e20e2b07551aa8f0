# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules for leases as tasks: results, check mode, refusals, proxies that work, and URLs that stay hidden."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from simulator.fixture import Simulator
from support.module_tasks import CHECK, IGNORE, SPYING, THERE, from_variables, play, printed, task
from support.playground import QUOTA, Playground, Run, calls, operate

pytestmark = pytest.mark.measured

ALLOCATE, RELEASE, REPLACE, LIST, POOL, AREAS = "/allocate", "/release", "/replace", "/query", "/extract", "/resources"
QUANZHOU, HUAIAN = 350500, 320800
#: The vendor's numbers of the providers.
ISPS = {"telecom": 1, "mobile": 2, "unicom": 3, "bgp": 4}
DIFF = {"diff": True}
#: With the default product, reads would show it first.
DEFAULTS = {**from_variables("key", "api_url"), "product": "classic"}


class Stage:
    """Plays tasks against the simulator."""

    def __init__(self, sim: Simulator, playground: Playground) -> None:
        self.sim, self.playground = sim, playground

    def hold(self, *numbers: int, **parameters: Any) -> list[dict[str, Any]]:
        """Lease past the collection, one task for each number."""
        for number in numbers:
            query = {"Key": self.sim.key, "Num": number, **parameters}
            assert requests.get(self.sim.api_url + ALLOCATE, params=query, timeout=5).json()["Code"] == 0
        self.sim.control("DELETE", "/journal")
        self.sim.control("DELETE", "/windows")
        return self.sim.leases()

    def play(self, *tasks: dict[str, Any], arguments: tuple[str, ...] = (), **variables: Any) -> Run:
        return self.playground.play(
            play(*tasks, defaults=DEFAULTS),
            inventory=SPYING,
            variables={"key": self.sim.key, "api_url": self.sim.api_url, **variables},
            arguments=arguments,
            environment={"ANSIBLE_LOG_PATH": str(self.playground.root / "ansible.log")} if "-vvvv" in arguments else {},
        )


@pytest.fixture
def stage(sim: Simulator, playground: Playground) -> Stage:
    return Stage(sim, playground)


def named(leases: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """The leases of a result, or of the simulator's books."""
    return {(lease["ip"], lease["task_id"]) for lease in leases}


# As tasks


def test_qg_proxy_allocate(stage: Stage) -> None:
    old = stage.hold(1, KeepAlive=30)
    options = {"count": 3, "keep_alive": 120}
    run = stage.play(
        task("predicted", "qg_proxy_allocate", options, **CHECK),
        task("done", "qg_proxy_allocate", options, **DIFF),
        task("again", "qg_proxy_allocate", options),
        task("predicted again", "qg_proxy_allocate", options, **CHECK),
    ).ok()
    predicted, done, again, nothing = (each.result for each in run.tasks)
    assert (predicted["changed"], predicted["missing"], predicted["count"]) == (True, 2, 1)
    assert named(predicted["leases"]) == named(old)
    assert predicted["allocated"] == []
    assert predicted["diff"]["after"] == predicted["diff"]["before"] + "to be leased\n" * 2

    assert (done["count"], done["missing"], done["held"], len(done["allocated"])) == (3, 0, 3, 2)
    assert done["api"] == {"calls": 3, "retries": 0, "waited_seconds": 0.0}
    for lease in done["allocated"]:
        assert f"+{lease['server']}" in printed(run.stdout, "done")

    assert again["changed"] is nothing["changed"] is False
    assert named(again["leases"]) == named(done["leases"])
    assert again["allocated"] == again["released"] == []
    assert calls(stage.sim) == [LIST, QUOTA, LIST, QUOTA, ALLOCATE, LIST, LIST]
    assert stage.sim.journal(ALLOCATE)[0]["params"] == {"Num": "2", "KeepAlive": "120", "Detail": "1"}
    # Nothing at all is sent to the host.
    assert not run.spied


# Proxies


def through(server: str, url: str) -> str:
    """What an echo service says to a call through a proxy."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, proxies={"http": server}, timeout=5).text.strip()


@pytest.mark.parametrize(
    ("kind", "name", "field"),
    [("dynamic_dedicated", "qg_proxy_allocate", "leases"), ("dynamic_shared", "qg_proxy_pool_info", "proxies")],
    ids=["leased", "of the pool"],
)
def test_a_proxy_works(sim: Simulator, common: dict[str, Any], kind: str, name: str, field: str) -> None:
    sim.configure(plan={"kind": kind}, whitelist=["127.0.0.1"])
    for lease in operate(name, {**common, "count": 2})[field]:
        assert through(f"http://{lease['server']}", f"{sim.api_url}/ip") == lease["ip"]


PWD = "p+w/SECRETPWD&9=SECRETEND"
URL = {"with_credentials": True, "password": "{{ password }}"}


def use(field: str, name: str) -> dict[str, Any]:
    """Call through the URL that was registered; it goes to curl through its standard input.

    A command line, and an environment, are shown at -vvvv.
    """
    text = f'proxy = "{{{{ it.{field}[0].proxy_url }}}}"\nurl = "{{{{ api_url }}}}/ip"\n'
    curl = {"argv": ["curl", "-q", "-sS", "--noproxy", "", "--config", "-"], "stdin": text}
    return {"name": name, "ansible.builtin.command": curl, "no_log": True, "register": "used"}


def show(name: str) -> dict[str, Any]:
    return {"name": name, "ansible.builtin.debug": {"msg": "{{ used.stdout }}"}}


def assert_silent(run: Run, stage: Stage) -> None:
    """What was sent to the host that a task was delegated to holds the options, as it has to."""
    secrets = ("SECRETPWD", "SECRETEND", stage.sim.key)
    stage.playground.assert_nowhere(secrets, run, but=("spy",))


def test_a_proxy_url_is_a_secret_that_works(stage: Stage) -> None:
    [held] = stage.hold(1)
    stage.sim.configure(pwd=PWD, api_auth=True)
    stage.sim.fault(path=ALLOCATE, kind="status", http_status=502)
    one = {"count": 1, **URL}
    run = stage.play(
        task("allocate", "qg_proxy_allocate", one, register="it"),
        *(use("leases", "use allocated"), show("exit of allocated")),
        task("info", "qg_proxy_info", URL, register="it"),
        *(use("leases", "use listed"), show("exit of listed")),
        task("loop", "qg_proxy_allocate", one, loop=[1, 2]),
        task("loop there", "qg_proxy_allocate", one, loop=[1], **THERE),
        task("replace there", "qg_proxy_replace", {"all": True, **URL}, register="it", **THERE),
        *(use("leases", "use replaced"), show("exit of replaced")),
        # The user learns that a lease may be paid for; what is known of it stays hidden.
        task("unknown", "qg_proxy_allocate", {**one, "count": 2, "max_wait": 0}, **IGNORE),
        arguments=("-vvvv", "--diff"),
        password=PWD,
    ).ok()
    assert_silent(run, stage)
    assert run.of("exit of allocated").result["msg"] == run.of("exit of listed").result["msg"] == held["ip"]
    assert run.of("exit of replaced").result["msg"] == stage.sim.leases()[0]["ip"] != held["ip"]
    assert "is unknown" in printed(run.output, "unknown")


def test_a_proxy_url_of_the_pool_is_a_secret_that_works(stage: Stage) -> None:
    stage.sim.configure(plan={"kind": "dynamic_shared"}, pwd=PWD, api_auth=True)
    run = stage.play(
        task("pool", "qg_proxy_pool_info", URL, register="it", **THERE),
        *(use("proxies", "use"), show("exit")),
        arguments=("-vvvv", "--diff"),
        password=PWD,
    ).ok()
    assert_silent(run, stage)
    assert run.of("exit").result["msg"].startswith("127.64.")


def test_a_failure_is_reported_with_credentials_too(stage: Stage) -> None:
    """What holds a secret is hidden. The reason of a failure holds none, and has to be seen."""
    stage.sim.configure(pwd=PWD, api_auth=True, status="expired")
    tasks = [
        task("allocate", "qg_proxy_allocate", {"count": 1, **URL}, **IGNORE),
        task("replace", "qg_proxy_replace", {"all": True, **URL}, **IGNORE),
        task("info", "qg_proxy_info", URL, **IGNORE, **THERE),
        task("pool", "qg_proxy_pool_info", URL, **IGNORE),
    ]
    run = stage.play(*tasks, arguments=("-vvvv",), password=PWD)
    assert [done.status for done in run.tasks] == ["failed"] * len(tasks)
    for each in tasks:
        assert "was refused with code -100 (plan missing or expired" in printed(run.output, each["name"]), each
    assert_silent(run, stage)
