# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down in two places says the same in both."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from ansible_collections.qingguo.qgnet.plugins.doc_fragments import (
    account_api,
    product,
    proxy_api,
    state_dir,
    transport,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account.errors import AccountError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.errors import ApiError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product.errors import ProductError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.version import VERSION
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import (
    ACCOUNT_API_OPTIONS,
    PRODUCT_OPTIONS,
    PROXY_API_OPTIONS,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import Spec, environment_name, variable_name
from support.documents import documented_options, plugin, plugin_names, read, returned_values


def load(name: str) -> Any:
    return yaml.safe_load(read(name))


def pinned_core(age: str) -> str:
    found = re.search(r"^ansible-core==(\S+) ", read(f"tests/requirements/locks/core-{age}.txt"), re.MULTILINE)
    assert found
    return found[1]


@pytest.mark.parametrize("name", plugin_names("modules"))
def test_every_module_documents_itself_under_its_own_name(name: str) -> None:
    module = plugin("modules", name)
    assert yaml.safe_load(module.DOCUMENTATION)["module"] == name
    assert yaml.safe_load(module.EXAMPLES)
    # Those that are used as Ansible means them need no documentation.
    reserved = {"skipped", "failed", "unreachable", "exception", "warnings", "deprecations", "invocation", "results"}
    assert returned_values(name)
    assert not reserved & set(returned_values(name))


def test_every_action_has_a_module_that_documents_it() -> None:
    assert set(plugin_names("action")) <= set(plugin_names("modules"))


@pytest.mark.parametrize("name", plugin_names("inventory"))
def test_every_inventory_documents_itself_under_its_own_name(name: str) -> None:
    inventory, full_name = plugin("inventory", name), f"qingguo.qgnet.{name}"
    documentation = yaml.safe_load(inventory.DOCUMENTATION)
    assert documentation["name"] == name
    assert full_name == inventory.InventoryModule.NAME
    assert documentation["options"]["plugin"]["choices"] == [full_name]
    assert yaml.safe_load(inventory.EXAMPLES)["plugin"] == full_name


@pytest.mark.parametrize(
    ("fragments", "declared"),
    [
        ((proxy_api, transport, state_dir), PROXY_API_OPTIONS),
        ((account_api, transport), ACCOUNT_API_OPTIONS),
        ((product,), PRODUCT_OPTIONS),
    ],
    ids=["proxy_api", "account_api", "product"],
)
def test_plugins_document_the_options_of_the_api_as_they_are_declared(fragments: Any, declared: Spec) -> None:
    documented: dict[str, Any] = {}
    for fragment in fragments:
        documented |= yaml.safe_load(fragment.ModuleDocFragment.PLUGIN)["options"]
    assert set(documented) == set(declared)
    for name, option in declared.items():
        reported = documented[name]
        fields = ("type", "default", "required", "aliases")
        assert {field: reported.get(field) for field in fields} == {field: option.get(field) for field in fields}
        assert [entry["name"] for entry in reported["env"]] == option["fallback"][1] == [environment_name(name)]
        assert [entry["name"] for entry in reported["vars"]] == [variable_name(name)]


def test_the_collection_has_the_version_of_the_user_agent_and_needs_no_other() -> None:
    galaxy = load("galaxy.yml")
    assert (galaxy["version"], galaxy["dependencies"]) == (VERSION, {})


def test_the_oldest_core_that_is_tested_is_the_oldest_that_is_allowed() -> None:
    series = ".".join(pinned_core("oldest").split(".")[:2])
    assert load("meta/runtime.yml")["requires_ansible"] == f">={series}.0"


def test_the_metrics_look_for_the_file_that_a_failed_refresh_of_a_gateway_leaves() -> None:
    gateway = yaml.safe_load(read("roles/proxy_gateway/defaults/main.yml"))
    assert f"default('{gateway['proxy_gateway_configuration']}.failure', true)" in read("playbooks/metrics.yml")


def test_execution_environments_get_what_the_modules_need() -> None:
    lines = read(load("meta/execution-environment.yml")["dependencies"]["python"]).splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == ["requests>=2.28"]


#: A refusal of each API, by the option that a module calls it with.
REFUSALS: dict[str, QgError] = {
    "key": ApiError(-100, "/query", http_status=200),
    "product": ProductError("INVALID_KEY", "/query", http_status=400, request_id="number"),
    "app_key": AccountError(
        "/lines", code="404", said="text", request_id="number", http_status=200, asked="all", ahead=None
    ),
}
#: The type of the vendor's code, by the types of its values.
CODE_TYPES = {frozenset[type](): None, frozenset({int}): "int", frozenset({str}): "str", frozenset({int, str}): "raw"}


@pytest.mark.parametrize("name", plugin_names("modules"))
def test_every_module_documents_what_it_returns_when_the_vendor_refuses(name: str) -> None:
    # One takes a product only to refuse any other than classic before a call, one returns refusals as findings, and one
    # returns only facts, and the refusal in its message. The last one makes no call.
    without = {"qg_proxy_pool_info": {"product"}, "qg_doctor_info": {"product", "key"}}
    without |= {"qg_cloud_package_facts": {"app_key"}, "qg_ledger_info": {"product", "key"}}
    taken = documented_options(name).keys() - without.get(name, set())
    refusals = [error.as_result() for option, error in REFUSALS.items() if option in taken]
    returned = returned_values(name)
    of_failures = {key for key, entry in returned.items() if re.search(r"\brefused\b|on failure", entry["returned"])}
    assert of_failures == {key for refusal in refusals for key in refusal} - {"msg"}
    code_type = CODE_TYPES[frozenset(type(refusal["code"]) for refusal in refusals)]
    assert returned.get("code", {}).get("type") == code_type
