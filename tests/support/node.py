# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control node in this process: options in, result out, with the simulator's core as the vendor
and virtual time.

Each run is a process of its own, which shares with the others no more than the store. This is the
one file outside of ``tests/unit`` that knows an inside of the collection: the runtime that a task
gets, and the transport in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from ansible_collections.qingguo.qgnet.plugins.module_utils._api.exchange import HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import Transport
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    Effect,
    OptionError,
    TransportError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import Clock, Runtime
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    Mode,
    Operation,
    execute,
    read_options,
)
from qgnet_simulator.core import ConnectionLost
from support.invariants import Books, Result, assert_no_secret, assert_result, assert_true
from support.machine_clock import MachineClock
from support.vendor import KEY, URL, Killed, Vendor

ACTIONS = "ansible_collections.qingguo.qgnet.plugins.action"
#: Where a process can be interrupted: before a transaction of its store, before a request, before
#: its response, and in a pause.
STORE = "store"
REQUEST = "request"
RESPONSE = "response"
PAUSE = "pause"
PLACES = (STORE, REQUEST, RESPONSE, PAUSE)


def memory_directory() -> Path:
    """Make an empty directory in memory, where there is one."""
    memory = "/dev/shm"
    return Path(tempfile.mkdtemp(dir=memory if os.path.isdir(memory) else None))


@dataclass
class Event:
    """Something that happens after so many more steps, in any of these places."""

    steps: int
    act: Callable[[], object]
    places: tuple[str, ...] = PLACES


class Node:
    """A control node.

    :meth:`run` asserts what is true of each result, see :mod:`support.invariants`. Other clients
    may change the books during a run if ``is_alone`` is false: then the result cannot be compared
    with them.
    """

    def __init__(self, directory: Path, vendor: Vendor, **options: Any) -> None:
        self.vendor = vendor
        self.options: dict[str, Any] = {"key": KEY, "api_url": URL}
        self.begin_store(directory)
        self.options |= options
        self.is_alone = True
        self.machine = MachineClock(vendor.clock.now)
        #: Whether responses have a Date.
        self.is_dated = True
        self.event: Event | None = None
        #: The places that its processes have gone through.
        self.steps: list[str] = []
        #: When its processes have sent which call: time, method and path.
        self.requests: list[tuple[float, str, str]] = []
        self.is_dead = False
        self._is_other = False
        self._is_full = False
        self.runtime = Runtime(
            clock=Clock(self.machine.elapsed, self.machine.wall, self._boot),
            sleep=self._sleep,
            random=lambda low, high: (low + high) / 2,
            transport=lambda **given: _Wire(
                self, given.get("timeout", 10.0), given.get("url_option", "api_url")
            ),
        )

    def begin_store(self, directory: Path) -> None:
        """Use a store in a directory, which has to exist; an empty one is a new store."""
        self.store = directory
        self.options["store"] = str(directory)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def lose_store(self) -> None:
        """Begin a new store in place of this one."""
        shutil.rmtree(self.store)
        self.begin_store(self.store)

    def other(self) -> Node:
        """Return a control node that knows nothing of this one."""
        return Node(
            self.store.with_name(f"{self.store.name}.other"), self.vendor, **self._own_options()
        )

    def _own_options(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in self.options.items()
            if name not in ("key", "api_url", "store")
        }

    def run(
        self, module: str, *, check: bool = False, diff: bool = False, **options: Any
    ) -> Result:
        """Run a module, with options that are read as those of a task."""
        operation: Operation = import_module(f"{ACTIONS}.{module}").ActionModule.operation
        given = {}
        for name, value in self.options.items():
            if name in operation.spec and value is not None:
                given[name] = value
        try:
            params = read_options(operation.spec, {**given, **options}, place="option")
        except OptionError as error:
            return {"failed": True, "changed": False, "msg": error.message}
        before = Books.of(self.vendor)
        if not self._is_other:
            self.is_dead = False
        result = execute(operation, params, Mode(check=check, diff=diff, runtime=self.runtime))
        assert_result(result, module, check=check)
        assert_no_secret([KEY], result, self.store)
        if self.is_alone and not self._is_other:
            assert_true(result, before, self.vendor, check=check)
        return result

    def ok(self, module: str, **options: Any) -> Result:
        """Return the result of a run that succeeded."""
        result = self.run(module, **options)
        assert not result.get("failed"), result["msg"]
        return result

    def failed(self, module: str, **options: Any) -> Result:
        """Return the result of a run that failed."""
        result = self.run(module, **options)
        assert result.get("failed"), result
        return result

    def attempt(self, module: str, **options: Any) -> Result | None:
        """Run a module whose process may be killed: then there is no result."""
        with contextlib.suppress(Killed):
            return self.run(module, **options)
        return None

    def sent(self, call: str) -> list[Mapping[str, str]]:
        """Return the parameters of each such call that the vendor received, as :class:`Vendor`
        names calls.
        """
        method, _blank, path = call.rpartition(" ")
        records = [record for record in self.vendor.journal if record.path == path]
        return [record.params for record in records if method in ("", record.method)]

    # What happens to it.

    def at_step(
        self, steps: int, act: Callable[[], object], places: tuple[str, ...] = PLACES
    ) -> None:
        """Let something happen after so many more steps of its processes."""
        self.event = Event(steps, act, places)

    def die(self) -> NoReturn:
        """End the present process. It does nothing more then, also while it unwinds."""
        self.is_dead = True
        raise Killed

    def fill_disk(self, *, full: bool = True) -> None:
        """Let nothing be written to the store from now on, or let it be written again."""
        self._is_full = full

    def lose_locks(self) -> None:
        """Let others get what the present process has locked, as if its database session had ended.

        The process notices it when it uses the store again, which is its end.
        """
        for path in self.store.glob("*.lock"):
            path.unlink()
        self.is_dead = True

    @contextlib.contextmanager
    def other_process(self) -> Iterator[None]:
        """Let what follows be done by another process of this node, to which nothing happens."""
        before = self._is_other
        self._is_other = True
        try:
            yield
        finally:
            self._is_other = before

    def crash(self, off: float) -> NoReturn:
        """Let the machine crash, and be off for so long."""
        self.vendor.advance(off)
        self.machine.reboot()
        self.die()

    def step(self, place: str) -> None:
        """One step of a process."""
        if self._is_other:
            return
        if self.is_dead and place != RESPONSE:
            raise Killed
        self.steps.append(place)
        event = self.event
        if event is not None and place in event.places:
            event.steps -= 1
            if event.steps < 0:
                self.event = None
                event.act()

    def _boot(self) -> str:
        # The store asks for it in each transaction.
        self.step(STORE)
        if self._is_full:
            raise sqlite3.OperationalError("database or disk is full")
        return self.machine.boot()

    def _sleep(self, seconds: float) -> None:
        self.step(PAUSE)
        self.vendor.advance(seconds)


