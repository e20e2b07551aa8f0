# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module on the host that its task is delegated to, and whether Python can run it at all."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.qingguo.qgnet.plugins.module_utils._task import module
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import STORE_OPTIONS
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Operation
from support.documents import PLUGINS, ROOT, operation_of, plugin_names
from support.plugin_runs import run_as_module

FOUND = {name: operation_of(name) for name in plugin_names("action")}
OPERATIONS = {name: operation for name, operation in FOUND.items() if operation}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_optional_option_that_names_something_is_a_selector(name: str) -> None:
    operation = OPERATIONS[name]
    optional = {option for option, spec in operation.spec.items() if not spec.get("required")}
    assert NAMES & optional <= set(operation.selectors) <= optional
    assert [option for option in operation.selectors if operation.spec[option].get("default")] == []


#: Options by which a task names what it concerns.
NAMES = {"ips", "task_ids", "uuids", "suid", "all"}


#: A key that was written into the option of another value.
KEY = "WRONGPLACE99"


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({"url": KEY}, id="done"),
        pytest.param({"url": KEY, "count": "many"}, id="refused by AnsibleModule"),
    ],
)
def test_a_result_contains_no_options_even_if_they_are_refused(
    params: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    operation = Operation(
        spec={"url": {}, "count": {"type": "int"}},
        run=lambda _params, _mode: {"changed": True},
    )
    assert KEY not in json.dumps(run_as_module(operation, params, capsys))


@pytest.mark.parametrize(
    "store",
    [
        "postgresql://me:HUSH%40PW@db.example/qgnet",
        "postgresql://me@db.example/qgnet?password=HUSH%40PW",
        "postgresql:///qgnet?user=me&host=db.example&password=HUSH%40PW&sslmode=require",
    ],
)
def test_the_log_of_the_host_has_no_password_of_the_database(
    store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logged: list[Any] = []

    def log(*given: Any, **named: Any) -> None:
        logged.append([given, named])

    monkeypatch.setattr(AnsibleModule, "log", log)
    operation = Operation(STORE_OPTIONS, run=lambda _params, _mode: {"changed": False})
    run_as_module(operation, {"store": store}, capsys)
    assert "Invoked with store=postgresql:" in str(logged)
    assert "HUSH" not in str(logged)


# Python on a host that a task is delegated to


def test_a_python_that_is_too_old_is_reported_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "hexversion", 0x030912F0)
    monkeypatch.setattr(sys, "version_info", (3, 9, 18, "final", 0))
    with pytest.raises(SystemExit) as end:
        exec(compile(source, str(module.__file__), "exec"), {"__name__": "_module"})
    assert end.value.code == 1
    result = json.loads(capsys.readouterr().out)
    assert result["failed"] is True
    assert result["msg"] == (
        "qingguo.qgnet needs Python 3.10 or newer on the host that the task is delegated to, but "
        f"{sys.executable} is Python 3.9: set ansible_python_interpreter of that host to a newer "
        "one, or run the task on the control node."
    )


MODULES = sorted((ROOT / "plugins" / "modules").glob("*.py"))
RUN_THERE = [path for path in MODULES if "run_module" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize(
    "path", [*RUN_THERE, Path(str(module.__file__))], ids=lambda path: path.stem
)
def test_what_runs_before_the_check_is_read_by_the_oldest_python(path: Path) -> None:
    assert ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("path", RUN_THERE, ids=lambda path: path.stem)
def test_a_module_imports_the_check_before_the_rest_of_the_collection(path: Path) -> None:
    imports = [
        node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
    ]
    own = [node.module for node in imports if str(node.module).startswith(PLUGINS)]
    assert own[0] == f"{PLUGINS}.module_utils._task.module"
