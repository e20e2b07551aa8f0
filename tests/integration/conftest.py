# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the integration tests: the collection as it is installed, against the simulator, over real HTTP."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

try:
    from ansible_collections.qingguo.qgnet.plugins.module_utils._api import caller
    from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import backoff
    from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.pool import QUOTA_INFO
    from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist import apply
    from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST, WHITELIST_INFO
except ImportError as error:
    raise pytest.UsageError(
        f"The integration tests cannot import the collection ({error}). Set PYTHONPATH and ANSIBLE_COLLECTIONS_PATH to "
        "the directory that holds ansible_collections/qingguo/qgnet."
    ) from None

from simulator.fixture import Simulator, sim, simulator, simulator_arguments
from support.egress_questions import ask_fixture
from support.fleet import Fleet
from support.playbooks import LAUNCHER, Operate, Playground, Result, operate
from support.postgres import database_server, database_url
from support.stores import every_store, pytest_runtest_setup, pytest_runtest_teardown, state_options

__all__ = [
    "ask_fixture",
    "database_server",
    "database_url",
    "every_store",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
    "sim",
    "simulator",
    "simulator_arguments",
]

#: Waits between tries are this much shorter in this process than for users.
HASTE = 0.005


def pytest_configure() -> None:
    """Stop at once, with one sentence, where the collection or a program is not installed for Ansible."""
    if "ANSIBLE_COLLECTIONS_PATH" not in os.environ:
        raise pytest.UsageError(
            "The integration tests need ANSIBLE_COLLECTIONS_PATH: set it, like PYTHONPATH, to the directory that "
            "holds ansible_collections/qingguo/qgnet."
        )
    if not (Path(sys.executable).parent / "ansible-playbook").exists():
        raise pytest.UsageError(
            f"The integration tests need ansible-playbook beside {sys.executable}: install ansible-core there."
        )


@pytest.fixture
def minute(simulator: Simulator) -> float:
    """The simulator's minute, in seconds."""
    seconds: float = simulator.state()["minute"]
    return seconds


@pytest.fixture
def haste(monkeypatch: pytest.MonkeyPatch, minute: float) -> None:
    """Operations in this process wait for the simulator's minute, and only briefly between tries."""
    monkeypatch.setenv("QG_MINUTE_SECONDS", str(minute))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def shorter(attempt: int, wanted: float | None = None) -> float:
        # A wait that the vendor asked for stays what it is.
        return float(backoff(attempt, wanted) * (HASTE if wanted is None else 1))

    for module in (caller, apply):
        monkeypatch.setattr(module, "backoff", shorter)


@pytest.fixture
def common(sim: Simulator, tmp_path: Path) -> dict[str, Any]:
    """The common options for the simulator."""
    return {"key": sim.key, "api_url": sim.api_url, **state_options(tmp_path / "state"), "timeout": 2.0}


@pytest.fixture
def whitelist(common: dict[str, Any], haste: None) -> Operate:
    """qg_whitelist in this process."""

    def run(ips: list[str], *, check: bool = False, diff: bool = False, **changes: Any) -> Result:
        return operate(WHITELIST, {**common, "ips": ips, **changes}, check=check, diff=diff)

    return run


@pytest.fixture
def whitelist_info(common: dict[str, Any], haste: None) -> Operate:
    """qg_whitelist_info in this process."""
    return lambda **changes: operate(WHITELIST_INFO, {**common, **changes})


@pytest.fixture
def quota_info(common: dict[str, Any], haste: None) -> Operate:
    """qg_quota_info in this process."""
    return lambda **changes: operate(QUOTA_INFO, {"product": "classic", **common, **changes})


@pytest.fixture(scope="session")
def playground_folder() -> Iterator[Path]:
    """The directory of all playgrounds: where its name is the same, ansible-core need not be imported again."""
    # Not in pytest's directory, whose names are too long for the sockets that Ansible makes in it.
    with tempfile.TemporaryDirectory(prefix="qg-") as folder:
        yield Path(folder)
        LAUNCHER.stop()


@pytest.fixture
def playground(playground_folder: Path, minute: float) -> Iterator[Playground]:
    """An empty place to run playbooks."""
    playground_folder.mkdir(exist_ok=True)
    yield Playground(playground_folder, minute)
    shutil.rmtree(playground_folder)


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the state of a fleet in sync is kept."""
    return tmp_path_factory.mktemp("fleet") / "state"


@pytest.fixture
def fleet(sim: Simulator, playground: Playground, snapshot: Path) -> Fleet:
    return Fleet(sim, playground, snapshot=snapshot)


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
