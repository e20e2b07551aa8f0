# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory plugin qg_cloud reads and keeps: its cache, credentials, secrets, templates and mistakes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from support.cloud_inventory import (
    PATH,
    PING,
    Cloud,
    Options,
    assert_nothing_of,
    cache_files,
    cached,
    cloud_fixture,
    service,
)
from support.playbooks import Playground

__all__ = ["cloud_fixture"]

#: Text that would run a command if it were taken for a template.
TRAP = "{{ lookup('ansible.builtin.pipe', 'touch TRAPPED; id') }}"
SHOWN = TRAP.replace("{", "\uff5b").replace("}", "\uff5d")
BAD_SIGNATURE = "/cloud-business/getDetail was refused with code"


# --- the cache


def test_a_warm_cache_costs_no_call(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances=120)
    first = cloud.listed(cached(playground))
    assert cloud.calls() == 3
    again = cloud.listed(cached(playground))
    assert cloud.calls() == 0
    assert again["hosts"] == first["hosts"]
    assert again["groups"] == first["groups"]
    # What is made of the services is not cached.
    other = cloud.listed({**cached(playground), "compose": {"x": "qg_suid"}, "simple_filters": {"os_family": "linux"}})
    assert 0 < len(other["hosts"]) < len(first["hosts"])
    assert all(host["x"] == host["qg_suid"] for host in other["hosts"].values())
    assert cloud.calls() == 0


@pytest.mark.slow
def test_a_flushed_cache_is_read_again(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances=[service("1")])
    file = str(cloud.file(cached(playground)))
    for arguments, number in (((), 1), ((), 0), (("--flush-cache",), 1), ((), 0)):
        run = playground.play(PING, arguments=["-i", file, *arguments], environment=cloud.environment).ok()
        assert (arguments, cloud.calls()) == (arguments, number)
        assert run.of("it").result["msg"] == "198.51.100.1 node-1"


@pytest.mark.slow
def test_another_question_is_not_answered_from_the_cache(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances={"104": 2})
    cloud.sim.agent("other", appkey="another", instances={"104": 3})
    questions: list[Options] = [
        {},
        {"product_ids": [104]},
        {"include_secrets": True},
        {"app_id": "other", "app_key": "another"},
        {"account_url": cloud.sim.account_url.replace("127.0.0.1", "localhost")},
    ]
    for question in questions:
        cloud.listed({**cached(playground), **question})
        assert cloud.calls() == 1, question
    assert len(cache_files(playground)) == len(questions)
    for question in questions:
        cloud.listed({**cached(playground), **question})
    assert cloud.calls() == 0


@pytest.mark.slow
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


@pytest.mark.slow
def test_requests_are_needed_only_for_a_question(cloud: Cloud, playground: Playground) -> None:
    cloud.sim.agent(instances=[service("1")])
    (playground.root / "without").mkdir()
    (playground.root / "without" / "requests.py").write_text("raise ImportError('not here')\n")
    path = f"{playground.root / 'without'}:{os.environ.get('PYTHONPATH', '')}"
    assert f"`{sys.executable} -m pip install requests`" in cloud.refused(cached(playground), PYTHONPATH=path)
    cloud.listed(cached(playground))
    assert list(cloud.listed(cached(playground), PYTHONPATH=path)["hosts"]) == ["1"]


# --- secrets


@pytest.mark.parametrize("include", [False, pytest.param(True, marks=pytest.mark.slow)])
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


KEY = "SECRETKEY7Q"
NO_ANSWERS: list[dict[str, Any]] = [
    {"kind": "garbage", "body": f"<p>{KEY}</p>"},
    {"kind": "status", "http_status": 500, "body": KEY},
    {"kind": "redirect", "location": f"http://127.0.0.1:1/?{KEY}"},
    {"kind": "replace", "body": {"Code": KEY, "Message": KEY, "Data": [KEY]}},
    {"kind": "replace", "body": {"Code": 0, "Data": [KEY]}},
    {"kind": "replace", "body": {"Code": 0, "Data": {"1": {"Ip": "198.51.100.1"}}}},
    {"kind": "reset_before"},
    {"kind": "truncate"},
]


def test_an_answer_that_is_none_is_one_sentence(cloud: Cloud) -> None:
    """Each for an inventory file of its own."""
    cloud.sim.agent(appkey=KEY)
    for fault in NO_ANSWERS:
        cloud.sim.fault(path=PATH, **fault)
    files = [cloud.file({"max_wait": 0}, f"{number}.qg_cloud.yml") for number in range(1, len(NO_ANSWERS))]
    more = [argument for file in files for argument in ("-i", str(file))]
    reported = cloud.refused({"max_wait": 0}, "-vvvv", *more, QG_APP_KEY=KEY)
    said = reported.count("qingguo.qgnet.qg_cloud: /cloud-business/getDetail")
    # Newer releases of Ansible say it twice.
    assert said in (len(NO_ANSWERS), 2 * len(NO_ANSWERS))
    assert cloud.calls() == len(NO_ANSWERS)
    assert_nothing_of((KEY,), reported, "the output")


