# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin qg_cloud: hosts, variables and groups, its cache, its credentials and its
mistakes.
"""

from __future__ import annotations

import base64
import html
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.qingguo.qgnet.plugins.inventory.qg_cloud import EXAMPLES
from integration.ansible_launcher import READ_BY_IMPORT
from integration.playground import LAUNCHER, PLAY_SECONDS, Playground, calls
from qgnet_simulator.running import Simulator
from support import phrases
from support.invariants import spellings

PATH = "/api/cloud-business/getDetail"
PLUGIN = "plugin: qingguo.qgnet.qg_cloud\n"
#: Text that would run a command if it were taken for a template.
TRAP = "{{ lookup('ansible.builtin.pipe', 'touch TRAPPED; id') }}"
KEY = "SECRETKEY7Q"


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


def source(
    playground: Playground, options: Mapping[str, Any] | str = "", name: str = "site.qg_cloud.yml"
) -> Path:
    """An inventory file of the plugin with these options."""
    text = (
        options if isinstance(options, str) else yaml.safe_dump(dict(options), allow_unicode=True)
    )
    return playground.write(name, PLUGIN + text)


def environment_of(sim: Simulator) -> dict[str, str]:
    """The variables of an account."""
    return {"QG_APP_ID": sim.app_id, "QG_APP_KEY": sim.app_key, "QG_ACCOUNT_URL": sim.account_url}


@dataclass
class Inventory:
    """What ansible-inventory has read: host variables, groups with their hosts, and what it
    printed.
    """

    hosts: dict[str, dict[str, Any]]
    groups: dict[str, list[str]]
    stderr: str
    output: str


def unmarked(item: dict[str, Any]) -> Any:
    """Ansible marks what is no template, since 2.19 all text of the vendor."""
    return item.get("__ansible_unsafe", item)


def read(
    sim: Simulator,
    playground: Playground,
    sources: Path | Iterable[Path],
    *arguments: str,
    **environment: str,
) -> Inventory:
    """Read sources with ansible-inventory, as a user does; an empty variable is left out."""
    files = [sources] if isinstance(sources, Path) else list(sources)
    named = {**playground.ansible_environment(), **environment_of(sim), **environment}
    command = [str(Path(sys.executable).parent / "ansible-inventory"), "--list"]
    for file in files:
        command += ["-i", str(file)]
    run: subprocess.CompletedProcess[str] = LAUNCHER.run(
        [*command, *arguments],
        playground.root / "play",
        {variable: value for variable, value in named.items() if value},
        PLAY_SECONDS,
        fresh=any(variable.startswith(READ_BY_IMPORT) for variable in environment),
    )
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr, run.stderr
    # With -v, other text stands before the JSON.
    document = re.split(r"^(?=\{$)", run.stdout, maxsplit=1, flags=re.MULTILINE)[1]
    reported = json.loads(document, object_hook=unmarked)
    hosts = reported.pop("_meta")["hostvars"]
    groups = {name: group.get("hosts", []) for name, group in reported.items() if name != "all"}
    return Inventory(hosts, groups, " ".join(run.stderr.split()), run.stdout + run.stderr)


def listed(
    sim: Simulator,
    playground: Playground,
    sources: Path | Iterable[Path],
    *arguments: str,
    **environment: str,
) -> Inventory:
    """An inventory that could be read."""
    inventory = read(sim, playground, sources, *arguments, **environment)
    assert phrases.FAILED_TO_PARSE not in inventory.stderr
    return inventory


def refused(
    sim: Simulator,
    playground: Playground,
    sources: Path | Iterable[Path],
    *arguments: str,
    **environment: str,
) -> str:
    """What is said of an inventory that could not be read; no host comes of it."""
    inventory = read(sim, playground, sources, *arguments, **environment)
    assert inventory.hosts == {}
    return " ".join(inventory.output.split())


def cached(playground: Playground, **options: Any) -> dict[str, Any]:
    """Options with those of a cache."""
    folder = str(playground.root / "cache")
    return {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": folder,
        **options,
    }


def cache_file(playground: Playground) -> str:
    (path,) = [path for path in (playground.root / "cache").rglob("*") if path.is_file()]
    return path.read_text(encoding="utf-8")


def assert_nothing_of(words: Iterable[str], text: str, where: object) -> None:
    for word in words:
        assert word not in text, f"{where} holds {word}"


@pytest.mark.measured
def test_services_become_hosts_but_lead_ansible_neither_to_this_machine_nor_its_network(
    sim: Simulator, playground: Playground
) -> None:
    odd = [
        "127.0.0.1",
        "169.254.169.254",
        "::ffff:127.0.0.1",
        "localhost",
        "0.0.0.0",
        "10.0.0.7",
        "",
        "{{ 1 }}",
    ]
    services = [service(str(number), Ip=ip) for number, ip in enumerate(odd, start=2)]
    sim.agent(instances=[service("104000001"), *services, service("localhost"), service("all")])

    inventory = listed(sim, playground, source(playground))

    host = inventory.hosts.pop("104000001")
    assert host["ansible_host"] == "198.51.100.1"
    assert host["qg_ip"] == "198.51.100.1"
    assert host["qg_bandwidth"] == 5
    assert host["qg_run_status"] == "running"
    assert host["qg_run_status_code"] == 1
    assert host["qg_product_id"] is None
    assert host["qg_adsl_name"] is None
    assert host["qg_spec_name"] == "标准型"
    assert [name for name in host if "password" in name or "vendor" in name] == []
    assert list(inventory.hosts) == [str(number) for number in range(2, 10)]
    for name, other in inventory.hosts.items():
        assert other["ansible_host"] == f"{name}.invalid"
    assert f"'localhost' {phrases.IS_LEFT_OUT}" in inventory.stderr


def test_groups_and_variables_are_those_of_constructed(
    sim: Simulator, playground: Playground
) -> None:
    windows = service("2", System_name="windows 2012", spec_no="C3", Ip="")
    sim.agent(instances=[service("1"), windows])
    connection = "'winrm' if qg_os_family == 'windows' else 'ssh'"
    options = {
        "compose": {"ansible_host": "qg_local_ip", "ansible_connection": connection},
        "groups": {"wide": "qg_bandwidth >= 5", "remote": "ansible_connection == 'winrm'"},
        "keyed_groups": [{"key": "qg_spec_no", "prefix": "spec"}],
    }

    inventory = listed(sim, playground, source(playground, options))

    assert [inventory.hosts[name]["ansible_host"] for name in "12"] == ["192.0.2.1", "192.0.2.2"]
    assert [inventory.hosts[name]["ansible_connection"] for name in "12"] == ["ssh", "winrm"]
    assert inventory.groups == {
        "wide": ["1", "2"],
        "remote": ["2"],
        "spec_S1_SMALL2": ["1"],
        "spec_C3": ["2"],
    }


def test_a_composed_address_that_a_service_does_not_have_leads_nowhere(
    sim: Simulator, playground: Playground
) -> None:
    """Ansible would take the number of the service for its address."""
    sim.agent(instances=[service("104000001", Local_ip=""), service("104000002")])
    options = {
        "compose": {"ansible_host": "qg_local_ip"},
        "groups": {"nowhere": "ansible_host.endswith('.invalid')"},
    }

    inventory = listed(sim, playground, source(playground, options))

    assert inventory.hosts["104000001"]["ansible_host"] == "104000001.invalid"
    assert inventory.hosts["104000002"]["ansible_host"] == "192.0.2.2"
    assert inventory.groups == {"nowhere": ["104000001"], "ungrouped": ["104000002"]}


def test_the_example_of_the_documentation(sim: Simulator, playground: Playground) -> None:
    sim.agent(instances={"104": 40})
    key = playground.write("key", sim.app_key)
    text = yaml.safe_dump(yaml.safe_load(EXAMPLES), allow_unicode=True, sort_keys=False)
    text = text.replace("/run/secrets/qg_app_key", str(key)).removeprefix(PLUGIN)
    inventory = listed(sim, playground, source(playground, text), QG_APP_KEY="")
    assert len(inventory.groups["usable"]) > 0


def test_only_files_with_its_name_are_read(sim: Simulator, playground: Playground) -> None:
    sim.agent(instances=[service("1")])
    files = []
    for name in ("qg_cloud.yml", "a.qg_cloud.yaml", "cloud.yml", "qg_cloud.json"):
        variable = name.replace(".", "_")
        files.append(source(playground, {"compose": {variable: "1"}}, name))

    inventory = read(sim, playground, files, ANSIBLE_INVENTORY_ENABLED="qingguo.qgnet.qg_cloud")

    composed = [name for name in inventory.hosts["1"] if "cloud_" in name]
    assert sorted(composed) == ["a_qg_cloud_yaml", "qg_cloud_yml"]


def test_a_file_that_names_the_plugin_and_has_another_name_is_told_its_name(
    sim: Simulator, playground: Playground
) -> None:
    file = source(playground, "", "cloud.yml")

    reported = refused(sim, playground, [file])

    assert f"{phrases.NAME_OF_FILE} cloud.yml" in reported
    assert "production.qg_cloud.yml" in reported
    assert calls(sim) == []


@pytest.mark.measured
def test_a_warm_cache_costs_no_call(sim: Simulator, playground: Playground) -> None:
    sim.agent(instances=120)
    first = listed(sim, playground, source(playground, cached(playground)))
    assert len(calls(sim, PATH)) == 3

    more = cached(playground, compose={"x": "qg_suid"})
    again = listed(sim, playground, source(playground, more))

    assert len(calls(sim, PATH)) == 3
    for host in again.hosts.values():
        assert host.pop("x") == host["qg_suid"]
    assert again.hosts == first.hosts


@pytest.mark.parametrize("include", [False, True])
def test_passwords_are_nowhere_unless_asked_for(
    sim: Simulator, playground: Playground, include: bool
) -> None:
    sim.agent(instances=[service("1")])
    log = playground.root / "ansible.log"
    file = source(playground, cached(playground, include_secrets=include))

    inventory = listed(sim, playground, file, "-vvvv", ANSIBLE_LOG_PATH=str(log))

    places = inventory.output + cache_file(playground) + log.read_text(encoding="utf-8")
    assert_nothing_of([sim.app_key], places, "it")
    passwords = {name: text for name, text in inventory.hosts["1"].items() if "password" in name}
    if include:
        expected = {f"qg_{name}_password" for name in ("adsl", "business", "login")}
        assert passwords.keys() == expected
        assert passwords["qg_adsl_password"] == "secret-adsl-1"
    else:
        assert passwords == {}
        for path in playground.left_behind():
            assert_nothing_of(["secret-", sim.app_key], path.read_text(errors="replace"), path)


def test_an_answer_that_is_none_is_one_sentence(sim: Simulator, playground: Playground) -> None:
    sim.agent(appkey=KEY)
    faults: list[dict[str, Any]] = [
        {"kind": "garbage", "body": f"<p>{KEY}</p>"},
        {"kind": "replace", "body": {"Code": KEY, "Message": KEY, "Data": [KEY]}},
        {"kind": "truncate"},
    ]
    files = []
    for fault in faults:
        sim.fault(path=PATH, **fault)
        files.append(source(playground, {"max_wait": 0}, f"{fault['kind']}.qg_cloud.yml"))

    reported = refused(sim, playground, files, "-vvvv", QG_APP_KEY=KEY)

    assert len(calls(sim, PATH)) == len(faults)
    sentence = "qingguo.qgnet.qg_cloud: /cloud-business/getDetail"
    assert reported.count(sentence) >= len(faults), reported
    for file in files:
        assert f"{phrases.UNABLE_TO_PARSE} {file} " in reported
    assert_nothing_of([KEY], reported, "the output")


def test_a_vendor_that_repeats_the_app_key_puts_it_into_no_host_group_or_cache(
    sim: Simulator, playground: Playground
) -> None:
    key = 'HUSH"+/&KEY7'
    forms = spellings(key) - {key.lower(), key[::-1]}
    encoded = base64.b64encode(key.encode()).decode()
    written = [key, quote(key, safe=""), html.escape(key), json.dumps(key)[1:-1], encoded]
    services = []
    for number, text in enumerate(written, start=1):
        services.append(service(str(number), Host_name=f"it is {text}."))
    sim.agent(appkey=key, instances=services)
    groups = [{"key": "qg_host_name", "prefix": "of"}]
    options = cached(playground, compose={"label": "qg_host_name"}, keyed_groups=groups)

    inventory = listed(sim, playground, source(playground, options), "-vvvv", QG_APP_KEY=key)

    assert len(inventory.hosts) == len(written)
    for host in inventory.hosts.values():
        assert host["label"].startswith("it is ")
    assert_nothing_of(forms, inventory.output + cache_file(playground), "the output or the cache")


def test_each_mistake_is_named(sim: Simulator, playground: Playground) -> None:
    sim.agent(instances=[service("2")])
    right = {"app_key": sim.app_key, "strict": True}
    mistakes: list[tuple[dict[str, Any], str]] = [
        ({"app_key": "SECRETWRONG"}, phrases.SIGNATURE_REFUSED),
        ({"app_key": ""}, phrases.APP_KEY_IS_MISSING),
        ({"app_key": "{{ SECRET }}"}, "'SECRET' is undefined"),
        ({"app_key": "k", "timeout": 0}, "timeout=0"),
        (
            {"app_key": "k", "account_url": "ftp://x/?SECRET"},
            f"account_url {phrases.CANNOT_BE_USED}",
        ),
        ({**right, "compose": {"x": "qg_nothing"}}, "qg_nothing"),
    ]
    files = []
    for number, (options, _sentence) in enumerate(mistakes):
        name = f"{number}.qg_cloud.yml"
        files.append(source(playground, {"max_wait": 0, **options}, name))

    inventory = read(sim, playground, files, "-vvvv", QG_APP_KEY="")

    reported = " ".join(inventory.output.split())
    for _options, sentence in mistakes:
        assert sentence in reported
    assert_nothing_of(["SECRETWRONG", "?SECRET"], reported, "the output")


@pytest.mark.measured
def test_a_misspelt_setting_is_refused(sim: Simulator, playground: Playground) -> None:
    file = source(playground)
    misspelt = refused(sim, playground, file, QG_APP_IDS="x")
    assert f"{phrases.DID_YOU_MEAN} QG_APP_ID?" in misspelt
    misspelt = refused(sim, playground, file, "-e", "qg_appid=x")
    assert f"{phrases.DID_YOU_MEAN} qg_app_id?" in misspelt
    assert calls(sim) == []


def test_credentials_may_be_templates_or_vaulted(sim: Simulator, playground: Playground) -> None:
    sim.agent(instances=[service("1")])
    password = playground.write("vault-password", "correct horse\n")
    secret = VaultSecret(password.read_bytes().strip())
    encrypted = VaultLib([("default", secret)]).encrypt(sim.app_key, secret).decode()
    vaulted = encrypted.rstrip().replace("\n", "\n  ")
    company = """app_id: "{{ lookup('env', 'COMPANY_ID') }}"\n"""
    template = """app_key: "{{ lookup('env', 'COMPANY_KEY') }}"\n"""
    files = [
        source(playground, f'{company}{template}compose: {{a: "1"}}\n', "a.qg_cloud.yml"),
        source(
            playground,
            f'{company}app_key: !vault |\n  {vaulted}\ncompose: {{b: "1"}}\n',
            "b.qg_cloud.yml",
        ),
    ]
    environment = {"COMPANY_ID": sim.app_id, "COMPANY_KEY": sim.app_key}
    unset = {"QG_APP_ID": "", "QG_APP_KEY": ""}
    options = ("-vvvv", "--vault-password-file", str(password))

    inventory = listed(sim, playground, files, *options, **environment, **unset)

    assert {"a", "b"} <= inventory.hosts["1"].keys()
    assert_nothing_of([sim.app_key], inventory.output, "the output")


LABELS = """
- hosts: all:!localhost
  gather_facts: false
  tasks:
    - name: it
      ansible.builtin.debug:
        msg: ["{{ qg_host_name }}", "{{ label }}", "{{ joined }}", "{{ group_names | join(',') }}"]
"""


def test_text_of_the_vendor_is_no_template(sim: Simulator, playground: Playground) -> None:
    trapped = service("1", Host_name=TRAP, line_no=TRAP, spec_name="{", area_no="{ 1 + 1 }}")
    sim.agent(instances=[trapped])
    options = cached(
        playground,
        compose={"label": "qg_host_name", "joined": "qg_spec_name ~ qg_area_no"},
        keyed_groups=[{"key": "qg_line_no", "prefix": "k"}],
        groups={"trapped": "'uid=' in qg_host_name"},
    )
    file = source(playground, options)
    for _cold_and_warm in range(2):
        arguments = ["-i", str(file)]
        run = playground.play(LABELS, arguments=arguments, environment=environment_of(sim)).ok()
        assert "uid=" not in run.output
        groups = run.of("it").result["msg"][3]
        assert "{" not in groups
        assert "trapped" not in groups
    inventory = listed(sim, playground, file)
    assert "trapped" not in inventory.groups
    assert "uid=" not in inventory.output
    assert list(playground.root.rglob("TRAPPED")) == []
