# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands between Ansible and an operation in a module: selectors, and whether Python can run it at all."""

from __future__ import annotations

import ast
import importlib
import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.validation import check_selectors
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import RELEASE, REPLACE
from ansible_collections.qingguo.qgnet.plugins.module_utils._task import module
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode, Operation, execute

PLUGINS = "ansible_collections.qingguo.qgnet.plugins"
ROOT = Path(__file__).resolve().parents[5]
#: Options by which a task names what it concerns.
NAMES = {"ips", "task_ids", "uuids", "suid", "all"}


class Ended(Exception):
    """The module ended, with this result."""


class FakeModule:
    """AnsibleModule with parameters that a test gives; like the real one, it knows null and omitted as None."""

    given: ClassVar[dict[str, Any]] = {}
    check_mode = _diff = False

    def __init__(self, argument_spec: dict[str, Any], **_rules: Any) -> None:
        self.params = {name: self.given.get(name) for name in argument_spec}

    def fail_json(self, **result: Any) -> None:
        raise Ended({"failed": True, **result})

    def exit_json(self, **result: Any) -> None:
        raise Ended(result)


def ended(monkeypatch: pytest.MonkeyPatch, operation: Operation, **given: Any) -> dict[str, Any]:
    """The result of the module with these parameters."""
    monkeypatch.setattr(FakeModule, "given", given)
    monkeypatch.setattr(module, "AnsibleModule", FakeModule)
    monkeypatch.setattr(module, "_load_params", lambda: given)
    with pytest.raises(Ended) as caught:
        module.run_module(operation)
    result: dict[str, Any] = caught.value.args[0]
    return result


@pytest.mark.parametrize("value", [None, [], "", " ", [""], [None, " "]])
def test_the_module_itself_refuses_an_empty_selector(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    operation = Operation(spec={"ips": {}}, run=lambda _params, _mode: {"changed": True}, selectors=("ips",))
    result = ended(monkeypatch, operation, ips=value)
    assert (result["failed"], result["changed"]) == (True, False)
    assert "never means all" in result["msg"]
    assert ended(monkeypatch, operation) == {"changed": True}
    assert ended(monkeypatch, operation, ips=["192.0.2.1"]) == {"changed": True}


@pytest.mark.parametrize(("selectors", "hint"), [(("ips",), False), (("ips", "all"), True)])
def test_the_refusal_names_all_only_if_there_is_such_an_option(selectors: tuple[str, ...], hint: bool) -> None:
    with pytest.raises(OptionError) as refusal:
        check_selectors(selectors, {"ips": []})
    assert refusal.value.message.startswith("ips is empty ([]), which never means all: ")
    assert ("all=true" in refusal.value.message) is hint


@pytest.mark.parametrize("operation", [RELEASE, REPLACE], ids=["release", "replace"])
def test_an_operation_on_leases_does_nothing_if_none_are_named(operation: Operation) -> None:
    params = {name: option.get("default") for name, option in operation.spec.items()}
    result = execute(operation, params, Mode())
    assert result["failed"] is True
    assert "all=true" in result["msg"]


def operations() -> dict[str, Operation]:
    """The operation of each module that has one."""
    names = sorted(path.stem for path in (ROOT / "plugins" / "action").glob("*.py"))
    actions = {name: importlib.import_module(f"{PLUGINS}.action.{name}").ActionModule for name in names}
    return {name: action.operation for name, action in actions.items() if hasattr(action, "operation")}


@pytest.mark.parametrize("name", operations())
def test_every_optional_option_that_names_something_is_a_selector(name: str) -> None:
    operation = operations()[name]
    optional = {option for option, spec in operation.spec.items() if not spec.get("required")}
    assert NAMES & optional <= set(operation.selectors) <= optional
    assert [option for option in operation.selectors if operation.spec[option].get("default")] == []


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
        f"qingguo.qgnet needs Python 3.10 or newer on the host that the task is delegated to, but {sys.executable} is "
        "Python 3.9: set ansible_python_interpreter of that host to a newer one, or run the task on the control node."
    )


MODULES = sorted((ROOT / "plugins" / "modules").glob("*.py"))
RUN_THERE = [path for path in MODULES if "run_module" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", [*RUN_THERE, Path(str(module.__file__))], ids=lambda path: path.stem)
def test_what_runs_before_the_check_is_read_by_the_oldest_python(path: Path) -> None:
    assert ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize("path", RUN_THERE, ids=lambda path: path.stem)
def test_a_module_imports_the_check_before_the_rest_of_the_collection(path: Path) -> None:
    imports = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    own = [node.module for node in imports if str(node.module).startswith(PLUGINS)]
    assert own[0] == f"{PLUGINS}.module_utils._task.module"
