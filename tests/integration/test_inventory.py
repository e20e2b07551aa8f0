# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory of the vendor's cloud, as a user runs it."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.qingguo.qgnet.plugins.inventory.qg_cloud import EXAMPLES
from simulator.fixture import Simulator
from support.ansible_launcher import READ_BY_IMPORT
from support.playbooks import LAUNCHER, PLAY_SECONDS, Playground, calls

pytestmark = pytest.mark.measured

PATH = "/api/cloud-business/getDetail"
PLUGIN = "plugin: qingguo.qgnet.qg_cloud\n"
#: Text that would run a command if it were taken for a template.
TRAP = "{{ lookup('ansible.builtin.pipe', 'touch TRAPPED; id') }}"
BAD_SIGNATURE = "/cloud-business/getDetail was refused with code"
Options = Mapping[str, Any]


def service(suid: str, **changes: Any) -> dict[str, Any]:
    """One as the vendor returns it."""
    return {
        "Suid": suid,
        "line_no": "ap-shanghai",
        "area_no": "ap-shanghai-1",
        "spec_no": "S1.SMALL2",
        "spec_name": "标准型",
        "Host_id": "1",
        "Host_name": "node-1",
        "Ip": f"198.51.100.{suid[-1]}",
        "Local_ip": f"192.0.2.{suid[-1]}",
        "Run_status": "1",
        "Order_status": "1",
        "Bandwidth": "5",
        "System_no": "img",
        "System_name": "CentOS 7.9 64位",
        "Adsl_name": "",
        "Adsl_password": f"secret-adsl-{suid}",
        "Business_password": f"secret-business-{suid}",
        "Login_password": f"secret-login-{suid}",
        **changes,
    }


def document(text: str) -> Any:
    """The JSON behind what Ansible prints with ``-v``; it marks what is no template, since 2.19 all of the vendor's."""

    def unmarked(item: dict[str, Any]) -> Any:
        return item.get("__ansible_unsafe", item)

    return json.loads(text[text.index("{\n") :], object_hook=unmarked)


