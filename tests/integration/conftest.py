# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the integration tests: the collection as it is installed, against the simulator, over
real HTTP.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.fleet import Fleet
from integration.playground import LAUNCHER, MODULES, Playground
from qgnet_simulator.running import Simulator
from support.postgres import database_server, database_url
from support.simulator import sim, simulator, simulator_arguments

__all__ = [
    "database_server",
    "database_url",
    "sim",
    "simulator",
    "simulator_arguments",
]


def pytest_configure() -> None:
    """Stop at once, with one sentence, where the collection or a program is not installed for
    Ansible.
    """
    if "ANSIBLE_COLLECTIONS_PATH" not in os.environ:
        raise pytest.UsageError(
            "The integration tests need ANSIBLE_COLLECTIONS_PATH: set it, like PYTHONPATH, to the "
            "directory that holds ansible_collections/qingguo/qgnet."
        )
    if not (Path(sys.executable).parent / "ansible-playbook").exists():
        raise pytest.UsageError(
            f"The integration tests need ansible-playbook beside {sys.executable}: install "
            "ansible-core there."
        )


@pytest.fixture(autouse=True)
def measured_where_it_counts(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measure the coverage where playbooks go through lines that no unit test does: it doubles
    their time.
    """
    if request.node.get_closest_marker("slow") or not request.node.get_closest_marker("measured"):
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture
def minute(simulator: Simulator) -> float:
    """The simulator's minute, in seconds."""
    seconds: float = simulator.state()["minute"]
    return seconds


@pytest.fixture(scope="session")
def playground_folder() -> Iterator[Path]:
    """The directory of all playgrounds: where its name is the same, ansible-core need not be
    imported again.
    """
    # Not in pytest's directory, whose names are too long for the sockets that Ansible makes in it.
    with tempfile.TemporaryDirectory(prefix="qg-") as folder:
        yield Path(folder)
        LAUNCHER.stop()
        MODULES.stop()


@pytest.fixture
def playground(
    playground_folder: Path, minute: float, simulator: Simulator
) -> Iterator[Playground]:
    """An empty place to run modules of the simulator's key, and playbooks."""
    playground_folder.mkdir(exist_ok=True)
    yield Playground(
        playground_folder, minute, {"key": simulator.key, "api_url": simulator.api_url}
    )
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
