# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Leases after a run that was ended while a paid call was under way, and beside a list that lags, over HTTP."""

from __future__ import annotations

import importlib
import signal
from typing import Any

import pytest
from harness import Playground
from lease_kit import ALLOCATE, COLLECTION, RELEASE, REPLACE, Shop, named, settle_after, shop_fixture
from lease_process import interrupt

__all__ = ["shop_fixture"]

#: Seconds after which the vendor carries out a call whose process is gone by then.
LATE = 4.0
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: hold five
      qingguo.qgnet.qg_proxy_allocate:
        key: "{{ key }}"
        api_url: "{{ api_url }}"
        state_dir: "{{ state_dir }}"
        count: 5
"""


@pytest.fixture(autouse=True)
def room_and_brief_polls(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have channels to pay twice, and poll the list at short intervals, for longer than it lags in these tests."""
    shop.sim.configure(plan={"channels": 20})
    holder = importlib.import_module(f"{COLLECTION}._leases.manager")
    monkeypatch.setattr(holder, "LAGGING", (0.0, 0.5, 1.0, 2.0, 4.0))
    settle_after(monkeypatch, shop.options["max_wait"])


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_while_it_allocated_is_not_paid_for_again(
    shop: Shop, playground: Playground, minute: float, ending: signal.Signals
) -> None:
    """The next run waits until the list shows what the vendor carries out late."""
    shop.begin()
    shop.sim.fault(path=ALLOCATE, kind="delay", seconds=LATE)
    interrupt(shop, minute, ALLOCATE, "allocate", ending, count=5)

    variables: dict[str, Any] = {"key": shop.sim.key, **{name: shop.options[name] for name in ("api_url", "state_dir")}}
    result = playground.play(PLAY, variables=variables).ok().of("hold five").result
    shop.at_rest()
    assert len(shop.books().held) == len(shop.books().paid) == 5
    assert (named(result["leases"]), result["missing"]) == (shop.books().held, 0)
    assert shop.writes() == [ALLOCATE]


@pytest.mark.parametrize("options", [{"all": True}, {"count": 2}], ids=["all", "count"])
def test_a_replacement_that_was_interrupted_is_paid_for_once_when_the_task_is_run_again(
    shop: Shop, minute: float, options: dict[str, Any]
) -> None:
    replaced = 3 if "all" in options else 2
    shop("allocate", count=3)
    shop.begin()
    shop.sim.fault(path=REPLACE, kind="delay", seconds=LATE)
    interrupt(shop, minute, REPLACE, "replace", signal.SIGKILL, **options)

    result = shop("replace", **options)
    assert "failed" not in result, result
    shop.at_rest()
    now = shop.books()
    assert len(now.paid - shop.start.paid) == len(shop.start.held - now.held) == replaced
    assert named(result["leases"]) == now.held
    assert shop.writes() == [REPLACE]

    # It is over then: the same task replaces again.
    assert shop("replace", **options)["changed"] is True
    assert shop.writes() == [REPLACE, REPLACE]


def test_check_mode_neither_waits_for_an_unresolved_call_nor_writes(
    shop: Shop, minute: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = importlib.import_module(f"{COLLECTION}._leases.manager")
    # A single pause would take longer than the task may wait.
    monkeypatch.setattr(holder, "POLL_INTERVAL", 2 * shop.options["max_wait"])
    settle_after(monkeypatch, 4 * shop.options["max_wait"])
    shop.begin()
    shop.sim.fault(path=ALLOCATE, kind="delay", seconds=LATE)
    interrupt(shop, minute, ALLOCATE, "allocate", signal.SIGKILL, count=2)
    result = shop("allocate", count=2, check=True)
    assert "failed" not in result, result
    assert shop.writes() == [ALLOCATE]
    shop.at_rest()
    assert len(shop.books().paid) == 2


@pytest.mark.parametrize("shown", [False, True], ids=["never shown", "shown before"])
def test_a_list_that_lags_makes_no_run_pay_again(shop: Shop, shown: bool) -> None:
    """The leases are released before the list has ever shown them, or while it still shows them."""
    shop.sim.configure(options={"list_lag": 3})
    shop.begin()
    for _run in range(2):
        result = shop("allocate", count=3)
        assert ("failed" in result, result["count"], len(shop.books().paid)) == (False, 3, 3), result
        assert named(result["leases"]) == shop.books().held
    first = shop.books().held

    if shown:
        shop.sim.advance(10)
    result = shop("release", all=True)
    assert ("failed" in result, named(result["released"])) == (False, first), result
    result = shop("allocate", count=2)
    assert ("failed" in result, result["count"], result["held"]) == (False, 2, 2), result
    assert named(result["leases"]) == shop.books().held
    assert len(shop.books().paid) == 5
    assert shop.writes() == [ALLOCATE, RELEASE, ALLOCATE]