class Cloud:
    """An account at the simulator, and ansible-inventory that reads it."""

    def __init__(self, sim: Simulator, playground: Playground) -> None:
        self.sim = sim
        self.playground = playground
        self.environment = {"QG_APP_ID": sim.app_id, "QG_APP_KEY": sim.app_key, "QG_ACCOUNT_URL": sim.account_url}

    def file(self, options: Options | str, name: str = "site.qg_cloud.yml") -> Path:
        text = options if isinstance(options, str) else yaml.safe_dump(dict(options), allow_unicode=True)
        # Of the addresses that tests may use, none is public.
        allowed = "" if "allow_non_global" in text else "allow_non_global: true\n"
        return self.playground.write(name, PLUGIN + allowed + (text if options else ""))

    def run(
        self, options: Options | str, *arguments: str, name: str = "site.qg_cloud.yml", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        named = {
            **self.playground._environment(self.playground.root / "record", self.playground.root / "spy"),
            **self.environment,
            **environment,
        }
        command = str(Path(sys.executable).parent / "ansible-inventory")
        return LAUNCHER.run(
            [command, "-i", str(self.file(options, name)), *(arguments or ("--list",))],
            self.playground.root / "play",
            {variable: value for variable, value in named.items() if value},
            PLAY_SECONDS,
            fresh=any(variable.startswith(READ_BY_IMPORT) for variable in environment),
        )

    def listed(self, options: Options | str, *arguments: str, **environment: str) -> dict[str, Any]:
        """Host variables, and groups with their hosts, of an inventory that could be read."""
        run = self.run(options, "--list", *arguments, **environment)
        assert run.returncode == 0, run.stderr
        assert "Failed to parse" not in run.stderr, run.stderr
        reported = document(run.stdout)
        return {
            "hosts": reported["_meta"]["hostvars"],
            "groups": {
                name: group.get("hosts", []) for name, group in reported.items() if name not in ("_meta", "all")
            },
            "stderr": " ".join(run.stderr.split()),
            "output": run.stdout + run.stderr,
        }

    def refused(self, options: Options | str, *arguments: str, **environment: str) -> str:
        """The sentence of an inventory that could not be read; no host comes of it."""
        run = self.run(options, "--list", *arguments, **environment)
        assert "Traceback" not in run.stderr, run.stderr
        assert not document(run.stdout)["_meta"]["hostvars"], run.stdout
        return " ".join((run.stdout + run.stderr).split())

    def calls(self) -> int:
        """Page calls since this was asked last."""
        number = len(calls(self.sim, PATH))
        self.sim.control("DELETE", "/journal")
        return number


@pytest.fixture
def cloud(sim: Simulator, playground: Playground) -> Cloud:
    return Cloud(sim, playground)


def cached(playground: Playground) -> dict[str, Any]:
    return {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(playground.root / "cache"),
    }


def cache_files(playground: Playground) -> list[Path]:
    return [path for path in (playground.root / "cache").rglob("*") if path.is_file()]


# --- what is there


def test_a_service_becomes_a_host_with_variables_and_groups(cloud: Cloud) -> None:
    cloud.sim.agent(instances=[service("104000001")])
    found = cloud.listed({})
    assert list(found["hosts"]) == ["104000001"]
    host = found["hosts"]["104000001"]
    assert host["ansible_host"] == host["qg_ip"] == "198.51.100.1"
    assert (host["qg_bandwidth"], host["qg_run_status"], host["qg_run_status_code"]) == (5, "running", 1)
    assert host["qg_product_id"] is host["qg_adsl_name"] is None
    assert host["qg_spec_name"] == "标准型"
    assert not any("password" in name or "vendor" in name for name in host)
    assert set(found["groups"]) == {
        "qg_line_ap_shanghai",
        "qg_area_ap_shanghai_1",
        "qg_status_running",
        "qg_order_normal",
        "qg_os_linux",
        "qg_system_centos_7_9_64位",
    }
    assert found["stderr"] == ""


@pytest.mark.newest_core
def test_systems_are_distinguished(cloud: Cloud) -> None:
    systems = ["CentOS 7.9 64位", "windows 2012", "Windows Server 2019 数据中心版 64位中文版", "own image", ""]
    cloud.sim.agent(instances=[service(f"{n}", System_name=name) for n, name in enumerate(systems, 1)])
    found = cloud.listed({"default_groups": ["os"], "group_prefix": ""})
    assert found["groups"] == {"os_linux": ["1"], "os_windows": ["2", "3"], "os_unknown": ["4", "5"]}
    assert not any(name.startswith("ansible_") and name != "ansible_host" for name in found["hosts"]["2"])


@pytest.mark.newest_core
def test_default_groups_can_be_switched_off(cloud: Cloud) -> None:
    cloud.sim.agent(instances=[service("1")])
    assert cloud.listed({"default_groups": []})["groups"] == {"ungrouped": ["1"]}


@pytest.mark.newest_core
def test_brands_are_asked_for_one_by_one(cloud: Cloud) -> None:
    cloud.sim.agent(instances={"104": 60, "113": 3, "115": 2})
    found = cloud.listed({"product_ids": [104, 113], "simple_filters": {"ip": "*"}, "default_groups": ["product"]})
    assert cloud.calls() == 3
    assert set(found["groups"]) == {"qg_product_104", "qg_product_113"}
    assert {host["qg_product_id"] for host in found["hosts"].values()} == {104, 113}
    assert cloud.listed({})["hosts"].keys() > found["hosts"].keys()


#: Include and exclude filters, and the services that are left.
FILTERS: list[tuple[list[dict[str, Any]], list[str]]] = [
    ([], ["1", "2", "3", "4"]),
    # The first one that is true decides, and without one the service is included.
    ([{"include": "qg_suid == '1'"}, {"exclude": "qg_bandwidth < 50"}], ["1", "4"]),
    ([{"exclude": "qg_bandwidth < 50"}, {"include": "qg_suid == '1'"}], ["4"]),
    ([{"include": "qg_suid in ['2', '3']"}, {"exclude": True}], ["2", "3"]),
    ([{"include": True}, {"exclude": True}], ["1", "2", "3", "4"]),
    ([{"include": False}, {"exclude": "inventory_hostname is match('.*-3')"}], ["1", "2", "4"]),
    ([{"exclude": "ansible_host == '198.51.100.2' or qg_bandwidth > most | int"}], ["1", "3"]),
]


@pytest.mark.newest_core
def test_include_and_exclude_filters(cloud: Cloud) -> None:
    cloud.sim.agent(instances=[service("1"), service("2"), service("3"), service("4", Bandwidth="100")])
    files = [
        cloud.file(
            {"filters": filters, "use_extra_vars": True, "hostnames": [f"{{{{ 'list{number}-' ~ qg_suid }}}}"]},
            f"{number}.qg_cloud.yml",
        )
        for number, (filters, _left) in enumerate(FILTERS)
    ]
    more = [argument for file in files for argument in ("-i", str(file))]
    found = cloud.listed({"filters": [{"exclude": True}]}, *more, "-e", "most=50")
    expected = [f"list{number}-{suid}" for number, (_filters, left) in enumerate(FILTERS) for suid in left]
    assert list(found["hosts"]) == expected


@pytest.mark.newest_core
def test_filters_are_applied_before_a_service_is_missed_or_renamed(cloud: Cloud) -> None:
    cloud.sim.agent(
        instances=[
            service("1", Host_name="web"),
            service("2", Host_name="web"),
            service("3", Ip=""),
            service("4", line_no="ap-beijing"),
            service("5", System_name="windows 2012"),
        ]
    )
    simple = {"line_no": ["ap-sh*"], "run_status": "running", "os_family": "linux"}
    options = {"simple_filters": simple, "hostnames": ["host_name"]}
    reported = cloud.listed(options)
    assert list(reported["hosts"]) == ["web", "web_2"]
    assert "1 of 5 services left out: 3 (no ip, running)." in reported["stderr"]
    found = cloud.listed({**options, "filters": [{"exclude": "ansible_host is none or qg_suid == '1'"}]})
    assert {name: host["qg_suid"] for name, host in found["hosts"].items()} == {"web": "2"}
    assert "services" not in found["stderr"]
    assert cloud.calls() == 2
    cloud.refused({"simple_filters": {"nothing": 1}})
    assert cloud.calls() == 0


@pytest.mark.newest_core
def test_names(cloud: Cloud) -> None:
    cloud.sim.agent(
        instances=[
            service("1", Host_name="web"),
            service("2", Host_name="web"),
            service("3", Host_name="not a name"),
            service("4", Host_name="localhost"),
        ]
    )
    found = cloud.listed({"hostnames": ["host_name", "ip"]})
    assert {name: host["qg_suid"] for name, host in found["hosts"].items()} == {
        "web": "1",
        "web_2": "2",
        "198.51.100.3": "3",
        "198.51.100.4": "4",
    }
    assert "1 of 4 services renamed, because another service has the same name: 2 (web_2)." in found["stderr"]
    found = cloud.listed({"hostnames": ["{{ qg_adsl_name | default('', true) }}", "{{ qg_area_no }}-{{ qg_suid }}"]})
    assert list(found["hosts"]) == [f"ap-shanghai-1-{number}" for number in range(1, 5)]


@pytest.mark.newest_core
def test_the_local_address(cloud: Cloud) -> None:
    cloud.sim.agent(instances=[service("1"), service("2", Local_ip="")])
    found = cloud.listed({"connect_with": "local", "vars_prefix": "cloud_"})
    assert list(found["hosts"]) == ["1"]
    assert found["hosts"]["1"]["ansible_host"] == found["hosts"]["1"]["cloud_local_ip"] == "192.0.2.1"
    assert "1 of 2 services left out: 2 (no local_ip, running)." in found["stderr"]


def test_the_vendor_leads_ansible_neither_to_this_machine_nor_into_its_network(cloud: Cloud) -> None:
    odd = {"2": "127.0.0.1", "3": "169.254.169.254", "4": "::ffff:127.0.0.1", "5": "localhost", "6": "0.0.0.0"}
    services = [service("1", Ip="8.8.4.4", Local_ip="10.0.0.1"), service("7", Ip="10.0.0.7", Local_ip="10.0.0.7")]
    services += [service(suid, Ip=ip, Local_ip=ip, Host_name="localhost") for suid, ip in odd.items()]
    cloud.sim.agent(instances=services)
    found = cloud.listed({"allow_non_global": False, "hostnames": ["host_name", "suid"]}, "-v")
    assert {name: host["ansible_host"] for name, host in found["hosts"].items()} == {"node-1": "8.8.4.4"}
    for suid, ip in {**odd, "7": "10.0.0.7"}.items():
        assert re.search(rf"\b{suid}: ip '?{re.escape(ip)}'? is not an address", found["output"]), found["output"]
    for options in ({"allow_non_global": True}, {"allow_non_global": False, "connect_with": "local"}):
        found = cloud.listed({**options, "hostnames": ["host_name", "suid"]})
        assert sorted(found["hosts"]) == ["node-1", "node-1_7"]
        assert "5 of 7 services left out: 2 (" in found["stderr"]


@pytest.mark.newest_core
def test_hosts_without_an_address_are_reported_in_one_warning(cloud: Cloud) -> None:
    bare = [service(f"{number}", Ip="", Run_status="0") for number in range(10, 17)]
    cloud.sim.agent(instances=[service("1"), *bare])
    found = cloud.listed({})
    assert list(found["hosts"]) == ["1"]
    assert found["stderr"].count("WARNING") == 1
    assert "7 of 8 services left out: 10 (no ip, provisioning), 11" in found["stderr"]
    assert "and 2 more, all with -v" in found["stderr"]
    assert "16" not in found["stderr"]
    assert (
        "qingguo.qgnet.qg_cloud: 16: no ip, provisioning"
        in cloud.listed({}, "-v")["output"] + cloud.run({}, "-v", "--list").stdout
    )


def test_constructed_options(cloud: Cloud) -> None:
    cloud.sim.agent(instances=[service("1"), service("2", System_name="windows 2012", spec_no="C3")])
    found = cloud.listed(
        {
            "compose": {
                "ansible_host": "qg_local_ip",
                "ansible_connection": "'winrm' if qg_os_family == 'windows' else 'ssh'",
            },
            "groups": {"wide": "qg_bandwidth >= 5", "remote": "ansible_connection == 'winrm'"},
            "keyed_groups": [{"key": "qg_spec_no", "prefix": "spec"}, {"key": "qg_spec_no"}],
            "leading_separator": False,
            "default_groups": [],
        }
    )
    assert found["hosts"]["1"]["ansible_host"] == "192.0.2.1"
    assert [found["hosts"][name]["ansible_connection"] for name in "12"] == ["ssh", "winrm"]
    assert found["groups"] == {
        "wide": ["1", "2"],
        "remote": ["2"],
        "spec_S1_SMALL2": ["1"],
        "S1_SMALL2": ["1"],
        "spec_C3": ["2"],
        "C3": ["2"],
    }


def test_strict(cloud: Cloud) -> None:
    cloud.sim.agent(instances=[service("1")])
    options = {"compose": {"x": "qg_nothing"}}
    assert "x" not in cloud.listed(options)["hosts"]["1"]
    run = cloud.run({**options, "strict": True}, "--list")
    assert "Could not set x for host 1" in " ".join(run.stderr.split())


#: Expressions that have a value for the first two of the services 1 to 5, and none for the third.
BROKEN: dict[str, Options] = {
    "compose": {"compose": {"x": "1 // (qg_bandwidth - 3)"}},
    "groups": {"groups": {"x": "1 // (qg_bandwidth - 3) < 0"}},
    "keyed_groups": {"keyed_groups": [{"key": "(1 // (qg_bandwidth - 3)) | string", "parent_group": "mine"}]},
}
OTHER_SOURCE = """
mine: {hosts: {web: {y: kept}}}
x: {hosts: {"1": {x: kept}}}
"""


@pytest.mark.parametrize("option", BROKEN)
def test_an_error_for_one_host_leaves_no_host_and_no_group(cloud: Cloud, option: str) -> None:
    """A play would run on those before it. What another source of the inventory added is as it was."""
    cloud.sim.agent(instances=[service(number, Bandwidth=number) for number in "12345"])
    options = {**BROKEN[option], "strict": True}
    run = cloud.run(options, "--list")
    assert "host 3" in " ".join(run.stderr.split())
    assert set(document(run.stdout)) == {"_meta", "all"}
    assert not document(run.stdout)["_meta"]["hostvars"]

    other = cloud.playground.write("other.yml", OTHER_SOURCE)
    sources = ("-i", str(other), "-i", str(cloud.file(options)))
    found = document(cloud.run(options, *sources, "--list").stdout)
    assert found["_meta"]["hostvars"] == {"1": {"x": "kept"}, "web": {"y": "kept"}}
    assert {name: group for name, group in found.items() if name not in ("_meta", "all")} == {
        "mine": {"hosts": ["web"]},
        "x": {"hosts": ["1"]},
    }


@pytest.mark.newest_core
def test_the_graph(cloud: Cloud) -> None:
    cloud.sim.agent(instances=[service("1"), service("2", System_name="windows 2012")])
    run = cloud.run({"default_groups": ["line", "os"]}, "--graph")
    assert re.findall(r"[\w@]+", run.stdout) == [
        *("@all", "@ungrouped", "@qg_line_ap_shanghai", "1", "2"),
        *("@qg_os_linux", "1", "@qg_os_windows", "2"),
    ]


@pytest.mark.newest_core
def test_the_example_of_the_documentation(cloud: Cloud) -> None:
    cloud.sim.agent(instances={"104": 40})
    text = yaml.safe_dump(yaml.safe_load(EXAMPLES), allow_unicode=True, sort_keys=False)
    key = cloud.playground.write("key", cloud.sim.app_key)
    text = text.replace("/run/secrets/qg_app_key", str(key)).removeprefix(PLUGIN)
    assert cloud.listed(text, COMPANY_QG_ID=cloud.sim.app_id)["hosts"]


@pytest.mark.newest_core
@pytest.mark.parametrize(
    ("name", "taken"),
    [("qg_cloud.yml", True), ("a.qg_cloud.yaml", True), ("cloud.yml", False), ("qg_cloud.json", False)],
)
def test_the_name_of_the_file(cloud: Cloud, name: str, taken: bool) -> None:
    cloud.sim.agent(instances=[service("1")])
    run = cloud.run({}, "--list", name=name, ANSIBLE_INVENTORY_ENABLED="qingguo.qgnet.qg_cloud")
    assert ("ansible_host" in run.stdout) is taken


# --- many


@pytest.mark.newest_core
@pytest.mark.parametrize(("number", "pages"), [(0, 1), (49, 1), (50, 2), (961, 20), (1000, 21)])
def test_page_calls(cloud: Cloud, number: int, pages: int) -> None:
    """The vendor does not tell how many there are: after a full last page another look finds nothing."""
    cloud.sim.agent(instances=number)
    found = cloud.listed({"hostnames": ["suid"]})
    assert cloud.calls() == pages
    left_out = int(found["stderr"].partition("qg_cloud: ")[2].partition(" ")[0] or 0)
    assert len(found["hosts"]) + left_out == number


def test_a_warm_cache_costs_no_call(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances=1000)
    first = cloud.listed(cached(playground))
    assert cloud.calls() == 21
    again = cloud.listed(cached(playground))
    assert cloud.calls() == 0
    assert again["hosts"] == first["hosts"]
    assert again["groups"] == first["groups"]
    # What is made of the services is not cached.
    other = cloud.listed({**cached(playground), "compose": {"x": "qg_suid"}, "simple_filters": {"os_family": "linux"}})
    assert 0 < len(other["hosts"]) < len(first["hosts"])
    assert all(host["x"] == host["qg_suid"] for host in other["hosts"].values())
    assert cloud.calls() == 0


PING = """
- hosts: "qg_os_linux:qg_os_windows"
  gather_facts: false
  tasks:
    - name: it
      ansible.builtin.debug: {msg: "{{ ansible_host }} {{ qg_host_name }}"}
"""


@pytest.mark.newest_core
def test_a_flushed_cache_is_read_again(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances=[service("1")])
    file = str(cloud.file(cached(playground)))
    for arguments, number in (((), 1), ((), 0), (("--flush-cache",), 1), ((), 0)):
        run = playground.play(PING, arguments=["-i", file, *arguments], environment=cloud.environment).ok()
        assert (arguments, cloud.calls()) == (arguments, number)
        assert run.of("it").result["msg"] == "198.51.100.1 node-1"


@pytest.mark.newest_core
def test_refresh_inventory_reads_again(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances=[service("1")])
    play = "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - ansible.builtin.meta: refresh_inventory\n"
    arguments = ["-i", str(cloud.file(cached(playground)))]
    playground.play(play, arguments=arguments, environment=cloud.environment).ok()
    assert cloud.calls() == 2


@pytest.mark.newest_core
def test_another_question_is_not_answered_from_the_cache(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances={"104": 2})
    cloud.sim.agent("other", appkey="another", instances={"104": 3}, domain="www.reseller.example")
    questions: list[Options] = [
        {},
        {"product_ids": [104]},
        {"include_secrets": True},
        {"app_id": "other", "app_key": "another", "domain": "www.reseller.example"},
        {"account_url": cloud.sim.account_url.replace("127.0.0.1", "localhost")},
    ]
    for question in questions:
        cloud.listed({**cached(playground), **question})
        assert cloud.calls() == 1, question
    assert len(cache_files(playground)) == len(questions)
    for question in questions:
        cloud.listed({**cached(playground), **question})
    assert cloud.calls() == 0


@pytest.mark.newest_core
def test_a_cache_of_something_else_is_read_again(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances=[service("1")])
    cloud.listed(cached(playground))
    (path,) = cache_files(playground)
    payload: Any = [{"suid": "1"}]
    text = path.read_text(encoding="utf-8")
    path.write_text(json.dumps({"__payload__": json.dumps(payload)} if "__payload__" in text else payload))
    cloud.calls()
    assert list(cloud.listed(cached(playground))["hosts"]) == ["1"]
    assert cloud.calls() == 1


# --- secrets


def assert_nothing_of(words: tuple[str, ...], text: str, where: object) -> None:
    for word in words:
        assert word not in text, f"{where} holds {word}"


@pytest.mark.parametrize("include", [False, True])
def test_passwords_are_nowhere_unless_asked_for(cloud: Cloud, playground: Playground, include: bool) -> None:
    cloud.sim.agent(instances=[service("1")])
    log = playground.root / "ansible.log"
    options = {**cached(playground), "include_secrets": include, "vars_prefix": ""}
    found = cloud.listed(options, "-vvvv", ANSIBLE_LOG_PATH=str(log))
    passwords = {name: value for name, value in found["hosts"]["1"].items() if "password" in name}
    (path,) = cache_files(playground)
    held = path.read_text(encoding="utf-8")
    assert_nothing_of((cloud.sim.app_key,), found["output"] + held + log.read_text(encoding="utf-8"), "it")
    assert cloud.sim.app_id not in path.name
    if include:
        assert passwords == {f"{name}_password": f"secret-{name}-1" for name in ("adsl", "business", "login")}
        assert "secret-login-1" in held
    else:
        assert passwords == {}
        assert_nothing_of(("secret-",), found["output"], "the output")
        for each in playground.left_behind():
            assert_nothing_of(("secret-", cloud.sim.app_key), each.read_text(errors="replace"), each)


@pytest.mark.newest_core
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "garbage", "body": "<p>KEY</p>"},
        {"kind": "status", "http_status": 500, "body": "KEY"},
        {"kind": "redirect", "location": "http://127.0.0.1:1/?KEY"},
        {"kind": "replace", "body": {"Code": "KEY", "Message": "KEY", "Data": ["KEY"]}},
        {"kind": "replace", "body": {"Code": 0, "Data": ["KEY"]}},
        {"kind": "replace", "body": {"Code": 0, "Data": {"1": {"Ip": "198.51.100.1"}}}},
        {"kind": "reset_before"},
        {"kind": "truncate"},
    ],
    ids=lambda fault: str(fault["kind"]),
)
def test_an_answer_that_is_none_is_one_sentence(cloud: Cloud, fault: dict[str, Any]) -> None:
    key = "SECRETKEY7Q"
    cloud.sim.agent(appkey=key)
    cloud.sim.fault(path=PATH, times=-1, **json.loads(json.dumps(fault).replace("KEY", key)))
    reported = cloud.refused({"max_wait": 0}, "-vvvv", QG_APP_KEY=key)
    assert "qingguo.qgnet.qg_cloud: /cloud-business/getDetail" in reported
    assert_nothing_of((key,), reported, "the output")


