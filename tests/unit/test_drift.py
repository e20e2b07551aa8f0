# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down in two places says the same in both."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.qingguo.qgnet.plugins.doc_fragments import account_api, proxy_api
from ansible_collections.qingguo.qgnet.plugins.module_utils._options import (
    ACCOUNT_API_OPTIONS,
    PROXY_API_OPTIONS,
    Spec,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._version import VERSION

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def plugins(kind: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / "plugins" / kind).glob("*.py") if not path.stem.startswith("_"))


def pinned_core(age: str) -> str:
    text = (ROOT / "tests" / "requirements" / f"core-{age}.txt").read_text(encoding="utf-8")
    found = re.search(r"^ansible-core==(\S+)$", text, re.MULTILINE)
    assert found
    return found[1]


def test_the_action_group_holds_every_module_once() -> None:
    assert load("meta/runtime.yml")["action_groups"]["qg"] == plugins("modules")


@pytest.mark.parametrize("name", plugins("modules"))
def test_every_module_documents_itself_under_its_own_name(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.qingguo.qgnet.plugins.modules.{name}")
    documentation = yaml.safe_load(module.DOCUMENTATION)
    assert documentation["module"] == name
    assert yaml.safe_load(module.EXAMPLES)
    assert yaml.safe_load(module.RETURN)


def test_every_action_has_a_module_that_documents_it() -> None:
    assert set(plugins("action")) <= set(plugins("modules"))


@pytest.mark.parametrize("name", plugins("inventory"))
def test_every_inventory_documents_itself_under_its_own_name(name: str) -> None:
    plugin = importlib.import_module(f"ansible_collections.qingguo.qgnet.plugins.inventory.{name}")
    documentation = yaml.safe_load(plugin.DOCUMENTATION)
    full_name = f"qingguo.qgnet.{name}"
    assert documentation["name"] == name
    assert full_name == plugin.InventoryModule.NAME
    assert documentation["options"]["plugin"]["choices"] == [full_name]
    assert yaml.safe_load(plugin.EXAMPLES)["plugin"] == full_name


@pytest.mark.parametrize("name", plugins("modules"))
def test_every_module_says_that_it_is_in_the_group(name: str) -> None:
    text = (ROOT / "plugins" / "modules" / f"{name}.py").read_text(encoding="utf-8")
    found = re.search(r'^DOCUMENTATION = r?"""(.*?)"""', text, re.MULTILINE | re.DOTALL)
    assert found
    fragments = yaml.safe_load(found[1]).get("extends_documentation_fragment", [])
    # Its other parts, such as attributes.info, do not tell.
    assert "qingguo.qgnet.attributes" in fragments


@pytest.mark.parametrize(
    ("fragment", "declared"),
    [
        (proxy_api.ModuleDocFragment, PROXY_API_OPTIONS),
        (account_api.ModuleDocFragment, ACCOUNT_API_OPTIONS),
    ],
    ids=["proxy_api", "account_api"],
)
def test_plugins_document_the_options_of_the_api_as_they_are_declared(fragment: Any, declared: Spec) -> None:
    documented = yaml.safe_load(fragment.PLUGIN)["options"]
    assert set(documented) == set(declared)
    for name, option in declared.items():
        told = documented[name]
        assert {field: told.get(field) for field in ("type", "default", "required")} == {
            field: option.get(field) for field in ("type", "default", "required")
        }
        assert [entry["name"] for entry in told.get("env", [])] == (
            option["fallback"][1] if "fallback" in option else []
        )


def test_the_user_agent_tells_the_version_of_the_collection() -> None:
    assert load("galaxy.yml")["version"] == VERSION


def test_the_collection_needs_no_other() -> None:
    assert load("galaxy.yml")["dependencies"] == {}


def test_the_oldest_core_that_is_tested_is_the_oldest_that_is_allowed() -> None:
    series = ".".join(pinned_core("oldest").split(".")[:2])
    assert load("meta/runtime.yml")["requires_ansible"] == f">={series}.0"


def test_execution_environments_get_what_the_modules_need() -> None:
    named = load("meta/execution-environment.yml")["dependencies"]["python"]
    lines = (ROOT / named).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == ["requests>=2.28"]


CLIENT = ROOT / "plugins" / "module_utils"


def floors() -> dict[str, int]:
    """The floor of each file or folder of the client, as CONTRIBUTING.md says it."""
    rows = re.findall(r"^\| (\d) \| (`_[^|]+) \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    return {name: int(floor) for floor, names in rows for name in re.findall(r"_[a-z_*/]+", names)}


def floor_of(name: str) -> int:
    """The floor of a file, by its path below the client without the ending."""
    folder = f"{name.partition('/')[0]}/" if "/" in name else ""
    places = floors()
    return places["_op_*"] if name.startswith("_op_") else places[name if name in places else folder]


def imported_files(path: Path) -> set[str]:
    """The files of the client that a file imports, however it writes that; not those for type checks alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    skipped = {id(inner) for check in checks for inner in ast.walk(check)}
    package = "ansible_collections.qingguo.qgnet.plugins.module_utils"
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in skipped:
            here = (f"{package}.{'.'.join(path.relative_to(CLIENT).parts)}").split(".")[:-1]
            base = ".".join([*here[: -node.level], *filter(None, [node.module])]) if node.level else node.module or ""
            for name in (base, *(f"{base}.{alias.name}" for alias in node.names)):
                place = name.removeprefix(f"{package}.").replace(".", "/")
                if name.startswith(f"{package}.") and (CLIENT / f"{place}.py").is_file():
                    found.add(place)
    return found


@pytest.mark.parametrize(
    "path", sorted(CLIENT.rglob("*.py")), ids=lambda path: str(path.relative_to(CLIENT).with_suffix(""))
)
def test_a_file_of_the_client_imports_from_no_higher_floor(path: Path) -> None:
    own = str(path.relative_to(CLIENT).with_suffix(""))
    imported = imported_files(path)
    assert imported or floor_of(own) in (0, 1)
    for name in imported:
        assert floor_of(name) <= floor_of(own), f"{own} imports {name}"
    text = path.read_text(encoding="utf-8")
    if "AnsibleModule" in re.sub(r'""".*?"""', "", text, flags=re.DOTALL):
        assert own == "_module"


@pytest.mark.parametrize("name", plugins("modules"))
def test_no_result_has_a_name_that_means_something_to_ansible(name: str) -> None:
    module = importlib.import_module(f"ansible_collections.qingguo.qgnet.plugins.modules.{name}")
    reserved = {"skipped", "failed", "unreachable", "exception", "warnings", "deprecations", "invocation", "results"}
    # Those that are used as Ansible means them need no documentation.
    assert not reserved & set(yaml.safe_load(module.RETURN))
