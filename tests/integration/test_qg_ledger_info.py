# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a key has paid for, and the caps on it, as tasks over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import ALLOCATE
from ansible_collections.qingguo.qgnet.plugins.module_utils._ledger.operations import LEDGER_INFO
from simulator.fixture import Simulator
from support.module_tasks import CHECK, IGNORE, SPYING, from_variables, play, task
from support.playbooks import Operate, Playground, Run, assert_one_sentence, calls, operate

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


def test_a_cap_holds_over_runs(buyer: Buyer) -> None:
    five, cap = {"count": 5}, {"qg_max_new_per_day": 7}
    buyer.play(task("five", "qg_proxy_allocate", five), task("again", "qg_proxy_allocate", five), **cap).ok()
    run = buyer.play(
        task("predicted", "qg_proxy_allocate", {"count": 8}, **CHECK, **IGNORE),
        task("done", "qg_proxy_allocate", {"count": 8}, **IGNORE),
        task("replaced", "qg_proxy_replace", {"all": True}, **IGNORE),
        task("fewer", "qg_proxy_allocate", {"count": 7}),
        task("own", "qg_proxy_allocate", {"count": 8, "max_new_per_day": 6}, **IGNORE),
        **cap,
    ).ok()
    predicted, done, replaced, fewer, own = (each.result for each in run.tasks)
    assert predicted["msg"] == done["msg"]
    for failed, option, limit, bought, wanted in (
        (done, "max_new_per_day", 7, 5, 3),
        (replaced, "max_new_per_day", 7, 5, 5),
        (own, "max_new_per_day", 6, 7, 1),
    ):
        assert (failed["changed"], failed["cap"]["option"], failed["cap"]["limit"]) == (False, option, limit)
        assert (failed["cap"]["bought"], failed["cap"]["wanted"]) == (bought, wanted)
        assert_one_sentence(failed["msg"])
        assert "as qg_ledger_info shows" in failed["msg"]
    assert len(fewer["allocated"]) == 2
    assert len(buyer.paid) == len(buyer.sim.leases()) == 7, "nothing was released for a successor that is not bought"
    assert calls(buyer.sim, buyer.path) == [buyer.path] * 2


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
        assert f"max_new_per_day={value}" in message.replace("'", ""), message
    assert sim.leases() == []


def test_the_ledger_is_what_the_vendor_was_paid_for(buyer: Buyer) -> None:
    buyer.sim.fault(path=buyer.path, kind="reset_after")
    buyer.play(task("lost", "qg_proxy_allocate", {"count": 2}), task("more", "qg_proxy_allocate", {"count": 3})).ok()
    before = len(calls(buyer.sim))
    run = buyer.play(
        task("read", "qg_ledger_info"),
        task("last day", "qg_ledger_info", {"since": "24h"}),
        task("later", "qg_ledger_info", {"since": "2100-01-01"}),
        task("all products", "qg_ledger_info", {"product": "auto"}),
        task("another", "qg_ledger_info", {"product": "share"}),
    ).ok()
    read, day, later, auto, other = (each.result for each in run.tasks)
    assert len(calls(buyer.sim)) == before, "it makes no call"
    first, second = read["entries"]
    assert (first["asked"], first["received"], first["state"]) == (2, 2, "settled")
    assert (second["asked"], second["received"], second["state"]) == (1, 1, "settled")
    assert sorted(name.rpartition(":")[2] for name in [*first["names"], *second["names"]]) == sorted(buyer.paid)
    assert first["run"] == second["run"] != ""
    assert (first["host"], first["product"], len(first["ends"])) == ("app", buyer.variables["product"], 2)
    assert first["at"].endswith("+08:00")
    assert all(end.endswith("+08:00") for end in first["ends"])
    assert first["endpoint"] == f"/{buyer.path.rpartition('/')[2]}"
    product = buyer.variables["product"]
    assert read["totals"] == [
        {"day": first["at"][:10], "product": product, "calls": 2, "asked": 3, "received": 3, "unknown": 0}
    ]
    assert (read["count"], day["count"], later["count"]) == (2, 2, 0)
    assert (auto["entries"], other["entries"]) == (read["entries"], [])
    assert "ansible_facts" not in read
    assert read["changed"] is False
    assert buyer.sim.key not in run.output


def hold(options: dict[str, Any], count: int) -> None:
    operate(ALLOCATE, {**options, "count": count})


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


# Bad input, and files, in this process


@pytest.fixture
def read(common: dict[str, Any]) -> Operate:
    given = {name: value for name, value in common.items() if name in LEDGER_INFO.spec}
    return lambda check=False, **options: operate(LEDGER_INFO, {**given, **options}, check=check)


@pytest.mark.parametrize("text", ["yesterday", "24", "-1h", "24w", "2030-13-01"])
def test_a_time_that_cannot_be_read_is_refused(read: Operate, text: str) -> None:
    result = read(since=text)
    assert result["failed"] is True
    assert_one_sentence(result["msg"])
    assert result["msg"].startswith(f"since='{text}'")
