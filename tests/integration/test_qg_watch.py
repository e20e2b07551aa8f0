# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source qg_watch as ansible-rulebook loads it, against the simulator."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import runpy
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from integration.playground import QUERY, QUOTA, lease_elsewhere
from qgnet_simulator.running import Simulator
from support import phrases

pytestmark = pytest.mark.newest

LIST, BALANCE = "/query", "/api/merchant/getBalance"
COLLECTION = Path(
    os.environ.get("ANSIBLE_COLLECTIONS_PATH", ""), "ansible_collections", "qingguo", "qgnet"
)
SOURCE = COLLECTION / "extensions" / "eda" / "plugins" / "event_source" / "qg_watch.py"
PASSWORD = "p+w/SECRETPWD&9= *,%<\u00fc>\"'"
Queue = asyncio.Queue[dict[str, Any]]


@pytest.fixture
def options(
    sim: Simulator, tmp_path: Path, minute: float, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The options of a watcher in this process that polls as often as it may."""
    monkeypatch.setenv("QG_MINUTE_SECONDS", str(minute))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return {
        "key": sim.key,
        "api_url": sim.api_url,
        "app_id": sim.app_id,
        "app_key": sim.app_key,
        "account_url": sim.account_url,
        "store": str(tmp_path),
        # Longer than any response takes on a busy machine.
        "timeout": 60,
        "interval": minute / 6,
    }


def watch(options: dict[str, Any], story: Callable[[Queue], Awaitable[None]]) -> None:
    """Run a story beside the event source, which is then cancelled."""

    async def scene() -> None:
        queue = Queue()
        watcher = asyncio.create_task(runpy.run_path(str(SOURCE))["main"](queue, options))
        telling = asyncio.create_task(asyncio.wait_for(story(queue), 240))
        await asyncio.wait({watcher, telling}, return_when=asyncio.FIRST_COMPLETED)
        watcher.cancel()
        telling.cancel()
        for each in await asyncio.gather(watcher, telling, return_exceptions=True):
            if isinstance(each, Exception):
                raise each

    asyncio.run(scene())


async def polls(sim: Simulator, path: str, number: int = 2) -> None:
    """Wait until so many more polls are over."""
    before = len(sim.journal(path))
    while len(sim.journal(path)) <= before + number:
        await asyncio.sleep(0.05)


def test_each_subject_and_poll_that_changed_is_one_event(
    sim: Simulator, options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "qingguo.qgnet.qg_watch")
    sim.configure(pwd=PASSWORD, api_auth=True, whitelist=["203.0.113.10", "203.0.113.9"])
    sim.agent(balance="12.34")
    (long,) = lease_elsewhere(sim, Pwd=PASSWORD, KeepAlive=60)
    seen: list[dict[str, Any]] = []

    async def story(queue: Queue) -> None:
        async def event(kind: str) -> dict[str, Any]:
            seen.append(await queue.get())
            assert seen[-1]["type"] == kind, seen[-1]
            return seen[-1]

        # The first poll tells what there is, in the order of the subjects.
        assert [lease["server"] for lease in (await event("leases"))["current"]] == [long["host"]]
        assert (await event("quota"))["current"] == {
            "unit": "channels",
            "total": 5,
            "available": 4,
            "used": 1,
        }
        assert (await event("whitelist"))["current"] == ["203.0.113.9", "203.0.113.10"]
        assert (await event("balance"))["current"] == {"balance": "12.34", "amount": 12.34}
        sim.agent(balance="9.99")
        assert (await event("balance"))["previous"]["amount"] == 12.34
        sim.configure(whitelist=["203.0.113.9", "203.0.113.8"])
        changed = await event("whitelist")
        assert changed["added"] == ["203.0.113.8"]
        assert changed["removed"] == ["203.0.113.10"]
        assert changed["count"] == 2
        # A lease that ends within min_remaining counts as gone before it is: it takes a channel.
        lease_elsewhere(sim, Pwd=PASSWORD, KeepAlive=9)
        assert (await event("quota"))["current"]["available"] == 3
        requests.get(
            sim.api_url + "/release",
            params={"Key": sim.key, "Pwd": PASSWORD, "IP": long["ip"]},
            timeout=60,
        )
        while {each["type"] for each in seen[7:]} != {"leases", "quota"}:
            seen.append(await queue.get())
        [gone] = [each for each in seen[7:] if each["type"] == "leases"]
        assert [lease["server"] for lease in gone["removed"]] == [long["host"]]
        assert gone["count"] == 0
        # A server that repeats the secrets does not make them known.
        told = f"{sim.key} {PASSWORD} {sim.app_key}"
        sim.fault(path=QUERY, kind="code", code=-13, msg=told, times=2)
        failed = (await event("failed"))["current"]
        assert failed["watched"] == "whitelist"
        assert failed["error"]["code"] == -13
        assert failed["error"]["endpoint"] == QUERY
        again = await event("whitelist")
        assert again["current"] == again["previous"]
        await polls(sim, BALANCE)
        assert queue.empty()

    subjects = {"watch": ["leases", "quota", "whitelist", "balance"], "min_remaining": "10m"}
    watch({**options, **subjects, "password": PASSWORD}, story)
    signs = {call["params"]["sign"] for call in sim.journal(BALANCE)}
    for secret in (sim.key, PASSWORD, "SECRETPWD", sim.app_key, *signs):
        assert secret not in f"{seen}{caplog.text}"


@pytest.mark.parametrize("product", ["share", "auto"])
def test_a_product_host_is_watched(sim: Simulator, options: dict[str, Any], product: str) -> None:
    sim.configure(plan={"kind": "share", "channels": 3})

    async def story(queue: Queue) -> None:
        assert [(await queue.get())["type"] for _number in range(2)] == ["leases", "quota"]
        query: dict[str, Any] = {"key": sim.key, "num": 2}
        leased = requests.get(f"{sim.api_url}/share/get", params=query, timeout=60).json()["data"]
        new = await queue.get()
        assert {lease["server"] for lease in new["added"]} == {lease["server"] for lease in leased}
        assert (await queue.get())["current"]["available"] == 1

    watch({**options, "product": product, "watch": ["leases", "quota"]}, story)
    # One read of the classic API shows that the key is not one of it.
    assert len(sim.journal(LIST)) == (product == "auto")


def test_it_ends_at_once_when_it_is_cancelled_in_the_middle_of_a_call(
    sim: Simulator, options: dict[str, Any]
) -> None:
    sim.fault(path=QUOTA, kind="hang_after", seconds=240)
    began = time.monotonic()

    async def story(_queue: Queue) -> None:
        while not sim.journal(QUOTA):
            await asyncio.sleep(0.05)

    watch({**options, "watch": "quota", "timeout": 240}, story)
    assert time.monotonic() - began < 120


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"watch": None}, ("watch", phrases.IS_NULL)),
        ({"watch": []}, ("watch is empty: name at least one of quota, leases,",)),
        (
            {"watch": "lease"},
            ("watch contains 'lease'", phrases.NONE_OF_ITS_VALUES, "quota, leases, whitelist"),
        ),
        ({"quota_below": 5}, ("quota_below", phrases.NO_OPTION, "account_url, ")),
        ({"interval": "soon"}, ("interval",)),
        ({"interval": 0}, ("interval=0", phrases.OUT_OF_RANGE)),
        ({"min_remaining": "soon"}, ("min_remaining='soon'", phrases.NO_MINUTES)),
        ({"key": ""}, (phrases.KEY_IS_EMPTY,)),
        ({"watch": "balance", "app_key": None}, ("app_key", phrases.IS_NULL)),
        ({"watch": "quota", "product": "overseas"}, ("product=overseas", phrases.NO_QUOTA)),
        ({"api_url": "proxy.qg.net"}, ("api_url", phrases.ONE_URL)),
    ],
)
def test_a_mistake_ends_it_before_any_call(
    sim: Simulator, options: dict[str, Any], mistake: dict[str, Any], words: tuple[str, ...]
) -> None:
    async def story(queue: Queue) -> None:
        await queue.get()

    with pytest.raises(Exception, match=re.escape(words[0])) as caught:
        watch({**options, "watch": ["leases"], **mistake}, story)
    assert "OptionError" in [base.__name__ for base in type(caught.value).__mro__]
    for part in words[1:]:
        assert part in str(caught.value)
    assert sim.journal() == []


#: As ansible-rulebook loads it: by its path, in a Python that knows nothing of collections.
LOAD = """
import asyncio, runpy, sys
async def scene():
    await runpy.run_path(sys.argv[1])["main"](asyncio.Queue(), {"watch": "whitelist", "key": "K", "interval": 0})
asyncio.run(scene())
"""


def load(source: Path, cwd: Path, *path: Path) -> str:
    """What a Python of its own says to a bad option; its path has nothing but these, and what is
    installed.
    """
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(cwd),
        "PYTHONPATH": os.pathsep.join(map(str, path)),
    }
    command = [sys.executable, "-c", LOAD, str(source)]
    outcome = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 1
    return outcome.stderr.strip().splitlines()[-1]


def test_it_finds_the_collection_that_it_belongs_to_before_another_copy(tmp_path: Path) -> None:
    refusal = f"interval=0 {phrases.OUT_OF_RANGE}"
    assert refusal in load(SOURCE, tmp_path)
    other = (
        tmp_path
        / "other"
        / "ansible_collections"
        / "qingguo"
        / "qgnet"
        / "plugins"
        / "module_utils"
    )
    (other / "_watch").mkdir(parents=True)
    (other / "_watch" / "poller.py").write_text(
        "raise ImportError('the wrong copy')\n", encoding="utf-8"
    )
    assert refusal in load(SOURCE, tmp_path, tmp_path / "other")
    # An ordinary package of that name does not hide it.
    (tmp_path / "package" / "ansible_collections").mkdir(parents=True)
    (tmp_path / "package" / "ansible_collections" / "__init__.py").touch()
    assert refusal in load(SOURCE, tmp_path, tmp_path / "package")


def test_away_from_its_collection_it_says_what_to_install(tmp_path: Path) -> None:
    lonely = tmp_path / "event_source" / "qg_watch.py"
    lonely.parent.mkdir()
    lonely.write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
    assert phrases.INSTALL_BOTH in load(lonely, tmp_path)
