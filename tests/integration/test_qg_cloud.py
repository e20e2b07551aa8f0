# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin qg_cloud: hosts, variables and groups, its cache, its credentials and its mistakes."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.qingguo.qgnet.plugins.inventory.qg_cloud import EXAMPLES
from support.cloud_inventory import (
    PATH,
    PLUGIN,
    Cloud,
    Options,
    assert_nothing_of,
    cache_files,
    cached,
    cloud_fixture,
    document,
    service,
)
from support.invariants import spellings
from support.playground import Playground

__all__ = ["cloud_fixture"]

#: Text that would run a command if it were taken for a template.
TRAP = "{{ lookup('ansible.builtin.pipe', 'touch TRAPPED; id') }}"
KEY = "SECRETKEY7Q"


def test_a_service_becomes_a_host_with_variables(cloud: Cloud) -> None:
    cloud.sim.agent(instances=[service("104000001")])
    found = cloud.listed({})
    assert list(found["hosts"]) == ["104000001"]
    host = found["hosts"]["104000001"]
    assert host["ansible_host"] == host["qg_ip"] == "198.51.100.1"
    assert (host["qg_bandwidth"], host["qg_run_status"], host["qg_run_status_code"]) == (5, "running", 1)
    assert host["qg_product_id"] is host["qg_adsl_name"] is None
    assert host["qg_spec_name"] == "标准型"
    assert not any("password" in name or "vendor" in name for name in host)
    assert found["stderr"] == ""


@pytest.mark.measured
def test_ansible_is_led_neither_to_this_machine_nor_into_its_network(cloud: Cloud) -> None:
    odd = ["127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "localhost", "0.0.0.0", "10.0.0.7", "", "{{ 1 }}"]
    services = [service(str(number), Ip=ip) for number, ip in enumerate(odd, start=2)]
    cloud.sim.agent(instances=[service("1", Ip="8.8.4.4"), *services, service("localhost"), service("all")])
    found = cloud.listed({})
    assert found["hosts"].pop("1")["ansible_host"] == "8.8.4.4"
    assert {name: host["ansible_host"] for name, host in found["hosts"].items()} == {
        str(number): f"{number}.invalid" for number in range(2, 10)
    }
    assert "'localhost' is left out" in found["stderr"]


def test_groups_and_variables_are_those_of_constructed(cloud: Cloud) -> None:
    cloud.sim.agent(instances=[service("1"), service("2", System_name="windows 2012", spec_no="C3", Ip="")])
    found = cloud.listed(
        {
            "compose": {
                "ansible_host": "qg_local_ip",
                "ansible_connection": "'winrm' if qg_os_family == 'windows' else 'ssh'",
            },
            "groups": {"wide": "qg_bandwidth >= 5", "remote": "ansible_connection == 'winrm'"},
            "keyed_groups": [{"key": "qg_spec_no", "prefix": "spec"}],
        }
    )
    assert [found["hosts"][name]["ansible_host"] for name in "12"] == ["192.0.2.1", "192.0.2.2"]
    assert [found["hosts"][name]["ansible_connection"] for name in "12"] == ["ssh", "winrm"]
    assert found["groups"] == {"wide": ["1", "2"], "remote": ["2"], "spec_S1_SMALL2": ["1"], "spec_C3": ["2"]}
    assert "qg_nothing" in cloud.run({"compose": {"x": "qg_nothing"}, "strict": True}, "--list").stderr


def test_the_example_of_the_documentation(cloud: Cloud) -> None:
    cloud.sim.agent(instances={"104": 40})
    key = cloud.playground.write("key", cloud.sim.app_key)
    text = yaml.safe_dump(yaml.safe_load(EXAMPLES), allow_unicode=True, sort_keys=False)
    text = text.replace("/run/secrets/qg_app_key", str(key)).removeprefix(PLUGIN)
    found = cloud.listed(text, QG_APP_KEY="")
    assert len(found["groups"]["usable"]) > 0


def test_only_files_with_its_name_are_read(cloud: Cloud) -> None:
    cloud.sim.agent(instances=[service("1")])
    names = ["qg_cloud.yml", "a.qg_cloud.yaml", "cloud.yml", "qg_cloud.json"]
    for name in names:
        run = cloud.run({}, "--list", name=name, ANSIBLE_INVENTORY_ENABLED="qingguo.qgnet.qg_cloud")
        assert set(document(run.stdout)["_meta"]["hostvars"]) == ({"1"} if name in names[:2] else set()), name


@pytest.mark.measured
def test_a_warm_cache_costs_no_call(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances=120)
    first = cloud.listed(cached(playground))
    assert cloud.calls() == 3
    again = cloud.listed({**cached(playground), "compose": {"x": "qg_suid"}})
    assert cloud.calls() == 0
    assert all(host.pop("x") == host["qg_suid"] for host in again["hosts"].values())
    assert again["hosts"] == first["hosts"]


@pytest.mark.parametrize("include", [False, True])
def test_passwords_are_nowhere_unless_asked_for(cloud: Cloud, playground: Playground, include: bool) -> None:
    cloud.sim.agent(instances=[service("1")])
    log = playground.root / "ansible.log"
    found = cloud.listed({**cached(playground), "include_secrets": include}, "-vvvv", ANSIBLE_LOG_PATH=str(log))
    passwords = {name: value for name, value in found["hosts"]["1"].items() if "password" in name}
    (path,) = cache_files(playground)
    held = path.read_text(encoding="utf-8")
    assert_nothing_of((cloud.sim.app_key,), found["output"] + held + log.read_text(encoding="utf-8"), "it")
    if include:
        assert passwords == {f"qg_{name}_password": f"secret-{name}-1" for name in ("adsl", "business", "login")}
    else:
        assert passwords == {}
        for each in playground.left_behind():
            assert_nothing_of(("secret-", cloud.sim.app_key), each.read_text(errors="replace"), each)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "garbage", "body": f"<p>{KEY}</p>"},
        {"kind": "replace", "body": {"Code": KEY, "Message": KEY, "Data": [KEY]}},
        {"kind": "truncate"},
    ],
    ids=lambda fault: fault["kind"],
)
def test_an_answer_that_is_none_is_one_sentence(cloud: Cloud, fault: dict[str, Any]) -> None:
    cloud.sim.agent(appkey=KEY)
    cloud.sim.fault(path=PATH, **fault)
    reported = cloud.refused({"max_wait": 0}, "-vvvv", QG_APP_KEY=KEY)
    assert "qingguo.qgnet.qg_cloud: /cloud-business/getDetail" in reported
    assert_nothing_of((KEY,), reported, "the output")


