# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The projects in examples/ do what their files say: each starts as its scheduler would start it, for the simulator.

What is replaced is what a user replaces, too: names of servers, keys, and, as there is no container here, the root of
absolute paths.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.example_projects import EXAMPLES, PUBLIC, TRIAL, Machine, load
from support.playbooks import QUERY, calls

pytestmark = pytest.mark.newest_core

PROJECTS = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())


def test_the_trials_of_all_projects_are_the_same() -> None:
    for name in PROJECTS:
        assert load(f"{name}/simulator.yml") == load(f"{PROJECTS[0]}/simulator.yml")
        assert load(f"{name}/requirements.yml") == load(f"{PROJECTS[0]}/requirements.yml")


# ansible-pull and cloud-init


def redirected(machine: Machine, text: str) -> str:
    """Text of the user data with its paths below the root of the machine."""
    paths = r"(?<![\w./])/(?=(?:etc/(?:qgnet|cron\.d)|usr/local/sbin|var/lib/qgnet|root)\b)"
    return re.sub(paths, f"{machine.root}/", text)


@pytest.mark.nightly
def test_cloud_init_registers_a_host_at_its_first_boot_and_from_cron(machine: Machine) -> None:
    file = EXAMPLES / "ansible-pull" / "user-data"
    assert file.read_text(encoding="utf-8").startswith("#cloud-config\n")
    if program := shutil.which("cloud-init"):
        subprocess.run([program, "schema", "--config-file", str(file)], check=True, capture_output=True)
    repository = machine.repository("ansible-pull")
    data = yaml.safe_load(redirected(machine, file.read_text(encoding="utf-8")))
    for entry in data["write_files"]:
        path = Path(entry["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        content = entry["content"].replace("replace-with-the-authkey", machine.sim.key)
        path.write_text(content.replace("https://git.example.com/ops/qgnet-pull.git", repository), encoding="utf-8")
        path.chmod(int(entry["permissions"], 8))
    secret = machine.root / "etc" / "qgnet" / "environment"
    assert secret.stat().st_mode & 0o077 == 0
    with secret.open("a", encoding="utf-8") as file_of_settings:
        file_of_settings.write(f"QG_API_URL={machine.sim.api_url}\nQG_MINUTE_SECONDS={machine.minute}\n")
    machine.install(machine.root / "root" / ".ansible" / "collections")
    trial = ("--diff", "--extra-vars", f"@{machine.root}/var/lib/qgnet/project/simulator.yml")
    *preparation, register = data["runcmd"]
    for command in preparation:
        machine.run(command, machine.root)
    runs = [machine.run([*register, *trial], machine.root)]

    # A line of cron: five fields of time, a user, and a command for a shell.
    settings, job = (machine.root / "etc" / "cron.d" / "qgnet").read_text(encoding="utf-8").splitlines()
    command = shlex.split(job.split(maxsplit=6)[6].partition(" 2>&1 |")[0])
    assert command[command.index("--sleep") + 1] == "900"
    command[command.index("--sleep") + 1] = "1"
    path = f"{Path(sys.executable).parent}:{settings.removeprefix('PATH=')}"
    runs.append(machine.run(["env", *command, *trial], machine.root, {"PATH": path, "HOME": "/"}))
    machine.assert_registered_once(runs, PUBLIC[:1])
    assert (machine.root / "var" / "lib" / "qgnet" / "state").stat().st_mode & 0o777 == 0o700


# Kubernetes


class Pod:
    """What a kubelet makes of the pod of the manifest, with the directories of this machine for its volumes."""

    def __init__(self, machine: Machine, number: int, secrets: Mapping[str, Mapping[str, str]]) -> None:
        self.job = load("kubernetes/cronjob.yml")["spec"]
        self.spec = self.job["jobTemplate"]["spec"]["template"]["spec"]
        (self.container,) = self.spec["containers"]
        self.machine, self.secrets = machine, secrets
        self.root = machine.root / f"pod{number}"
        for mount in self.container["volumeMounts"]:
            self.mount(mount["mountPath"], next(item for item in self.spec["volumes"] if item["name"] == mount["name"]))

    def path(self, inside: str) -> Path:
        return self.root / inside.lstrip("/")

    def mount(self, inside: str, volume: Mapping[str, Any]) -> None:
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        if "persistentVolumeClaim" in volume:
            assert volume["persistentVolumeClaim"]["claimName"] == load("kubernetes/volume.yml")["metadata"]["name"]
            disk = self.machine.root / "disk"
            new = not disk.exists()
            disk.mkdir(exist_ok=True)
            if new or self.spec["securityContext"].get("fsGroupChangePolicy") != "OnRootMismatch":
                for path in [disk, *disk.rglob("*")]:
                    path.chmod(path.stat().st_mode | (0o2770 if path.is_dir() else 0o660))
            target.symlink_to(disk)
            return
        target.mkdir()
        # As a kubelet makes them; only the mount of some is read-only.
        target.chmod(0o777)
        for name, content in self.files(volume).items():
            (target / name).write_text(self.machine.here(content), encoding="utf-8")

    def files(self, volume: Mapping[str, Any]) -> dict[str, str]:
        if "configMap" in volume:
            (generator,) = load("kubernetes/kustomization.yml")["configMapGenerator"]
            assert generator["name"] == volume["configMap"]["name"]
            folder = EXAMPLES / "kubernetes"
            return {name: (folder / name).read_text(encoding="utf-8") for name in generator["files"]}
        return dict(self.secrets[volume["secret"]["secretName"]]) if "secret" in volume else {}

    def run(self, *more: str) -> str:
        env = {item["name"]: item["value"] for item in self.container["env"]}
        inside = {name: str(self.path(value)) if value.startswith("/") else value for name, value in env.items()}
        for source in self.container["envFrom"]:
            inside |= self.secrets[source["secretRef"]["name"]]
        image = {"ANSIBLE_COLLECTIONS_PATH": str(self.machine.root / "image")}
        return self.machine.run(
            [*self.container["args"], *more], self.path(self.container["workingDir"]), image | inside
        )


@pytest.mark.nightly
def test_a_kubernetes_job_registers_the_hosts_and_the_next_one_changes_nothing(machine: Machine) -> None:
    machine.install(machine.root / "image")
    secrets = {"qgnet": {"QG_KEY": machine.sim.key, "QG_API_URL": machine.sim.api_url}, "qgnet-ssh": {"id": "none\n"}}
    runs = []
    for number in range(2):
        pod = Pod(machine, number, secrets)
        shutil.copy(EXAMPLES / "kubernetes" / "simulator.yml", pod.path(pod.container["workingDir"]))
        trial = pod.path(pod.container["workingDir"]) / "simulator.yml"
        trial.write_text(machine.here(trial.read_text(encoding="utf-8")), encoding="utf-8")
        runs.append(pod.run(*TRIAL))
    machine.assert_registered_once(runs, PUBLIC)


def test_the_cron_job_runs_alone_without_privileges_and_ends_before_the_next_one() -> None:
    job = load("kubernetes/cronjob.yml")["spec"]
    attempts = job["jobTemplate"]["spec"]
    pod = attempts["template"]["spec"]
    variables = load("kubernetes/inventory.yml")["all"]["vars"]
    assert job["concurrencyPolicy"] == "Forbid"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["restartPolicy"] == "Never"
    interval = int(job["schedule"].split()[0].removeprefix("*/")) * 60
    assert variables["egress_whitelist_max_wait"] < attempts["activeDeadlineSeconds"] < interval
    resources = load("kubernetes/kustomization.yml")["resources"]
    assert all((EXAMPLES / "kubernetes" / name).is_file() for name in resources)


# GitLab CI


def expanded(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables of GitLab that refer to each other."""
    return {name: re.sub(r"\$(\w+)", lambda found: variables[found[1]], text) for name, text in variables.items()}


def run_job(machine: Machine, project: Path, name: str, variables: Mapping[str, str]) -> str:
    """Run a job as a runner does: all of its lines in one shell, in a directory that everybody may write to."""
    file = yaml.safe_load((project / ".gitlab-ci.yml").read_text(encoding="utf-8"))
    job = {**file["default"], **file[name]}
    declared = {**file["variables"], **job.get("variables", {})}
    own = {key: value["value"] if isinstance(value, dict) else str(value) for key, value in declared.items()}
    environment = expanded({**own, "CI_PROJECT_DIR": str(project), **variables})
    project.chmod(0o777)
    return machine.run(
        ["bash", "-eo", "pipefail", "-c", "\n".join([*job["before_script"], *job["script"]])], project, environment
    )


@pytest.mark.nightly
def test_a_scheduled_pipeline_registers_the_hosts_and_the_next_one_changes_nothing(machine: Machine) -> None:
    project = machine.copy("gitlab-ci", machine.root / "builds" / "qgnet")
    machine.install(project / "collections")
    ssh_key = machine.root / "SSH_PRIVATE_KEY"
    ssh_key.write_text("none\n", encoding="utf-8")
    variables = {
        "QG_KEY": machine.sim.key,
        "QG_API_URL": machine.sim.api_url,
        "QG_STATE_DIR": str(machine.root / "runner" / "state"),
        "SSH_PRIVATE_KEY": str(ssh_key),
    }
    (machine.root / "runner").mkdir()
    run_job(machine, project, "syntax", {})
    assert calls(machine.sim) == []
    # The job takes no options of ansible-playbook, so the variables of the trial are those of the inventory.
    (project / "group_vars").mkdir()
    shutil.copy(project / "simulator.yml", project / "group_vars" / "all.yml")
    run_job(machine, project, "register", variables | {"MODE": "check"})
    assert set(calls(machine.sim)) == {QUERY}
    machine.sim.control("DELETE", "/journal")
    runs = [run_job(machine, project, "register", variables) for _pipeline in range(2)]
    machine.assert_registered_once(runs, PUBLIC)
    assert ssh_key.stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize("mode", ["", "--diff", "check --extra-vars @x", "$(env)", "register; env"])
def test_a_pipeline_takes_no_options_that_could_print_the_key(machine: Machine, mode: str) -> None:
    """A user who may run a pipeline with variables can set any value, although the page offers only two."""
    project = machine.copy("gitlab-ci", machine.root / "builds" / "qgnet")
    machine.install(project / "collections")
    variables = {"QG_KEY": machine.sim.key, "QG_API_URL": machine.sim.api_url, "MODE": mode}
    with pytest.raises(AssertionError, match="ended with 2") as caught:
        run_job(machine, project, "register", variables)
    assert "MODE is neither register nor check" in str(caught.value)
    assert machine.sim.key not in str(caught.value)
    assert calls(machine.sim) == []
    assert not [name for name in load("gitlab-ci/.gitlab-ci.yml")["variables"] if "OPTIONS" in name]


def test_two_pipelines_never_register_at_the_same_time() -> None:
    file = load("gitlab-ci/.gitlab-ci.yml")
    register = file["register"]
    assert register["resource_group"]
    assert register["interruptible"] is False
    minutes = int(register["timeout"].split()[0])
    assert load("gitlab-ci/inventory.yml")["all"]["vars"]["egress_whitelist_max_wait"] < 60 * minutes
    assert not [name for name in file["variables"] if name in ("QG_KEY", "QG_PWD", "SSH_PRIVATE_KEY")]


# Semaphore


def named(backup: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    """The only entry of this name; an import refers to all others by name."""
    (found,) = [entry for entry in backup[kind] if entry["name"] == name]
    return dict(found)


def test_the_project_of_semaphore_is_complete() -> None:
    backup = json.loads((EXAMPLES / "semaphore" / "project.json").read_text(encoding="utf-8"))
    for repository in backup["repositories"]:
        named(backup, "keys", repository["ssh_key"])
    for inventory in backup["inventories"]:
        named(backup, "keys", inventory["ssh_key"])
        assert (EXAMPLES / "semaphore" / inventory["inventory"]).is_file()
    for template in backup["templates"]:
        named(backup, "repositories", template["repository"])
        named(backup, "inventories", template["inventory"])
        # Releases differ in the name of the field.
        assert template["environments"] == [template["environment"]]
        named(backup, "environments", template["environment"])
        assert template["allow_parallel_tasks"] is False
    for schedule in backup["schedules"]:
        named(backup, "templates", schedule["template"])
    trial = named(backup, "environments", "Simulator")
    assert json.loads(trial["json"]) == load("semaphore/simulator.yml")
    assert "QG_KEY" not in named(backup, "environments", "Vendor")["env"]
    templates = [named(backup, "templates", name) for name in ("Register", "Try with the simulator")]
    same = ("playbook", "arguments", "repository", "app")
    assert [templates[0][name] for name in same] == [templates[1][name] for name in same]


@pytest.mark.nightly
def test_a_template_of_semaphore_registers_the_hosts_and_its_next_task_changes_nothing(machine: Machine) -> None:
    text = (EXAMPLES / "semaphore" / "project.json").read_text(encoding="utf-8")
    backup = json.loads(machine.here(text.replace("/var/lib/semaphore", str(machine.root / "semaphore"))))
    template = named(backup, "templates", "Try with the simulator")
    branch = named(backup, "repositories", template["repository"])["git_branch"]
    project = machine.root / "semaphore" / "repository_1_template_1"
    url = machine.repository("semaphore")
    machine.run(["git", "clone", "--quiet", "--branch", branch, url, str(project)], machine.root)
    machine.install(project / "collections")
    values = named(backup, "environments", template["environment"])
    inventory = named(backup, "inventories", template["inventory"])["inventory"]
    # In this order, from the root of the repository.
    command = ["ansible-playbook", "-i", inventory, "--extra-vars", values["json"], *json.loads(template["arguments"])]
    environment = json.loads(values["env"]) | {"ANSIBLE_FORCE_COLOR": "False"}
    assert environment["QG_KEY"] == machine.sim.key
    runs = [machine.run([*command, template["playbook"]], project, environment) for _task in range(2)]
    machine.assert_registered_once(runs, PUBLIC)
    assert os.stat(environment["QG_STATE_DIR"]).st_mode & 0o777 == 0o700