class _Wire(Transport):
    """Hands each exchange of a node to the simulator's core."""

    def __init__(self, node: Node, timeout: float, url_option: str) -> None:
        super().__init__(timeout=timeout, url_option=url_option)
        self._node = node

    def send(
        self, method: str, url: str, parameters: Mapping[str, str], endpoint: str
    ) -> HttpResponse:
        node = self._node
        vendor = self._node.vendor
        path = urlsplit(url).path
        node.step(REQUEST)
        node.requests.append((vendor.clock.now(), method, path))
        if vendor.is_late(method, path, parameters):
            node.step(RESPONSE)
            if vendor.is_reset_if_late:
                raise _loss(endpoint, "reset")
            vendor.advance(self.timeout)
            raise _silence(endpoint)
        began = vendor.clock.now()
        vendor.headers = {}
        try:
            status, body = vendor.handle(method, path, parameters)
        except Killed:
            node.die()
        except ConnectionLost as lost:
            node.step(RESPONSE)
            raise _loss(endpoint, str(lost)) from None
        headers = dict(vendor.headers) if node.is_dated else {}
        node.step(RESPONSE)
        if vendor.clock.now() - began > self.timeout:
            raise _silence(endpoint)
        text = "<html>" if body is None else json.dumps(body)
        return HttpResponse(status, text, headers)


def _loss(endpoint: str, how: str) -> TransportError:
    return TransportError(
        f"{endpoint}: the connection was lost ({how}).", endpoint=endpoint, effect=Effect.IN_FLIGHT
    )


def _silence(endpoint: str) -> TransportError:
    return TransportError(
        f"{endpoint}: there was no answer in time.", endpoint=endpoint, effect=Effect.IN_FLIGHT
    )


@contextlib.contextmanager
def in_virtual_time(node: Node) -> Iterator[None]:
    """Let the server's clock show the true time, and a transaction in a database be a step of the
    process.
    """
    # Imported here, since most tests need no database.
    import pytest
    from ansible_collections.qingguo.qgnet.plugins.module_utils._store.postgres import PostgresStore

    begin = PostgresStore._begin

    def begin_as_a_step(store: PostgresStore, *, durable: bool) -> None:
        node.step(STORE)
        begin(store, durable=durable)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PostgresStore, "now", lambda _store: node.vendor.clock.now())
        patch.setattr(PostgresStore, "_begin", begin_as_a_step)
        yield
