# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a key has paid for, and the caps on it, as tasks over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from simulator.fixture import Simulator
from support.module_tasks import IGNORE, SPYING, from_variables, play, task
from support.playground import Playground, Run, assert_one_sentence

#: A plan of each API, and its calls that pay.
PLANS = {
    "classic": ({"kind": "dynamic_dedicated", "channels": 30}, "/allocate"),
    "exclusive": ({"kind": "exclusive", "channels": 30}, "/exclusive/get"),
}


class Buyer:
    """Plays tasks with a key of a product."""

    def __init__(self, sim: Simulator, playground: Playground, product: str) -> None:
        self.sim = sim
        self.playground = playground
        plan, self.path = PLANS[product]
        sim.configure(plan=plan, options={"lease_proxies": False})
        self.variables = {
            "key": sim.key,
            "api_url": sim.api_url,
            "product": product,
        }

    def play(self, *tasks: dict[str, Any], **variables: Any) -> Run:
        defaults = from_variables("key", "api_url", "product")
        return self.playground.play(
            play(*tasks, defaults=defaults), inventory=SPYING, variables={**self.variables, **variables}
        )

    @property
    def paid(self) -> list[str]:
        """The ports of all leases that the vendor was paid for, each of which has its own."""
        return [str(lease["port"]) for lease in self.sim.state()["keys"][self.sim.key]["paid"]]


@pytest.fixture(params=PLANS)
def buyer(request: pytest.FixtureRequest, sim: Simulator, playground: Playground) -> Buyer:
    return Buyer(sim, playground, request.param)


@pytest.mark.parametrize("value", ["many", "1.5", "0", "-1"])
def test_a_cap_that_is_no_number_of_1_or_more_is_refused_from_anywhere(
    sim: Simulator, playground: Playground, value: str
) -> None:
    one = play(task("it", "qg_proxy_allocate", {"count": 1}, **IGNORE), hosts="localhost")
    own = play(task("it", "qg_proxy_allocate", {"count": 1, "max_new_per_day": value}, **IGNORE), hosts="localhost")
    common = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    for text, environment, variables in (
        (own, {}, {}),
        (one, {}, {"qg_max_new_per_day": value}),
        (one, {"QG_MAX_NEW_PER_DAY": value}, {}),
    ):
        run = playground.play(text, environment={**common, **environment}, variables=variables)
        message = run.of("it").result["msg"]
        assert_one_sentence(message)
        assert "max_new_per_day" in message
    assert sim.leases() == []


def test_an_entry_names_the_run_and_the_host(buyer: Buyer) -> None:
    buyer.play(task("two", "qg_proxy_allocate", {"count": 2}), task("more", "qg_proxy_allocate", {"count": 3})).ok()
    run = buyer.play(task("read", "qg_ledger_info")).ok()
    first, second = run.of("read").result["entries"]
    assert first["run"] == second["run"] != ""
    assert (first["host"], first["product"], first["received"]) == ("app", buyer.variables["product"], 2)
    assert "ansible_facts" not in run.of("read").result
    assert buyer.sim.key not in run.output


def test_the_report_shows_what_was_paid_and_how_long_leases_last(sim: Simulator, playground: Playground) -> None:
    buyer = Buyer(sim, playground, "classic")
    buyer.play(task("five", "qg_proxy_allocate", {"count": 2, "keep_alive": 30})).ok()
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    run = playground.play("qingguo.qgnet.report", environment=environment).ok()
    table = run.of("Show the paid calls and the live leases").result["msg"]
    by_day, calls, live = (part.split("\n") for part in "\n".join(table).split("\n\n"))
    assert [part[0].split()[0] for part in (by_day, calls, live)] == ["day", "paid", "live"]
    assert by_day[1].split()[1:] == ["classic", "1", "2", "2", "0"]
    assert calls[1].split()[2:6] == ["classic", "2", "2", "settled"]
    servers = {lease["host"]: lease["ip"] for lease in sim.leases()}
    assert {line.split()[0]: line.split()[1] for line in live[1:]} == servers
    assert {line.split()[2] for line in live[1:]} <= {"29", "30"}
