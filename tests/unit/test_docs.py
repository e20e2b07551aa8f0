# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents are in step: the role's argument spec with the code, Chinese with English, examples with YAML."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.qingguo.qgnet.plugins.action.qg_egress_whitelist import SPEC
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account import endpoints as account_endpoints
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic import endpoints as classic_endpoints
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.errors import VENDOR_CODES
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse, Transport
from ansible_collections.qingguo.qgnet.plugins.module_utils._task import options
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode, Operation, execute
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import (
    ACCOUNT_API_OPTIONS,
    PROXY_API_OPTIONS,
    ProxyApiOptions,
)
from simulator.clock import Clock
from simulator.core import Core
from support.documents import ROOT, Rows, codes, documented_options, operation_of, role_options, table_rows
from support.in_process import KEY, InProcess, books, client, configure

ROLE = ROOT / "roles" / "egress_whitelist"
GUIDES = sorted(path.stem for path in (ROOT / "docs" / "docsite" / "rst").glob("*.rst"))
PREFIX = "egress_whitelist_"
Blocks = list[tuple[str, str]]


def markdown(path: Path) -> tuple[list[int], Blocks]:
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [len(marks) for marks in re.findall(r"^(#+) ", prose, re.MULTILINE)], blocks


def restructured(path: Path) -> tuple[list[int], Blocks]:
    text = path.read_text(encoding="utf-8")
    levels = ["=-~".index(line[0]) + 1 for line in re.findall(r"^\S.*\n(={3,}|-{3,}|~{3,})$", text, re.MULTILINE)]
    found = re.findall(r"^\.\. code-block:: (\w+)\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    return levels, [(kind, re.sub("^   ", "", body, flags=re.MULTILINE).rstrip() + "\n") for kind, body in found]


def uncommented(blocks: Blocks) -> Blocks:
    return [(kind, re.sub(r" # .*", "", body)) for kind, body in blocks]


def test_the_role_has_a_variable_for_every_option() -> None:
    assert set(role_options()) == {PREFIX + name for name in SPEC if name not in ("step", "vars_prefix")}


@pytest.mark.parametrize("name", sorted(role_options()))
def test_a_variable_is_what_the_option_is(name: str) -> None:
    variable, option = role_options()[name], SPEC[name.removeprefix(PREFIX)]
    for field in ("type", "default", "choices", "elements", "no_log"):
        assert variable.get(field) == option.get(field), field


def test_the_readme_of_the_role_lists_every_variable_in_order() -> None:
    text = (ROLE / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(role_options())


@pytest.mark.parametrize("guide", GUIDES)
def test_each_guide_is_linked(guide: str) -> None:
    sections = yaml.safe_load((ROOT / "docs" / "docsite" / "extra-docs.yml").read_text(encoding="utf-8"))["sections"]
    assert guide in [name for section in sections for name in section["toctree"]]
    for readme, place in (("README.md", f"docsite/rst/{guide}.rst"), ("README.zh-CN.md", f"zh-CN/{guide}.md")):
        text = (ROOT / readme).read_text(encoding="utf-8")
        assert re.search(rf"^\[{guide}\]: https://\S+/blob/main/docs/{re.escape(place)}$", text, re.MULTILINE)


@pytest.mark.parametrize("guide", GUIDES)
def test_links_between_guides_lead_somewhere(guide: str) -> None:
    english = (ROOT / "docs" / "docsite" / "rst" / f"{guide}.rst").read_text(encoding="utf-8")
    label = r"ansible_collections\.qingguo\.qgnet\.docsite\.(\w+)"
    assert re.findall(rf"^\.\. _{label}:$", english, re.MULTILINE) == [guide]
    named = re.findall(rf":ref:`{label}`", english)
    assert set(named) <= set(GUIDES)
    chinese = (ROOT / "docs" / "zh-CN" / f"{guide}.md").read_text(encoding="utf-8")
    assert f"(../docsite/rst/{guide}.rst)" in chinese
    assert re.findall(r"\((\w+)\.md\)", chinese) == named


@pytest.mark.parametrize("guide", GUIDES)
def test_the_chinese_twin_of_a_guide_has_the_same_headings_and_examples(guide: str) -> None:
    english = restructured(ROOT / "docs" / "docsite" / "rst" / f"{guide}.rst")
    chinese = markdown(ROOT / "docs" / "zh-CN" / f"{guide}.md")
    assert english[0] == chinese[0]
    assert uncommented(english[1]) == uncommented(chinese[1])


def test_the_chinese_readme_has_the_same_headings_and_examples() -> None:
    english, chinese = markdown(ROOT / "README.md"), markdown(ROOT / "README.zh-CN.md")
    assert (english[0], uncommented(english[1])) == (chinese[0], uncommented(chinese[1]))


@pytest.mark.parametrize("english", sorted((ROOT / "examples").rglob("README.md")), ids=lambda path: path.parent.name)
def test_the_chinese_twin_of_a_project_has_the_same_headings_and_examples(english: Path) -> None:
    assert markdown(english) == markdown(english.with_name("README.zh-CN.md"))


def test_the_examples_of_the_readme_are_yaml() -> None:
    for kind, body in markdown(ROOT / "README.md")[1]:
        if kind == "yaml":
            assert yaml.safe_load(body)


# The coverage of the vendor's API: rows of cells, by the headings of their tables.

#: A call, a parameter or nothing, and a module that sends it.
Sent = tuple[str, str, str]
ACCOUNT_PATHS = {
    value.path for value in vars(account_endpoints).values() if isinstance(value, account_endpoints.AccountEndpoint)
}
COVERAGE = ROOT / "docs" / "docsite" / "rst" / "api_coverage.rst"


def coverage() -> Rows:
    return table_rows(COVERAGE.read_text(encoding="utf-8"))


def unused(row: dict[str, str]) -> bool:
    return row.get("option", "").startswith("not used")


def test_markup_does_not_end_at_a_parenthesis_within_it() -> None:
    files = [*ROOT.glob("plugins/**/*.py"), *ROOT.glob("extensions/eda/plugins/**/*.py"), *ROOT.glob("roles/**/*.yml")]
    # V(), O() and the like know the escape \), C() and its kind do not.
    broken = re.compile(r"\b(?:[BCIU]\([^()]*\(|(?:[EOPV]|RV)\([^()]*\([^)\\]*\))")
    found = {path.name: broken.findall(path.read_text(encoding="utf-8")) for path in files}
    assert {name: markup for name, markup in found.items() if markup} == {}
    assert broken.search("C(default(omit))")
    assert broken.search("V(default(omit))")
    assert not broken.search("V(default(omit\\)) and C(omit)")


def test_the_coverage_has_each_call() -> None:
    called = {value for value in vars(classic_endpoints).values() if isinstance(value, classic_endpoints.Endpoint)}
    # That one is a limit, and not a call.
    called.remove(classic_endpoints.RELEASED_ADDRESSES)
    rows = [row for row in coverage() if "call" in row]
    names = {endpoint.name for endpoint in called} | ACCOUNT_PATHS
    assert {call for row in rows for call in codes(row["call"])} == names


def test_the_coverage_names_options_that_exist() -> None:
    wrong = []
    for row in coverage():
        modules = codes(row.get("module", ""))
        known = [documented_options(module) for module in modules] or [PROXY_API_OPTIONS | ACCOUNT_API_OPTIONS]
        for text in codes(row.get("option", "")):
            option, _equals, value = text.partition("=")
            fits = [option in options and (not value or value in options[option]["choices"]) for options in known]
            # What begins with a capital is the vendor's.
            if option.islower() and not all(fits):
                wrong.append((text, modules))
    assert not wrong


def test_the_coverage_has_each_code() -> None:
    reported = {row["code"]: row["meaning"] for row in coverage() if "code" in row}
    assert {code: reported.get(str(code)) for code in VENDOR_CODES} == {
        code: known.meaning for code, known in VENDOR_CODES.items()
    }


def test_the_chinese_coverage_has_the_same_rows() -> None:
    text = (ROOT / "docs" / "zh-CN" / "api_coverage.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    chinese = [re.findall("`(.+?)`", line) for line in lines]
    english = [[code for cell in row.values() for code in codes(cell)] for row in coverage()]
    # Rows without code differ in language alone.
    assert [row for row in chinese if row] == [row for row in english if row]


class Recorder(InProcess):
    """Keeps which parameters each call had."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self.sent: set[tuple[str, str]] = set()

    def send(self, method: str, url: str, parameters: Any, endpoint: str) -> Any:
        """Keep them, and go on."""
        self.sent |= {(endpoint, name) for name in parameters if name not in ("Key", "Pwd")} or {(endpoint, "")}
        return super().send(method, url, parameters, endpoint)


def validated(module: str, options: dict[str, Any]) -> tuple[Operation, dict[str, Any]]:
    """The operation of a module, and its options as Ansible hands them over."""
    operation = operation_of(module)
    assert operation
    validation = ArgumentSpecValidator(operation.spec, **operation.rules).validate(options)
    assert not validation.error_messages
    return operation, validation.validated_parameters


class Desk:
    """Runs modules in this process, with the simulator's core for a vendor."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.patch = monkeypatch
        self.sent: set[Sent] = set()
        self.begin("dynamic_dedicated")

    def begin(self, kind: str) -> None:
        """Another vendor, and a control node that remembers nothing."""
        self.core = Core(clock=Clock(time.time()), seed=1)
        configure(self.core, plan={"kind": kind, "channels": 20})
        self.forget()

    def forget(self) -> None:
        self.directory = self.directory / "x"

    def run(self, module: str, **options: Any) -> dict[str, Any]:
        # Reads that show the product have no parameters, and are those of every module.
        product = {"product": "classic"} if "product" in documented_options(module) else {}
        operation, parameters = validated(module, {"key": KEY, **product, **options})
        wire = Recorder(self.core)
        api = client(self.core, self.directory, 300, wire)
        self.patch.setattr(ProxyApiOptions, "client", lambda _options, _state=None, announcer=None: api)
        result = execute(operation, parameters, Mode())
        assert "failed" not in result, result
        self.sent |= {(call, parameter, module) for call, parameter in wire.sent}
        return result


TERMS = {"keep_alive": 60, "areas": ["440100"], "isp": "mobile", "distinct": True}


def lease_and_look(desk: Desk) -> None:
    found = desk.run("qg_proxy_allocate", count=4, **TERMS)["leases"]
    desk.run("qg_proxy_info", task_ids=[found[0]["task_id"]])
    desk.run("qg_quota_info")
    desk.forget()
    desk.run("qg_area_info", areas=["440100"], isp="mobile", available=True)
    desk.forget()
    desk.run("qg_proxy_allocate", count=5, areas=["440100"])
    desk.run("qg_proxy_allocate", count=4, exact=True)


def give_up_and_swap(desk: Desk) -> None:
    desk.run("qg_proxy_allocate", count=4)
    desk.run("qg_proxy_replace", all=True, **TERMS)
    ips = [lease["ip"] for lease in desk.run("qg_proxy_info")["leases"]]
    desk.forget()
    desk.run("qg_proxy_replace", ips=ips, **TERMS)
    desk.forget()
    desk.run("qg_proxy_release", all=True)


@pytest.mark.parametrize("module", ["qg_proxy_allocate", "qg_proxy_release", "qg_proxy_replace"])
def test_an_address_that_is_leased_twice_is_named_by_its_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    twins(Desk(tmp_path, monkeypatch), module)


def twins(desk: Desk, module: str) -> None:
    """Two leases with one address, of which the one that ends first goes."""
    desk.begin("dynamic_dedicated")
    task = desk.run("qg_proxy_allocate", count=1, keep_alive=5)["leases"][0]["task_id"]
    desk.run("qg_proxy_allocate", count=3)
    held = books(desk.core).leases
    held[0].ip = held[1].ip
    desk.sent = set()
    desk.run(module, **({"count": 2, "exact": True} if module == "qg_proxy_allocate" else {"task_ids": [task]}))
    assert ("/release", "TaskID", module) in desk.sent
    assert ("/release", "IP", module) not in desk.sent


def look_into_the_pool(desk: Desk) -> None:
    desk.begin("dynamic_shared")
    desk.run("qg_proxy_pool_info", count=2, areas=["440100"], isp="mobile", pool="normal")


def manage_the_whitelist(desk: Desk) -> None:
    desk.run("qg_whitelist", ips=["203.0.113.5"], allow_non_global=True)
    desk.run("qg_whitelist", ips=["203.0.113.5"], state="absent")
    desk.run("qg_whitelist_info")


def hold_monopolies(desk: Desk) -> None:
    desk.begin("exclusive_occupancy")
    held = desk.run("qg_monopoly", count=2, areas=["440100"], isp="mobile")["monopolies"]
    desk.run("qg_monopoly_info", uuids=[held[0]["uuid"]])
    desk.forget()
    desk.run("qg_monopoly", count=3, areas=["440100"])
    desk.core.clock.advance(13 * 3600)
    desk.run("qg_monopoly", state="redialled", all=True)
    desk.run("qg_monopoly", state="absent", all=True)


STORIES: list[Callable[[Desk], None]] = [
    *(lease_and_look, give_up_and_swap, look_into_the_pool, manage_the_whitelist, hold_monopolies)
]


def test_each_parameter_is_sent_by_the_modules_that_the_table_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: set[Sent] = set()
    for number, story in enumerate(STORIES):
        desk = Desk(tmp_path / str(number), monkeypatch)
        story(desk)
        sent |= desk.sent
    for module in ("qg_proxy_allocate", "qg_proxy_release", "qg_proxy_replace"):
        desk = Desk(tmp_path / module, monkeypatch)
        twins(desk, module)
        sent |= desk.sent
    assert reported_to_send(lambda call: call not in ACCOUNT_PATHS) == sent


def reported_to_send(counts: Callable[[str], bool]) -> set[Sent]:
    """What the tables say of the calls that count."""
    return {
        (call, parameter, module)
        for row in coverage()
        if "call" in row and not unused(row)
        for call in codes(row["call"])
        if counts(call)
        for parameter in codes(row["parameter"]) or [""]
        for module in codes(row["module"])
        # It calls as qg_whitelist does, from its own action plugin.
        if module != "qg_egress_whitelist"
    }


class AccountRecorder(Transport):
    """The simulator's core for a vendor of accounts; keeps which parameters each call had."""

    def __init__(self) -> None:
        super().__init__(timeout=10)
        self.core = Core(clock=Clock(time.time()), seed=1)
        self.sent: set[tuple[str, str]] = set()

    def send(self, method: str, url: str, parameters: Any, endpoint: str) -> HttpResponse:
        """Keep them, and hand the call in."""
        common = {"appid", "domain", "time", "sign"}
        assert common <= set(parameters)
        self.sent |= {(endpoint, name) for name in set(parameters) - common} or {(endpoint, "")}
        status, body = self.core.handle(method, f"/api{endpoint}", parameters)
        return HttpResponse(status, json.dumps(body), {})


ORDER = {"package_no": "1111", "system_no": "1", "duration": "1m", "product_id": 104}
ACCOUNT_TASKS: list[tuple[str, dict[str, Any]]] = [
    ("qg_balance_info", {}),
    ("qg_cloud_instance_info", {"product_id": 104}),
    ("qg_cloud_instance_info", {"suid": "12154545"}),
    ("qg_cloud_line_info", {"product_id": 115}),
    ("qg_cloud_package_facts", {**ORDER, "line_no": "ap-beijing", "area_no": "ap-beijing-1"}),
    ("qg_cloud_package_info", {**ORDER, "line_no": "ap-beijing", "area_no": "ap-beijing-1"}),
    ("qg_cloud_price_info", ORDER),
    ("qg_proxy_plan_info", {"resource_no": "demo0001", "product_id": 117}),
]


def test_each_parameter_of_an_account_is_sent_by_the_modules_that_the_table_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: set[Sent] = set()
    for module, task in ACCOUNT_TASKS:
        operation, parameters = validated(module, {"app_id": "qgdemo01", "app_key": "0123456789abcdef0123", **task})
        wire = AccountRecorder()
        monkeypatch.setattr(options.TransportOptions, "transport", lambda *_arguments, wire=wire: wire)
        result = execute(operation, parameters, Mode())
        assert "failed" not in result, result
        sent |= {(call, parameter, module) for call, parameter in wire.sent}
    assert reported_to_send(lambda call: call in ACCOUNT_PATHS) == sent
