# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store that tests run over: a state directory, or for the fixture ``every_store`` a database
in its place.

A test names a directory, and gets a store that all who name the same directory share. With
``pytest.mark.usefixtures("every_store")``, it runs over both: over a database as a slow test,
unless the mark ``quick_over_both`` says otherwise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import Runtime, use
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import is_database
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import (
    open_store as open_place,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Store
from support.machine_clock import MachineClock

if TYPE_CHECKING:
    from support.postgres import Databases

SQLITE = "sqlite"
POSTGRESQL = "postgresql"


class _Databases:
    """A database for each directory that the present test names."""

    def __init__(self, server: Databases) -> None:
        self._server = server
        self._made = contextlib.ExitStack()
        self._urls: dict[str, str] = {}

    def url(self, directory: str) -> str:
        if "://" in directory:
            return directory
        if directory not in self._urls:
            self._urls[directory] = self._made.enter_context(self._server.database())
        return self._urls[directory]

    def drop(self) -> None:
        self._urls.clear()
        self._made.close()


_databases: _Databases | None = None
#: Whether the present test uses the fixture, which may still be set up for tests that do not.
_is_used = False


def _in_use() -> _Databases | None:
    return _databases if _is_used else None


def state_place(directory: Path | str) -> str:
    """Return where the state is that stands for a directory.

    A process that forks others must call this before.
    """
    if in_use := _in_use():
        return in_use.url(str(directory))
    Path(directory).expanduser().mkdir(mode=0o700, exist_ok=True)
    return str(directory)


def open_store(
    directory: Path | str,
    max_wait: float = 60.0,
    now: Callable[[], float] | None = None,
    machine: MachineClock | None = None,
) -> Store:
    """Open the store that stands for a directory.

    ``machine`` replaces the clocks of this machine; ``now`` stands for one whose clocks are right.
    With a database, the server's clock shows the true time of the machine.
    """
    machine = machine or (now and MachineClock(now))
    place = state_place(directory)
    if machine is None:
        return open_place(place, max_wait)
    with use(Runtime(clock=machine.clock)):
        store = open_place(place, max_wait)
    if is_database(place):
        vars(store).update(now=machine.now, wall_ahead=lambda: 0.0)
    return store


#: For a test with the fixture every_store that runs over a database also in the quick set.
quick_over_both = pytest.mark.parametrize("every_store", [SQLITE, POSTGRESQL], indirect=True)


# Of the module, since the tests of Hypothesis would not take one of the function.
@pytest.fixture(scope="module", params=[SQLITE, pytest.param(POSTGRESQL, marks=pytest.mark.slow)])
def every_store(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the test run over a state directory, and over a database."""
    global _databases
    if request.param == POSTGRESQL:
        _databases = _Databases(request.getfixturevalue("database_server"))
    yield
    _databases = None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the test run over databases only if it uses the fixture."""
    global _is_used
    _is_used = "every_store" in getattr(item, "fixturenames", ())


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """Give each test empty databases."""
    if in_use := _in_use():
        in_use.drop()
