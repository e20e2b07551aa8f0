# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test sessions. "make" calls them; so does .venv/bin/nox -s NAME once .venv exists."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed

sys.path.insert(0, str(Path(__file__).resolve().parent / "tests" / "tools"))

import pythons
import workspace

ROOT = workspace.ROOT
REQUIREMENTS = ROOT / "tests" / "requirements"
SIMULATOR_REQUIREMENTS = ROOT / "tests" / "simulator" / "requirements.txt"

# Newest Python for the newest ansible-core, oldest for the oldest: what stands between is between.
NEWEST_PYTHON = "3.13"
OLDEST_PYTHON = "3.10"

# ansible-test runs on one of the Pythons of its own core; the compile and import tests run on all that both support.
SANITY_PYTHON = {"oldest": "3.12", "newest": "3.13"}
SANITY_TARGETS = {"oldest": ("3.10", "3.11", "3.12"), "newest": ("3.10", "3.11", "3.12", "3.13")}

# What the molecule scenarios need beside Python packages, and the Debian package that has it.
PROGRAMS = {
    "curl": "curl",
    "hostname": "hostname",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "wget": "wget",
}
# What a host is asked with for its address, each of which the integration tests try.
ASKING_PROGRAMS = {"busybox": "busybox", "curl": "curl", "wget": "wget"}

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|venv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "unit", "sanity", "integration", "coverage", "molecule"]


# The hosts of the lab hide the home of the caller from what runs on them, so its sessions keep it.
CALLERS_HOME = os.environ.get("HOME", str(Path.home()))