def test_a_vendor_that_repeats_the_app_key_puts_it_into_no_host_group_or_cache(
    cloud: Cloud, playground: Playground
) -> None:
    key = 'HUSH"+/&KEY7'
    forms = spellings(key) - {key.lower(), key[::-1]}
    cloud.sim.agent(appkey=key)
    written = [
        key,
        quote(key, safe=""),
        html.escape(key),
        json.dumps(key)[1:-1],
        base64.b64encode(key.encode()).decode(),
    ]
    services = [service(str(number), Host_name=f"it is {text}.") for number, text in enumerate(written, start=1)]
    cloud.sim.agent(instances=services)
    options = {"compose": {"label": "qg_host_name"}, "keyed_groups": [{"key": "qg_host_name", "prefix": "of"}]}
    found = cloud.listed({**cached(playground), **options}, "-vvvv", QG_APP_KEY=key)
    assert [host["label"].startswith("it is ") for host in found["hosts"].values()] == [True] * len(written)
    (path,) = cache_files(playground)
    assert_nothing_of(forms, found["output"] + path.read_text(encoding="utf-8"), "the output and the cache")


MISTAKES: list[tuple[Options, str]] = [
    ({"app_key": "SECRETWRONG"}, "The signature was not accepted: check app_id, app_key and account_url"),
    ({"app_key": ""}, "app_key is missing"),
    ({"app_key": "{{ SECRET }}"}, "'SECRET' is undefined"),
    ({"app_key": "k", "timeout": 0}, "timeout=0"),
    ({"app_key": "k", "account_url": "ftp://x/?SECRET"}, "account_url cannot be used"),
]


@pytest.mark.parametrize(("options", "sentence"), MISTAKES, ids=lambda value: str(value)[:30])
def test_a_mistake_is_named(cloud: Cloud, options: Options, sentence: str) -> None:
    cloud.sim.agent(instances=[service("2")])
    reported = cloud.refused({"max_wait": 0, **options}, "-vvvv", QG_APP_KEY="")
    assert sentence in reported
    assert_nothing_of(("SECRETWRONG", "?SECRET"), reported, "the output")


@pytest.mark.measured
def test_a_misspelt_setting_is_refused(cloud: Cloud) -> None:
    assert "did you mean QG_APP_ID?" in cloud.refused({}, QG_APP_IDS="x")
    assert "did you mean qg_app_id?" in cloud.refused({}, "-e", "qg_appid=x")
    assert cloud.calls() == 0


def test_credentials_may_be_templates_or_vaulted(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances=[service("1")])
    options = {"app_id": "{{ lookup('env', 'COMPANY_ID') }}", "app_key": "{{ lookup('env', 'COMPANY_KEY') }}"}
    environment = {"COMPANY_ID": cloud.sim.app_id, "COMPANY_KEY": cloud.sim.app_key, "QG_APP_ID": "", "QG_APP_KEY": ""}
    assert list(cloud.listed(options, **environment)["hosts"]) == ["1"]
    password: Path = playground.write("vault-password", "correct horse\n")
    secret = VaultSecret(password.read_bytes().strip())
    vaulted = VaultLib([("default", secret)]).encrypt(cloud.sim.app_key, secret).decode().replace("\n", "\n  ").rstrip()
    text = f"app_key: !vault |\n  {vaulted}\n"
    found = cloud.listed(text, "-vvvv", "--vault-password-file", str(password), QG_APP_KEY="")
    assert list(found["hosts"]) == ["1"]
    assert_nothing_of((cloud.sim.app_key,), found["output"], "the output")


LABELS = """
- hosts: all:!localhost
  gather_facts: false
  tasks:
    - name: it
      ansible.builtin.debug:
        msg: ["{{ qg_host_name }}", "{{ label }}", "{{ joined }}", "{{ group_names | join(',') }}"]
"""


def test_text_of_the_vendor_is_no_template(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances=[service("1", Host_name=TRAP, line_no=TRAP, spec_name="{", area_no="{ 1 + 1 }}")])
    options = {
        **cached(playground),
        "compose": {"label": "qg_host_name", "joined": "qg_spec_name ~ qg_area_no"},
        "keyed_groups": [{"key": "qg_line_no", "prefix": "k"}],
        "groups": {"trapped": "'uid=' in qg_host_name"},
    }
    for _cold_and_warm in range(2):
        found = cloud.listed(options)
        assert "trapped" not in found["groups"]
        arguments = ["-i", str(cloud.file(options))]
        run = playground.play(LABELS, arguments=arguments, environment=cloud.environment).ok()
        assert "uid=" not in run.output + found["output"]
        assert "{" not in run.of("it").result["msg"][3]
        assert not list(playground.root.rglob("TRAPPED"))