@pytest.mark.newest_core
def test_a_failure_on_a_later_page_leaves_no_half_inventory(cloud: Cloud) -> None:
    cloud.sim.agent(instances=120)
    cloud.sim.fault(path=PATH, kind="status", http_status=502, times=-1, skip=1)
    assert "HTTP 502" in cloud.refused({"max_wait": 0})


MISTAKES: list[tuple[Options, str]] = [
    ({"app_key": "SECRETWRONG"}, BAD_SIGNATURE),
    ({"app_id": "nobody"}, BAD_SIGNATURE),
    ({"domain": "www.example.com"}, BAD_SIGNATURE),
    ({"product_ids": [999]}, BAD_SIGNATURE),
    ({"app_key": {"a": "SECRET"}}, "app_key cannot be used in the inventory file: give text."),
    ({"app_key": ""}, "app_key is empty"),
    ({"app_key": "{{ SECRET }}"}, "The option app_key cannot be evaluated: 'SECRET' is undefined"),
    ({"app_ky": "SECRET"}, "app_ky is not an option of this plugin: did you mean app_key?"),
    ({"timeout": "soon"}, "timeout='soon' cannot be used in the inventory file: give a number."),
    ({"timeout": 0}, "timeout=0 is out of range"),
    ({"account_url": "ftp://x/?SECRET"}, "account_url '...' cannot be used"),
    ({"product_ids": [0]}, "product_ids=0 is out of range"),
    ({"include_secrets": "maybe"}, "include_secrets='maybe' cannot be used"),
    (
        {"simple_filters": {"run_status": "runing"}},
        "simple_filters.run_status contains 'runing', which never occurs: use stopped",
    ),
    (
        {"simple_filters": {"nothing": 1}},
        "simple_filters contains 'nothing', which is not a column: use some of product_id",
    ),
    (
        {"connect_with": "both"},
        "connect_with='both' cannot be used in the inventory file: give some of public, local",
    ),
    ({"default_groups": ["lines"]}, "default_groups cannot be used in the inventory file: give some of product"),
    ({"hostnames": ["name"]}, "hostnames contains 'name': use a template in double braces, or some of product_id"),
    (
        {"hostnames": ["{{ qg_nothing }}"]},
        "hostnames: {{ qg_nothing }} cannot be evaluated: 'qg_nothing' is undefined",
    ),
    (
        {"filters": [{"include": "qg_nothing > 1"}]},
        "filters, include: qg_nothing > 1 cannot be evaluated for 2: 'qg_nothing'",
    ),
    ({"filters": [{"exclude": "qg_suid"}]}, "filters, exclude: qg_suid is neither true nor false for 2: write a"),
    ({"filters": [{"exclude": "qg_suid =="}]}, "filters, exclude: qg_suid == cannot be evaluated for 2"),
    ({"filters": [{"exclude": "qg_defense > 1"}]}, "filters, exclude: qg_defense > 1 cannot be evaluated for 2"),
    ({"hostnames": ["{{ qg_defense + 1 }}"]}, "hostnames: {{ qg_defense + 1 }} cannot be evaluated"),
    ({"filters": [{"only": "true"}]}, "filters, entry 1, cannot be used: give either include or exclude, each with an"),
    ({"filters": {"include": "true"}}, "filters cannot be used in the inventory file: give a list of dictionaries."),
    ({"vars_prefix": "a b"}, "vars_prefix='a b' cannot be used"),
    ({"group_prefix": "1"}, "group_prefix='1' cannot be used"),
]


