# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts, variables and groups that the inventory plugin qg_cloud makes of the vendor's services."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from ansible_collections.qingguo.qgnet.plugins.inventory.qg_cloud import EXAMPLES
from support.cloud_inventory import PLUGIN, Cloud, Options, cloud_fixture, document, service
from support.playbooks import Playground

__all__ = ["cloud_fixture"]


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


@pytest.mark.slow
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


def test_the_vendor_leads_ansible_neither_to_this_machine_nor_into_its_network(cloud: Cloud) -> None:
    odd = {"2": "127.0.0.1", "3": "169.254.169.254", "4": "::ffff:127.0.0.1", "5": "localhost", "6": "0.0.0.0"}
    services = [service("1", Ip="8.8.4.4", Local_ip="10.0.0.1"), service("7", Ip="10.0.0.7", Local_ip="10.0.0.7")]
    services += [service(suid, Ip=ip, Local_ip=ip, Host_name="localhost") for suid, ip in odd.items()]
    cloud.sim.agent(instances=services)
    found = cloud.listed({"hostnames": ["host_name", "suid"]}, "-v")
    assert {name: host["ansible_host"] for name, host in found["hosts"].items()} == {"node-1": "8.8.4.4"}
    for suid, ip in {**odd, "7": "10.0.0.7"}.items():
        assert re.search(rf"\b{suid}: ip '?{re.escape(ip)}'? is not an address", found["output"]), found["output"]
    found = cloud.listed({"connect_with": "local", "hostnames": ["host_name", "suid"]})
    assert sorted(found["hosts"]) == ["node-1", "node-1_7"]
    assert "5 of 7 services left out: 2 (" in found["stderr"]


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


@pytest.mark.parametrize(
    "option", [pytest.param(option, marks=[] if option == "groups" else pytest.mark.slow) for option in BROKEN]
)
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


@pytest.mark.slow
def test_the_example_of_the_documentation(cloud: Cloud) -> None:
    cloud.sim.agent(instances={"104": 40})
    text = yaml.safe_dump(yaml.safe_load(EXAMPLES), allow_unicode=True, sort_keys=False)
    key = cloud.playground.write("key", cloud.sim.app_key)
    text = text.replace("/run/secrets/qg_app_key", str(key)).removeprefix(PLUGIN)
    assert cloud.listed(text, COMPANY_QG_ID=cloud.sim.app_id)["hosts"]


def test_the_name_of_the_file(cloud: Cloud) -> None:
    cloud.sim.agent(instances=[service("1")])
    names = ["qg_cloud.yml", "a.qg_cloud.yaml", "cloud.yml", "qg_cloud.json"]
    files = [cloud.file({"hostnames": [f"{{{{ 'by-{name}' }}}}"]}, name) for name in names]
    more = [argument for file in files for argument in ("-i", str(file))]
    found = document(cloud.run({}, *more, "--list", ANSIBLE_INVENTORY_ENABLED="qingguo.qgnet.qg_cloud").stdout)
    assert set(found["_meta"]["hostvars"]) == {"1", *(f"by-{name}" for name in names[:2])}


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


def test_a_file_with_another_name_says_how_to_rename_it(cloud: Cloud) -> None:
    cloud.sim.agent(instances=[service("1")])
    run = cloud.run({}, name="site.yml")
    text = " ".join(run.stderr.split())
    assert text.count("whose name ends in qg_cloud.yml or qg_cloud.yaml: rename it, such as to ") == 1
    assert "site.qg_cloud.yml." in text
    assert cloud.calls() == 0
    other = cloud.playground.write("other.yml", "all:\n  hosts:\n    qg_cloud:\n")
    assert "rename it" not in cloud.run({}, "-i", str(other), "--list").stderr
