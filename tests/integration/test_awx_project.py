# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The project for AWX: its playbook creates objects that fit together, and its credential and playbook make a job.

There is no AWX here. Modules with the options of those of awx.awx record what it would be sent.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

import jinja2
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import ACCOUNT_API_OPTIONS, PROXY_API_OPTIONS
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import environment_name, variable_name
from support.example_projects import EXAMPLES, PUBLIC, TRIAL, Machine, load


def typed(**names: str) -> dict[str, str]:
    """Return a type for each name."""
    return {name: type_ for type_, words in names.items() for name in words.split()}


#: The options of the modules of awx.awx 24.6.1, as far as the project uses them, with their types.
MODULES: dict[str, dict[str, str]] = {
    "execution_environment": typed(str="name image pull"),
    "credential_type": typed(str="name kind", dict="inputs injectors"),
    "credential": typed(str="name organization credential_type", dict="inputs"),
    "project": typed(
        str="name organization scm_type scm_url scm_branch default_environment", bool="scm_update_on_launch"
    ),
    "inventory": typed(str="name organization"),
    "inventory_source": typed(
        str="name inventory organization source source_project source_path execution_environment",
        bool="overwrite overwrite_vars update_on_launch",
    ),
    "job_template": typed(
        str="name organization job_type project playbook inventory execution_environment",
        list="credentials",
        int="forks job_slice_count timeout",
        bool="diff_mode",
    ),
    "schedule": typed(str="name organization unified_job_template rrule", bool="enabled"),
}
RECORDER = """
import json, os
from ansible.module_utils.basic import AnsibleModule
types = {types!r}
spec = {{name: dict(type=type_, no_log=name == "inputs") for name, type_ in types.items()}}
module = AnsibleModule(spec)
with open({journal!r}, "a") as journal:
    print(json.dumps([{name!r}, module.params]), file=journal)
module.exit_json(changed=True)
"""
STATE_URL = "postgresql://qgnet:secret-of-the-database@db.example.com/qgnet"


def configured(machine: Machine) -> dict[str, dict[str, Any]]:
    """Run the playbook of the project, and return the options of each object that it creates."""
    journal = machine.root / "journal"
    modules = machine.root / "collections" / "ansible_collections" / "awx" / "awx" / "plugins" / "modules"
    modules.mkdir(parents=True)
    for name, types in MODULES.items():
        recorder = RECORDER.format(types=types, journal=str(journal), name=name)
        (modules / f"{name}.py").write_text(recorder, encoding="utf-8")
    environment = {
        "ANSIBLE_COLLECTIONS_PATH": str(machine.root / "collections"),
        "ANSIBLE_REMOTE_TEMP": str(machine.root / "remote"),
        "QG_KEY": machine.sim.key,
        "QG_STATE_URL": STATE_URL,
    }
    project = machine.copy("awx", machine.root / "project")
    output = machine.run(["ansible-playbook", "-vvv", "configure.yml"], project, environment)
    assert "secret-of-the-database" not in output
    return dict(json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines())


def test_the_credential_type_sets_options_that_exist_and_keeps_their_secrets() -> None:
    content = load("awx/credential_type.yml")
    options = {**PROXY_API_OPTIONS, **ACCOUNT_API_OPTIONS}
    given = {field["id"]: field for field in content["inputs"]["fields"]}
    named = {variable_name(name): name for name in options}
    assert set(given) <= set(named)
    assert content["injectors"] == {"env": {environment_name(named[id_]): f"{{{{ {id_} }}}}" for id_ in given}}
    assert {id_: field.get("secret", False) for id_, field in given.items()} == {
        id_: options[named[id_]].get("no_log", False) for id_ in given
    }


@pytest.mark.nightly
def test_the_playbook_creates_objects_that_fit_together(machine: Machine) -> None:
    sent = configured(machine)
    assert set(sent) == set(MODULES)
    # The placeholders are for AWX, so Ansible must not have evaluated them.
    type_ = load("awx/credential_type.yml")
    assert {name: sent["credential_type"][name] for name in type_} == type_
    fields = [field["id"] for field in type_["inputs"]["fields"]]
    assert sent["credential"]["inputs"] == dict.fromkeys(fields, "") | {
        "qg_key": machine.sim.key,
        "qg_state_url": STATE_URL,
    }
    template, schedule = sent["job_template"], sent["schedule"]
    assert sent["credential"]["credential_type"] == sent["credential_type"]["name"]
    assert sent["credential"]["name"] in template["credentials"]
    assert {template["project"], sent["inventory_source"]["source_project"]} == {sent["project"]["name"]}
    assert {template["inventory"], sent["inventory_source"]["inventory"]} == {sent["inventory"]["name"]}
    assert template["execution_environment"] == sent["execution_environment"]["name"]
    assert schedule["unified_job_template"] == template["name"]
    for name in (template["playbook"], sent["inventory_source"]["source_path"]):
        assert (EXAMPLES / "awx" / name).is_file()
    # A job that waits for the vendor is neither ended nor overtaken.
    variables = load("awx/inventory.yml")["all"]["vars"]
    interval = int(schedule["rrule"].rpartition("FREQ=MINUTELY;INTERVAL=")[2]) * 60
    assert variables["egress_whitelist_max_wait"] < template["timeout"] < interval
    # Slices need a common name for their records.
    assert template["job_slice_count"] > 1
    assert variables["egress_whitelist_inventory_id"]


@pytest.mark.nightly
def test_a_job_with_the_credential_registers_the_hosts_and_the_next_one_changes_nothing(machine: Machine) -> None:
    project = machine.copy("awx", machine.root / "project")
    machine.install(machine.root / "image")
    injected = load("awx/credential_type.yml")["injectors"]["env"]
    # The fields that are left empty, such as the URL of a database, do not count.
    environment = {name: jinja2.Template(text).render(qg_key=machine.sim.key) for name, text in injected.items()}
    environment |= {"ANSIBLE_COLLECTIONS_PATH": str(machine.root / "image"), "QG_API_URL": machine.sim.api_url}
    command = ["ansible-playbook", "-i", "inventory.yml", "--diff", "--forks", "20", "register.yml", *TRIAL]
    shown = (EXAMPLES / "awx" / "README.md").read_text(encoding="utf-8")
    assert shlex.join(command) in shown
    runs = [machine.run(command, project, environment) for _job in range(2)]
    machine.assert_registered_once(runs, PUBLIC)
