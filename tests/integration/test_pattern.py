# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pattern for Ansible Automation Platform has the form of patterns, and its job templates do what they say.

There is no platform here. A job runs as its loader sets it up: the playbook by its path in the archive, the answers to
the survey as extra variables (what is left empty is empty text), and the credential as environment.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from support.example_projects import CHECKOUT, EXAMPLES, PUBLIC, Machine

pytestmark = pytest.mark.newest_core

PATTERN = CHECKOUT / "extensions" / "patterns" / "egress_whitelist"
DEFINITION: dict[str, Any] = json.loads((PATTERN / "meta" / "pattern.json").read_text(encoding="utf-8"))
RESOURCES: dict[str, Any] = DEFINITION["aap_resources"]
TEMPLATES: dict[str, dict[str, Any]] = {one["playbook"]: one for one in RESOURCES["controller_job_templates"]}
QUESTION = ("type", "question_name", "question_description", "variable", "required")


def test_the_definition_has_the_form_of_patterns_3_0_0() -> None:
    assert DEFINITION["schema_version"] == "3.0.0"
    assert DEFINITION["name"] == PATTERN.name
    assert re.fullmatch(r"[a-z0-9_]{1,64}", DEFINITION["name"])
    assert len(DEFINITION["title"]) <= 64
    assert DEFINITION["description"].endswith(".")
    assert not DEFINITION["short_description"].endswith(".")
    project, image = RESOURCES["controller_project"], RESOURCES["controller_execution_environment"]
    assert set(project) == {"name", "description"}
    assert set(image) == {"name", "description", "image_name", "pull"}
    assert image["pull"] in ("always", "missing", "never")
    names = [project["name"], image["name"], image["image_name"], *(one["name"] for one in TEMPLATES.values())]
    assert max(map(len, names)) <= 200
    readme = (PATTERN / "README.md").read_text(encoding="utf-8")
    assert [name for name in (*names, *RESOURCES["controller_labels"]) if name not in readme] == []
    assert [one["primary"] for one in TEMPLATES.values()].count(True) == 1


def test_each_playbook_has_a_job_template_and_a_description() -> None:
    described = {name.replace(".", ".meta.") for name in TEMPLATES}
    assert {path.name for path in (PATTERN / "playbooks").iterdir()} == {*TEMPLATES, *described}


@pytest.mark.parametrize("playbook", TEMPLATES)
def test_a_job_template_asks_for_the_arguments_of_its_playbook(playbook: str) -> None:
    template = TEMPLATES[playbook]
    assert template["execution_environment"] == RESOURCES["controller_execution_environment"]["name"]
    assert template["labels"] == RESOURCES["controller_labels"]
    # The loader passes these on. Without the last one, the platform keeps the survey and does not show it.
    assert all(template[name] for name in ("ask_inventory_on_launch", "ask_credential_on_launch", "survey_enabled"))
    described = yaml.safe_load((PATTERN / "playbooks" / playbook.replace(".", ".meta.")).read_text(encoding="utf-8"))
    ((_play, spec),) = described["argument_specs"].items()
    questions = template["survey"]["spec"]
    for question in questions:
        assert set(question) - {"default"} == set(QUESTION)
        assert question["type"] == "text"
        assert isinstance(question.get("default", ""), str)
    options = {name: option.get("required", False) for name, option in spec["options"].items()}
    assert {question["variable"]: question["required"] for question in questions} == options


def launch(machine: Machine, playbook: str, **answers: str) -> str:
    """Run a job with some answers, and the inventory and the variables of a trial."""
    questions = TEMPLATES[playbook]["survey"]["spec"]
    given = {question["variable"]: question.get("default", "") for question in questions} | answers
    assert all(given[question["variable"]] for question in questions if question["required"])
    trial = yaml.safe_load(machine.here((EXAMPLES / "awx" / "simulator.yml").read_text(encoding="utf-8")))
    command = ["ansible-playbook", "-i", str(EXAMPLES / "awx" / "inventory.yml"), "--diff"]
    command += [f"extensions/patterns/{DEFINITION['name']}/playbooks/{playbook}"]
    command += ["--extra-vars", json.dumps(trial | given)]
    environment = {"QG_KEY": machine.sim.key, "QG_API_URL": machine.sim.api_url}
    return machine.run(command, CHECKOUT, environment | {"ANSIBLE_COLLECTIONS_PATH": str(machine.root / "image")})


@pytest.mark.nightly
def test_the_job_templates_register_verify_and_deregister(machine: Machine) -> None:
    machine.install(machine.root / "image")
    machine.assert_registered_once([launch(machine, "register.yml") for _job in range(2)], PUBLIC)
    assert "Nothing to change for 2 of 2 hosts." in launch(machine, "verify.yml")
    launch(machine, "deregister.yml", qg_hosts="crawler1.example.com")
    assert machine.sim.whitelist() == PUBLIC[1:]
    with pytest.raises(AssertionError, match=r"crawler1\.example\.com: add 203\.0\.113\.11"):
        launch(machine, "verify.yml")