def test_a_mistake_is_one_sentence(cloud: Cloud) -> None:
    cloud.sim.agent(instances=[service("2"), service("3")])
    files = [
        cloud.file({"max_wait": 0, **options}, f"{number}.qg_cloud.yml")
        for number, (options, _reported) in enumerate(MISTAKES)
    ]
    more = [argument for file in files[1:] for argument in ("-i", str(file))]
    reported = cloud.refused({"max_wait": 0, **MISTAKES[0][0]}, "-vvvv", *more)
    for _options, sentence in MISTAKES:
        assert f"qingguo.qgnet.qg_cloud: {sentence}" in reported
    # Some of it is said twice, by newer releases of Ansible.
    assert reported.count("Unable to parse") in (len(MISTAKES), 2 * len(MISTAKES))
    assert_nothing_of(("SECRETWRONG", "?SECRET", "'SECRET'}", cloud.sim.app_key), reported, "the output")


@pytest.mark.newest_core
@pytest.mark.parametrize("option", ["app_id", "app_key"])
def test_what_is_missing_is_reported_with_where_to_give_it(cloud: Cloud, option: str) -> None:
    reported = cloud.refused({}, **{f"QG_{option.upper()}": ""})
    assert (
        f"{option} is missing: give it as option of the inventory file, as extra variable qg_{option}, or as "
        f"QG_{option.upper()} in the environment of the control node." in reported
    )
    assert cloud.calls() == 0