MISTAKES: list[tuple[Options, str]] = [
    ({"app_key": "SECRETWRONG"}, BAD_SIGNATURE),
    ({"app_id": "nobody"}, BAD_SIGNATURE),
    ({"product_ids": [999]}, BAD_SIGNATURE),
    ({"app_key": {"a": "SECRET"}}, "app_key cannot be used in the inventory file: give text."),
    ({"app_key": ""}, "app_key is empty"),
    ({"app_key": "{{ SECRET }}"}, "The option app_key cannot be evaluated: 'SECRET' is undefined"),
    ({"app_ky": "SECRET"}, "app_ky is not an option of this plugin: did you mean app_key?"),
    ({"timeout": "soon"}, "timeout='soon' cannot be used in the inventory file: give a number."),
    ({"timeout": 0}, "timeout=0 is out of range"),
    ({"account_url": "ftp://x/?SECRET"}, "account_url '...' cannot be used"),
    ({"product_ids": [0]}, "product_ids=0 is out of range"),
    (
        {"simple_filters": {"run_status": "runing"}},
        "simple_filters.run_status contains 'runing', which never occurs: use stopped",
    ),
    (
        {"simple_filters": {"nothing": 1}},
        "simple_filters contains 'nothing', which is not a column: use some of product_id",
    ),
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
        assert f"qingguo.qgnet.qg_cloud: {one_line(sentence)}" in reported
    # Some of it is said twice, by newer releases of Ansible.
    assert reported.count("Unable to parse") in (len(MISTAKES), 2 * len(MISTAKES))
    assert_nothing_of(("SECRETWRONG", "?SECRET", "'SECRET'}", cloud.sim.app_key), reported, "the output")


def test_what_is_missing_is_reported_with_where_to_give_it(cloud: Cloud) -> None:
    assert (
        "app_id is missing: give it as option of the inventory file, as extra variable qg_app_id, or as "
        "QG_APP_ID in the environment of the control node." in cloud.refused({}, QG_APP_ID="")
    )
    assert cloud.calls() == 0


# --- templates and vaults


def test_options_may_be_templates(cloud: Cloud) -> None:
    cloud.sim.agent(instances={"104": 3, "113": 1})
    options = {
        "app_id": "{{ lookup('env', 'COMPANY_ID') }}",
        "app_key": "{{ lookup('ansible.builtin.env', 'COMPANY_KEY') }}",
        "account_url": "{{ url }}",
        "timeout": "{{ 2 + 3 }}",
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


def encrypted(text: str, password: Path) -> str:
    secret = VaultSecret(password.read_bytes().strip())
    return VaultLib([("default", secret)]).encrypt(text, secret).decode()


@pytest.fixture
def password(playground: Playground) -> Path:
    return playground.write("vault-password", "correct horse\n")


def test_credentials_may_be_vaulted(cloud: Cloud, playground: Playground, password: Path) -> None:
    cloud.sim.agent(instances=[service("1")])
    vaulted = encrypted(cloud.sim.app_key, password).replace("\n", "\n  ").rstrip()
    text = f"app_key: !vault |\n  {vaulted}\n"
    found = cloud.listed(text, "-vvvv", "--vault-password-file", str(password), QG_APP_KEY="")
    assert list(found["hosts"]) == ["1"]
    assert_nothing_of((cloud.sim.app_key,), found["output"], "the output")
    wrong = playground.write("wrong-password", "battery staple\n")
    for arguments in ((), ("--vault-password-file", str(wrong))):
        reported = cloud.refused(text, *arguments, QG_APP_KEY="")
        assert "ault" in reported
        assert cloud.sim.app_key not in reported


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
          - "{{ qg_login_password }}"
"""


@pytest.mark.parametrize("warm", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["asked", "cached"])
def test_text_of_the_vendor_is_no_template(cloud: Cloud, playground: Playground, warm: bool) -> None:
    cloud.sim.agent(
        instances=[
            service(
                "1",
                Host_name=TRAP,
                line_no=TRAP,
                spec_name="{",
                area_no="{ 1 + 1 }}",
                System_name=TRAP,
                Login_password=TRAP,
            )
        ]
    )
    options = {
        "include_secrets": True,
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
    assert reported[:5] == [SHOWN, SHOWN, SHOWN, "\uff5b\uff5b 1 + 1 \uff5d\uff5d", "1"]
    # It alone is exact, and still not evaluated.
    assert reported[6] == TRAP
    assert "{" not in reported[5]
    assert "uid=" not in run.output + found["output"]
    assert not list(playground.root.rglob("TRAPPED"))
