# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plugin of pytest for plant.py. It records which tests reach which lines of the code, or else
tries defects: each in a process of its own, forked from one that has read all tests.
"""

from __future__ import annotations

import ast
import gc
import json
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Generator, Iterator
from importlib import import_module
from pathlib import Path
from time import perf_counter
from types import CodeType, FunctionType
from typing import NoReturn

import plant
import pytest

#: A folder for records, or else a file with defects.
GIVEN = Path(os.environ["QGNET_REACHING"])
_CODE = "/plugins/module_utils/"
_PACKAGE = "ansible_collections.qingguo.qgnet.plugins.module_utils."
_reached: defaultdict[str, set[int]] = defaultdict(set)


def _note(code: CodeType, line: int) -> object:
    """Note a line of the code, and ask not to be called for it again during the same test."""
    _before, found, path = code.co_filename.rpartition(_CODE)
    if found:
        _reached[path].add(line)
    return sys.monitoring.DISABLE


def pytest_sessionstart() -> None:
    if GIVEN.is_dir():
        tool = sys.monitoring.COVERAGE_ID
        sys.monitoring.use_tool_id(tool, "reaching")
        sys.monitoring.register_callback(tool, sys.monitoring.events.LINE, _note)
        sys.monitoring.set_events(tool, sys.monitoring.events.LINE)


def pytest_sessionfinish() -> None:
    if GIVEN.is_dir():
        sys.monitoring.free_tool_id(sys.monitoring.COVERAGE_ID)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    _reached.clear()
    sys.monitoring.restart_events()
    began = perf_counter()
    result = yield
    if GIVEN.is_dir():
        record = {
            "test": item.nodeid,
            "seconds": perf_counter() - began,
            "lines": {path: sorted(lines) for path, lines in _reached.items()},
        }
        with (GIVEN / f"{os.getpid()}").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Try the defects, some at a time, and print what becomes of each."""
    if GIVEN.is_dir():
        return None
    items = {item.nodeid: item for item in session.items}
    trials = json.loads(GIVEN.read_text("utf-8"))
    codes = [plant.UNPLANTED] * len(trials)
    waiting = [*enumerate(trials)]
    running: dict[int, tuple[int, float]] = {}
    while waiting or running:
        if waiting and len(running) < plant.WORKERS:
            place, trial = waiting.pop(0)
            process = os.fork()
            if not process:
                _try(session, trial, [items[test] for test in trial["tests"] if test in items])
            running[process] = (place, perf_counter())
            continue
        process, status = os.wait()
        place, began = running.pop(process)
        codes[place] = os.waitstatus_to_exitcode(status)
        folder = GIVEN.with_name(str(process))
        failed = folder / "failed"
        name = failed.read_text("utf-8") if failed.exists() else "a test does not end"
        plant.tell(trials[place], codes[place], name, perf_counter() - began)
        shutil.rmtree(folder, ignore_errors=True)
    GIVEN.with_name("done").write_text(json.dumps(codes), "utf-8")
    return True


def _try(session: pytest.Session, trial: plant.Trial, items: list[pytest.Item]) -> NoReturn:
    """Run tests with a defect until one fails, which ends this process with 1."""
    code = plant.UNPLANTED
    # A test may end the group of its processes.
    os.setsid()
    try:
        folder = GIVEN.with_name(str(os.getpid()))
        folder.mkdir()
        # With a database server of its own, which ends with this process.
        session.config._tmp_path_factory._basetemp = folder
        with (folder / "output").open("wb") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        if not trial["is_written"]:
            _plant(trial["path"], trial["number"])
        code = 1
        for item, following in zip(items, [*items, None][1:], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                (folder / "failed").write_text(item.nodeid, "utf-8")
                break
        else:
            code = plant.UNNOTICED
    finally:
        os._exit(code)


def _plant(path: str, number: int) -> None:
    """Give the functions of a file, wherever they are in use, the code that has the defect."""
    import_module(_PACKAGE + path.removesuffix(".py").replace("/", "."))
    tree = ast.fix_missing_locations(plant.Planter(path, number).planted())
    codes = {}
    for code in _codes(compile(tree, path, "exec")):
        codes[code.co_qualname, code.co_firstlineno] = code
    for function in gc.get_objects():
        if isinstance(function, FunctionType):
            code = function.__code__
            if code.co_filename.endswith(_CODE + path):
                function.__code__ = codes[code.co_qualname, code.co_firstlineno]


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