@pytest.mark.newest_core
def test_a_bad_value_in_the_environment(cloud: Cloud) -> None:
    assert "timeout" in cloud.refused({}, QG_TIMEOUT="soon")


@pytest.mark.newest_core
def test_requests_are_needed_only_for_a_question(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances=[service("1")])
    (playground.root / "without").mkdir()
    (playground.root / "without" / "requests.py").write_text("raise ImportError('not here')\n")
    path = f"{playground.root / 'without'}:{playground._environment(Path('x'), Path('y')).get('PYTHONPATH', '')}"
    assert "needs requests in the Python that runs Ansible" in cloud.refused(cached(playground), PYTHONPATH=path)
    cloud.listed(cached(playground))
    assert list(cloud.listed(cached(playground), PYTHONPATH=path)["hosts"]) == ["1"]


# --- templates


def test_options_may_be_templates(cloud: Cloud) -> None:
    cloud.sim.agent(instances={"104": 3, "113": 1})
    options = {
        "app_id": "{{ lookup('env', 'COMPANY_ID') }}",
        "app_key": "{{ lookup('ansible.builtin.env', 'COMPANY_KEY') }}",
        "account_url": "{{ url }}",
        "timeout": "{{ 2 + 3 }}",
        "validate_certs": "{{ 1 == 1 }}",
        "product_ids": ["{{ brand }}"],
        "simple_filters": {"line_no": "{{ ['ap-beijing'] }}"},
        "cache": "{{ false }}",
    }
    environment = {"COMPANY_ID": cloud.sim.app_id, "COMPANY_KEY": cloud.sim.app_key}
    unset = dict.fromkeys(cloud.environment, "")
    extra = ["-e", f"url={cloud.sim.account_url}", "-e", "brand=104"]
    found = cloud.listed(options, *extra, **environment, **unset)
    assert list(found["hosts"]) == ["104000001"]
    assert_nothing_of(
        (cloud.sim.app_key,), cloud.run(options, "--list", "-vvvv", *extra, **environment, **unset).stdout, "it"
    )


