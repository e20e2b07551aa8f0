# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can publish: the workflows keep every token and secret from the code of the repository and
of its tools.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = {path.stem: path for path in sorted((ROOT / ".github/workflows").glob("*.yml"))}
#: A command that runs code of the repository, or installs and runs packages that others publish.
FOREIGN_CODE = re.compile(
    r"(?<![\w-])(make|nox|pip3?|pipx|uvx?|npm|npx|python3?|bash|sh|source|eval)(?![\w-])|\./|\.venv|\.nox"
)
#: What holds a token or a secret, in an expression.
SECRET = re.compile(r"\$\{\{[^}]*(secrets\b|github\.token)")


def workflow(name: str) -> dict[Any, Any]:
    """A workflow; YAML 1.1 reads its key "on" as True."""
    content: dict[Any, Any] = yaml.safe_load(WORKFLOWS[name].read_text(encoding="utf-8"))
    return content


def jobs() -> list[Any]:
    """All jobs of all workflows."""
    return [
        pytest.param(name, job, id=f"{name}-{job}")
        for name in WORKFLOWS
        for job in workflow(name)["jobs"]
    ]


def rights(name: str, job: dict[str, Any]) -> dict[str, str]:
    """The permissions of the token of a job."""
    granted: dict[str, str] = job.get("permissions", workflow(name)["permissions"])
    return granted


def commands(job: dict[str, Any]) -> str:
    """All that the steps of a job run."""
    return "\n".join(step.get("run", "") for step in job.get("steps", ()))


def needed(name: str, job: str) -> set[str]:
    """The jobs that must have succeeded before a job, directly or not."""
    needs = workflow(name)["jobs"][job].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*(needed(name, other) for other in direct))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_job_has_no_right_that_it_does_not_name(name: str) -> None:
    content = workflow(name)
    assert content["permissions"] in ({}, {"contents": "read"})
    assert SECRET.search(str(content.get("env"))) is None


@pytest.mark.parametrize(("name", "job"), jobs())
def test_a_job_that_runs_foreign_code_can_change_nothing(name: str, job: str) -> None:
    content = workflow(name)["jobs"][job]
    can_write = "write" in rights(name, content).values()
    if can_write or "environment" in content or SECRET.search(str(content)):
        assert FOREIGN_CODE.search(commands(content)) is None
    else:
        assert set(rights(name, content).values()) <= {"read"}


@pytest.mark.parametrize(("name", "job"), jobs())
def test_a_token_is_in_the_environment_of_its_step_alone(name: str, job: str) -> None:
    content = workflow(name)["jobs"][job]
    around = {key: value for key, value in content.items() if key != "steps"}
    assert SECRET.search(str(around)) is None
    assert "secrets" not in around
    for step in content.get("steps", ()):
        assert SECRET.search(step.get("run", "")) is None
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize(("name", "job"), jobs())
def test_an_action_is_the_one_that_was_reviewed(name: str, job: str) -> None:
    content = workflow(name)["jobs"][job]
    used = [
        content.get("uses", "$/"),
        *(step.get("uses", "$/") for step in content.get("steps", ())),
    ]
    assert [
        each for each in used if not re.fullmatch(r"\$/.*|[\w-]+/[\w-]+@[0-9a-f]{40}", each)
    ] == []


def test_a_release_is_a_commit_of_main_on_which_ci_succeeds() -> None:
    release = workflow("release")["jobs"]
    publishing = [
        name for name, job in release.items() if "write" in rights("release", job).values()
    ]
    assert publishing == ["publish", "documentation"]
    assert needed("release", "publish") == {"version", "tests"}
    assert needed("release", "documentation") == {"version", "tests", "publish"}
    assert release["tests"]["uses"] == "$/.github/workflows/ci.yml"
    assert "workflow_call" in workflow("ci")[True]
    assert "git merge-base --is-ancestor" in commands(release["version"])
    # A condition, or an error that is ignored, would let it go on without them.
    for name in ("documentation", *needed("release", "documentation")):
        assert release[name].keys().isdisjoint({"if", "continue-on-error"})
    for name in ("test", "cores"):
        assert workflow("ci")["jobs"][name].keys().isdisjoint({"if", "continue-on-error"})


def test_each_ansible_core_is_tested_with_each_change() -> None:
    tested = {"2.21", *workflow("ci")["jobs"]["cores"]["strategy"]["matrix"]["core"]}
    required = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))[
        "requires_ansible"
    ]
    assert required == ">=2.16.0"
    assert tested == {f"2.{minor}" for minor in range(16, 23)}
    for readme in ("README.md", "README.zh-CN.md"):
        badges = (ROOT / readme).read_text(encoding="utf-8")
        assert "ansible--core-2.16%20to%202.22" in badges


def test_an_execution_environment_gets_what_the_readme_asks_for() -> None:
    definition = yaml.safe_load(
        (ROOT / "meta/execution-environment.yml").read_text(encoding="utf-8")
    )
    listed = (ROOT / definition["dependencies"]["python"]).read_text(encoding="utf-8").splitlines()
    packages = [line for line in listed if line and not line.startswith("#")]
    assert packages == ["requests>=2.28"]
    assert "`requests` 2.28 or newer" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert definition["dependencies"]["python"].startswith("meta/")


def test_the_site_keeps_the_folders_of_other_versions(tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    step = workflow("docs")["jobs"]["publish"]["steps"][-1]

    def publish(version: str, *pages: str) -> None:
        runner = tmp_path / f"{version}-{pages[0]}"
        site = runner / "site" / version
        site.mkdir(parents=True)
        for page in ("index.html", *pages):
            (site / page).write_text(f"{page} of {version}", encoding="utf-8")
        environment = os.environ | {
            "GH_TOKEN": "token",
            "GITHUB_REF_NAME": version,
            "GITHUB_REPOSITORY": "owner/name",
            "GITHUB_SHA": "0" * 40,
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{remote}.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://x-access-token:token@github.com/owner/name.git",
            "GIT_DIR": str(runner / "pages.git"),
            "GIT_WORK_TREE": str(site.parent),
        }
        command = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]
        subprocess.run(command, cwd=site.parent, env=environment, check=True)

    def published(*arguments: str) -> list[str]:
        command = ["git", f"--git-dir={remote}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    publish("main", "old.html")
    assert "url=main/index.html" in " ".join(published("show", "gh-pages:index.html"))
    publish("1.10.0", "page.html")
    publish("1.9.0", "page.html")
    publish("main", "new.html")

    shown = published("ls-tree", "-r", "--name-only", "gh-pages")
    folders = {"1.10.0": "page.html", "1.9.0": "page.html", "main": "new.html"}
    expected = {f"{version}/{page}" for version, page in folders.items()}
    expected |= {f"{version}/index.html" for version in folders}
    assert set(shown) == expected | {".nojekyll", "index.html"}
    assert "url=1.10.0/index.html" in " ".join(published("show", "gh-pages:index.html"))