def _prepare() -> None:
    os.environ.update(workspace.environment())
    workspace.prepare_home()
    workspace.link_collection()
    present = pythons.link_all(shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv")
    if absent := pythons.missing(present):
        print(
            f"noxfile: Python {', '.join(absent)} was not found on PATH or in pyenv, and uv could not install it; "
            "the sessions that need it will fail",
            file=sys.stderr,
        )


_prepare()


def _install(session: nox.Session, *names: str, simulator: bool = False) -> None:
    files = [REQUIREMENTS / f"{name}.txt" for name in names]
    if simulator:
        files.append(SIMULATOR_REQUIREMENTS)
    session.install(*(word for file in files for word in ("--requirement", str(file))))


def _pytest(session: nox.Session, core: str, label: str) -> None:
    """Run pytest; on the newest core with coverage, in its processes and in those that these start."""
    _install(session, f"core-{core}", "pytest", simulator=True)
    # The integration tests wait for simulators more than they compute.
    side_by_side = ("--numprocesses=3",) if label == "integration" else ()
    temporary = f"--basetemp={workspace.CACHE / 'pytest-temporary'}"
    command = ("pytest", temporary, *side_by_side, *(session.posargs or [f"tests/{label}"]))
    # Over a local connection Ansible would work in ~root, whatever HOME says.
    session.env["ANSIBLE_REMOTE_TEMP"] = str(workspace.HOME / ".ansible" / "remote")
    if core != "newest":
        session.run(*command)
        return
    _install(session, "coverage")
    workspace.COVERAGE.mkdir(parents=True, exist_ok=True)
    for old in workspace.COVERAGE.glob(f"{label}.data*"):
        old.unlink()
    settings = {
        "COVERAGE_FILE": str(workspace.COVERAGE / f"{label}.data"),
        "COVERAGE_RCFILE": str(ROOT / "pyproject.toml"),
        # Else ansible-core kills its workers at a play's end, some of them while they write what they have measured.
        "ANSIBLE_WORKER_SHUTDOWN_POLL_COUNT": "200",
        "ANSIBLE_WORKER_SHUTDOWN_POLL_DELAY": "0.02",
    }
    session.run("coverage", "run", "-m", *command, env=settings)


@nox.session(python=NEWEST_PYTHON)
def lint(session: nox.Session) -> None:
    """Style, types, documentation, changelog and licences."""
    _install(session, "core-newest", "lint", "pytest", "coverage", "bootstrap", simulator=True)
    scripts = [str(name) for name in workspace.collection_files() if _is_shell(ROOT / name)]
    commands = (
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("mypy",),
        ("yamllint", "--strict", "."),
        ("shellcheck", *scripts),
        ("reuse", "lint", "--lines"),
        ("antsibull-changelog", "lint"),
        ("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self", "."),
        ("ansible-lint", "--offline", "--profile", "production", "--strict"),
    )
    failed = []
    for command in commands:
        try:
            session.run(*command)
        except CommandFailed:
            failed.append(command[0])
    if failed:
        session.error(f"failed: {', '.join(failed)}")


def _is_shell(path: Path) -> bool:
    if path.suffix == ".sh":
        return True
    with path.open("rb") as file:
        return file.readline().rstrip() == b"#!/usr/bin/env bash"


@nox.session
@nox.parametrize(
    "python,core",
    [
        nox.param(NEWEST_PYTHON, "newest", id="core-newest"),
        nox.param(OLDEST_PYTHON, "oldest", id="core-oldest"),
    ],
)
def unit(session: nox.Session, core: str) -> None:
    """Unit tests, measured on the newest ansible-core."""
    _pytest(session, core, "unit")


@nox.session
@nox.parametrize(
    "python,core",
    [
        nox.param(SANITY_PYTHON["newest"], "newest", id="core-newest"),
        nox.param(SANITY_PYTHON["oldest"], "oldest", id="core-oldest"),
    ],
)
def sanity(session: nox.Session, core: str) -> None:
    """ansible-test sanity, with no ignore line and no test left out."""
    _install(session, f"core-{core}", "sanity")
    session.run(
        "python",
        "tests/tools/sanity.py",
        f"--label=sanity-{core}",
        f"--pip={sys.executable}",
        *("--need", *SANITY_TARGETS[core]),
        *("--want", *(pythons.OPTIONAL if core == "newest" else ())),
        *session.posargs,
    )


@nox.session
@nox.parametrize(
    "python,core",
    [
        nox.param(NEWEST_PYTHON, "newest", id="core-newest"),
        nox.param(OLDEST_PYTHON, "oldest", id="core-oldest"),
    ],
)
def integration(session: nox.Session, core: str) -> None:
    """Playbooks over HTTP against the simulator, measured on the newest ansible-core."""
    _need_programs(session, ASKING_PROGRAMS)
    _pytest(session, core, "integration")


@nox.session(python=NEWEST_PYTHON)
def coverage(session: nox.Session) -> None:
    """What the unit and integration tests together leave out of plugins/."""
    _install(session, "coverage")
    session.run("python", "tests/tools/coverage_gate.py", str(workspace.COVERAGE))


@nox.session(python=NEWEST_PYTHON)
def molecule(session: nox.Session) -> None:
    """The role on hosts that are reached by SSH, each in a network namespace of its own."""
    _need_programs(session, PROGRAMS)
    root = os.geteuid() == 0
    namespaces = ["unshare", "--net", *(() if root else ("--user", "--map-root-user")), "true"]
    if subprocess.run(namespaces, capture_output=True, check=False).returncode != 0:
        if not root:
            session.skip("needs root here: as root it also runs the role on SSH hosts in network namespaces")
        session.error("this root may not make network namespaces (a container without CAP_SYS_ADMIN?)")
    _install(session, "core-newest", "molecule", simulator=True)
    session.env["HOME"] = CALLERS_HOME
    within = () if root else ("bash", "tests/lab/lab.sh", "rootless")
    session.run(*within, "molecule", "test", *(session.posargs or ["--all", "--report"]), external=not root)


def _need_programs(session: nox.Session, programs: dict[str, str]) -> None:
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin"))
    packages = [package for program, package in programs.items() if not shutil.which(program, path=path)]
    if not packages:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        session.error(
            f"programs are missing; as root: apt-get install {' '.join(packages)} (names of Debian's packages)"
        )
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    session.run("apt-get", "-qq", "update", external=True, env=quiet)
    session.run("apt-get", "-qq", "install", "--yes", "--no-install-recommends", *packages, external=True, env=quiet)


@nox.session(python=NEWEST_PYTHON)
def simulator(session: nox.Session) -> None:
    """The simulator of the vendor, in the foreground."""
    session.install("--requirement", str(SIMULATOR_REQUIREMENTS))
    session.run("python", "tests/simulator", *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def demo(session: nox.Session) -> None:
    """The whole story on one machine: hosts that the proxy refuses, the role, hosts that it lets in."""
    _install(session, "core-newest", "demo", simulator=True)
    session.env["HOME"] = CALLERS_HOME
    session.run("bash", "tests/demo/demo.sh", *session.posargs, external=True)


@nox.session(python=NEWEST_PYTHON)
def build(session: nox.Session) -> None:
    """The archive of the collection, in dist/."""
    _install(session, "core-newest")
    copy = workspace.copy_collection("build")
    session.run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(ROOT / "dist"), str(copy))
    workspace.drop_copy("build")