def encrypted(playground: Playground, text: str, password: Path) -> str:
    # Ansible is set up by it.
    importlib.import_module("ansible.constants")
    from ansible.parsing.vault import VaultLib, VaultSecret

    secret = VaultSecret(password.read_bytes().strip())
    return VaultLib([("default", secret)]).encrypt(text, secret).decode()


@pytest.fixture
def password(playground: Playground) -> Path:
    return playground.write("vault-password", "correct horse\n")


def test_credentials_may_be_vaulted(cloud: Cloud, playground: Playground, password: Path) -> None:
    cloud.sim.agent(instances=[service("1")])
    vaulted = encrypted(playground, cloud.sim.app_key, password).replace("\n", "\n  ").rstrip()
    text = f"app_key: !vault |\n  {vaulted}\n"
    found = cloud.listed(text, "-vvvv", "--vault-password-file", str(password), QG_APP_KEY="")
    assert list(found["hosts"]) == ["1"]
    assert_nothing_of((cloud.sim.app_key,), found["output"], "the output")
    wrong = playground.write("wrong-password", "battery staple\n")
    for arguments in ((), ("--vault-password-file", str(wrong))):
        reported = cloud.refused(text, *arguments, QG_APP_KEY="")
        assert "ault" in reported
        assert cloud.sim.app_key not in reported


def test_the_whole_file_may_be_vaulted(cloud: Cloud, playground: Playground, password: Path) -> None:
    cloud.sim.agent(instances=[service("1")])
    whole = encrypted(playground, f"{PLUGIN}app_key: {cloud.sim.app_key}\n", password)
    file = playground.write("all.qg_cloud.yml", whole)
    named = {**cloud.environment, "QG_APP_KEY": "", "ANSIBLE_VAULT_PASSWORD_FILE": str(password)}
    named.pop("QG_APP_KEY")
    playground.play(PING, arguments=["-i", str(file)], environment=named).ok()
    assert cloud.calls() == 1


LABELS = """
- hosts: all:!localhost
  gather_facts: false
  tasks:
    - name: it
      ansible.builtin.debug:
        msg:
          - "{{ qg_host_name }}"
          - "{{ qg_line_no }}"
          - "{{ label }}"
          - "{{ joined }}"
          - "{{ inventory_hostname }}"
          - "{{ group_names | join(',') }}"
"""


@pytest.mark.parametrize("warm", [False, True], ids=["asked", "cached"])
def test_text_of_the_vendor_is_no_template(cloud: Cloud, playground: Playground, warm: bool) -> None:
    cloud.sim.agent(
        instances=[service("1", Host_name=TRAP, line_no=TRAP, spec_name="{", area_no="{ 1 + 1 }}", System_name=TRAP)]
    )
    options = {
        **cached(playground),
        "hostnames": ["host_name", "{{ qg_host_name }}", "suid"],
        "compose": {"label": "qg_host_name", "joined": "qg_spec_name ~ qg_area_no"},
        "keyed_groups": [{"key": "qg_line_no", "prefix": "k", "parent_group": "p"}],
        "groups": {"trapped": "'uid=' in qg_host_name"},
        "filters": [{"exclude": "qg_host_name is not search('pipe')"}],
    }
    if warm:
        cloud.listed(options)
    found = cloud.listed(options)
    assert list(found["hosts"]) == ["1"]
    assert "trapped" not in found["groups"]
    arguments = ["-i", str(cloud.file(options))]
    run = playground.play(LABELS, arguments=arguments, environment=cloud.environment).ok()
    reported = run.of("it").result["msg"]
    assert reported[:5] == [TRAP, TRAP, TRAP, "{{ 1 + 1 }}", "1"]
    assert "{" not in reported[5]
    assert "uid=" not in run.output + found["output"]
    assert not list(playground.root.rglob("TRAPPED"))


HOSTS = """
- hosts: qg_os_linux
  gather_facts: false
  tasks:
    - name: it
      ansible.builtin.debug: {msg: "{{ inventory_hostname }} {{ ansible_host }} {{ ansible_connection }}"}
    - name: run
      ansible.builtin.raw: "echo there"
"""


def test_a_play_over_the_inventory(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances=[service("1"), service("2", System_name="windows 2012"), service("3")])
    options = {"compose": {"ansible_host": "qg_local_ip", "ansible_connection": "'local'"}}
    run = playground.play(HOSTS, arguments=["-i", str(cloud.file(options))], environment=cloud.environment).ok()
    assert {host: task.result["msg"] for host, task in run.by_host("it").items()} == {
        "1": "1 192.0.2.1 local",
        "3": "3 192.0.2.3 local",
    }
    assert {task.result["stdout"].strip() for task in run.by_host("run").values()} == {"there"}
