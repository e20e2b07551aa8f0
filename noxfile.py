# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test sessions. "make" calls them, and "make help" says what each does; so does .venv/bin/nox -s NAME."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import nox
from nox.command import CommandFailed

# nox reads this file alone.
sys.path.insert(0, str(Path(__file__).resolve().parent / "tests" / "tools"))

import lock_tools
import packages
import pythons
import workspace

Names = Mapping[str, str]
ROOT = workspace.ROOT
# Newest Python for the newest ansible-core, oldest for the oldest: what stands between is between.
NEWEST_PYTHON = "3.13"
BOTH_ENDS = [nox.param(NEWEST_PYTHON, "newest", id="core-newest"), nox.param("3.10", "oldest", id="core-oldest")]
# "make matrix" tests each series on the oldest Python that it runs on, and the newest series on the newest.
MATRIX = lock_tools.CORES | {"newest": NEWEST_PYTHON}
ARCHIVES = [nox.param(python, core, id=f"core-{core}") for core, python in lock_tools.ANSIBLE_TEST_PYTHONS.items()]
OTHERS = ["keys", "memory", "proxy_gateway", "strategies", "trouble"]
SCENARIOS = {"one": ["egress_whitelist"], "others": OTHERS, "all": []}
ANTSIBULL_SESSIONS = ("docs-check", "license-check", "extra-checks")
# Which tests of the newest core run: "quick" or "thorough" ones (the marker), else all; and whether they are measured.
TESTS = os.environ.get("QG_TESTS", "all")
QUICK = "not thorough and not nightly"
MEASURED = os.environ.get("QG_MEASURE", "1" if TESTS == "all" else "0") == "1"
# Hosts of the lab hide the home of the caller from what runs on them, so its sessions keep it.
CALLERS_HOME = {"HOME": os.environ.get("HOME", str(Path.home()))}
# For packages of tests that are run as programs.
IMPORTS = {"PYTHONPATH": f"{ROOT}/tests:{ROOT}/tests/tools:{workspace.COLLECTIONS}"}
# For programs that change a copy of the collection: its tests must find neither the collection itself, nor a compiled
# file of before a change within the same second.
TOOLS = {"PYTHONPATH": f"{ROOT}/tests/tools", "PYTHONDONTWRITEBYTECODE": "1"}
# Over a local connection Ansible would work in ~root, whatever HOME says.
REMOTE = {"ANSIBLE_REMOTE_TEMP": str(workspace.HOME / ".ansible" / "remote")}
# SIGTERM does not get past make and the program that calls nox.
CLUSTER = ("python", "-m", "lab.cluster", "--while-pid", str(os.getpid()), str(os.getppid()))
# Each run says its seed, and an argument with another one overrules it.
SEED = f"--hypothesis-seed={secrets.randbelow(2**32)}"
FUZZ = ("pytest", f"--basetemp={workspace.CACHE}/pytest-fuzz", "tests/fuzz", SEED)
DEMO = {"curl": "curl"} | ({"haproxy": "haproxy"} if "gateway" in sys.argv else {})

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv"
# A session whose Python is not on this machine has uv install it; the others install none.
nox.options.download_python = "auto"
nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint"]

os.environ.update(workspace.environment() | pythons.ENVIRONMENT)
workspace.prepare_home()
workspace.link_collection()
pythons.provide(pythons.REQUIRED, install=False)


def _no_warning(record: logging.LogRecord) -> bool:
    """Let a session of antsibull-nox fail where it would warn, as of a check that it has left out."""
    if record.levelno == logging.WARNING:
        logging.getLogger("nox").error("A warning is an error here: %s", record.getMessage())
        raise CommandFailed(record.getMessage())
    return True


# antsibull-nox looks for these statements, and not for those of contextlib.
try:
    # Its sessions stand beside ours in the environment of "antsibull" alone.
    import antsibull_nox

    antsibull_nox.load_antsibull_nox_toml()
    if os.environ.get("NOX_CURRENT_SESSION") == "antsibull":
        logging.getLogger("nox").addFilter(_no_warning)
except ModuleNotFoundError:
    pass


def _install(session: nox.Session, environment: str, programs: Names | None = None) -> None:
    """Install programs of Debian's packages, and what is locked for an environment; remove everything else from it."""
    packages.install(programs or {}, session.run, session.error, workspace.CACHE / "apt.lock")
    lock = str(lock_tools.LOCKS / f"{environment}.txt")
    session.run_install(pythons.uv(), "pip", "sync", "--quiet", "--require-hashes", lock, external=True)
    if environment.startswith("core-") and (other := os.environ.get("QG_ANSIBLE_CORE")):
        session.run_install(pythons.uv(), "pip", "install", "--quiet", other, external=True)


def _pytest(session: nox.Session, *arguments: str, measured: str = "", **settings: str) -> None:
    """Run pytest; ``measured`` names the coverage data of its processes and of those that these start."""
    folder = workspace.temporary(in_memory=session.name.startswith(("unit", "machines")))
    command = ["pytest", "--quiet", f"--basetemp={folder}", "--instafail", *arguments]
    if measured:
        workspace.COVERAGE.mkdir(parents=True, exist_ok=True)
        for old in workspace.COVERAGE.glob(f"{measured}*"):
            old.unlink()
        command = ["coverage", "run", "-m", *command]
        settings |= {
            "COVERAGE_FILE": str(workspace.COVERAGE / f"{measured}.data"),
            "COVERAGE_RCFILE": str(ROOT / "pyproject.toml"),
            # Else ansible-core kills its workers at a play's end, some while they write what they have measured.
            "ANSIBLE_WORKER_SHUTDOWN_POLL_COUNT": "200",
            "ANSIBLE_WORKER_SHUTDOWN_POLL_DELAY": "0.02",
        }
        if measured == "integration":
            settings |= {"QG_PATCH_EXIT": "_exit", "QG_PATCH_FORK": "fork"}
    try:
        session.run(*command, env=REMOTE | settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _both_ends(session: nox.Session, core: str, programs: Names, *folders: str) -> None:
    """Run tests on the newest core, with coverage, or what depends on ansible-core on the oldest, with few examples."""
    _install(session, f"core-{core}", programs)
    newest = core == "newest"
    marks = {"quick": QUICK, "thorough": "thorough and not nightly"}.get(TESTS, "")
    if not newest:
        marks = "not newest_core" if TESTS == "all" else f"not newest_core and {QUICK}"
    measured = Path(folders[0]).name if newest and MEASURED else ""
    few = {} if newest else {"QG_FEW_EXAMPLES": "1"}
    _pytest(session, *workspace.PYTEST_WORKERS, *(session.posargs or ["-m", marks, *folders]), measured=measured, **few)


def define(name: str, environment: str, *command: str, programs: Names | None = None, env: Names | None = None) -> None:
    """Define a session that runs one command with the caller's arguments, or the tests of its own folder."""

    def run(session: nox.Session) -> None:
        _install(session, environment, programs)
        if command:
            # A server may take more than the half second that nox gives a program to end.
            words = (*command, *session.posargs)
            session.run(*words, env=env, external=True, interrupt_timeout=10.0, terminate_timeout=10.0)
        else:
            _pytest(session, *(session.posargs or [f"tests/{name}"]))

    nox.session(name=name, python=NEWEST_PYTHON)(run)


define("eda", "eda", programs={"java": "openjdk-21-jre-headless"})
define("coverage", "core-newest", "python", "tests/tools/coverage_gate.py", str(workspace.COVERAGE))
define("locks", "bootstrap", "python", "tests/tools/lock_tools.py")
define("mutation", "mutation", "python", "tests/mutation/mutation.py", env=TOOLS)
define("planted", "core-newest", "python", "tests/mutation/planted_bugs.py", programs=packages.DATABASE, env=TOOLS)
define("simulator", "simulator", "python", "tests/simulator")
define("demo", "core-newest", "bash", "tests/demo/demo.sh", programs=DEMO, env=CALLERS_HOME)
define("systemd", "core-newest", "bash", "tests/lab/gateway_systemd.sh", programs=packages.MACHINE, env=CALLERS_HOME)
define("cluster", "core-newest", *CLUSTER, programs={"postgres": "postgresql"}, env=IMPORTS)
define("fuzz", "core-newest", *FUZZ, env={"QG_FUZZ_INPUTS": os.environ.get("QG_FUZZ_INPUTS", "100000")})
define("release", "lint", "python", "tests/tools/release.py", env=CALLERS_HOME)


@nox.session(python=NEWEST_PYTHON)
def lint(session: nox.Session) -> None:
    _install(session, "lint")
    # What git knows, and not what a session beside this one has just written.
    files = [str(path) for path in workspace.collection_files()]
    scripts = [name for name in files if (ROOT / name).read_bytes().startswith(b"#!/usr/bin/env bash")]
    commands = [
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("mypy",),
        ("yamllint", "--strict", "."),
        ("shellcheck", *scripts),
        ("jactionlint",),
        ("zizmor", "--offline", "--persona=auditor", "--quiet", ".github"),
        ("reuse", "lint-file", "--lines", *files),
        ("antsibull-changelog", "lint"),
        ("ansible-lint", "--offline", "--profile", "production", "--strict"),
    ]
    if unknown := set(session.posargs) - {command[0] for command in commands}:
        session.error(f"no part of lint: {', '.join(sorted(unknown))}")
    failed = []
    for command in commands:
        if not session.posargs or command[0] in session.posargs:
            try:
                session.run(*command)
            except CommandFailed:
                failed.append(" ".join(command[:2]))
    if failed:
        session.error(f"failed: {', '.join(failed)}")


@nox.session
@nox.parametrize("python,core", BOTH_ENDS)
def unit(session: nox.Session, core: str) -> None:
    folders = ("tests/unit", "tests/fuzz") if core == "newest" else ("tests/unit/plugins", "tests/unit/eda")
    _both_ends(session, core, packages.DATABASE, *folders)


@nox.session
@nox.parametrize("python,core", BOTH_ENDS)
def integration(session: nox.Session, core: str) -> None:
    _both_ends(session, core, packages.INTEGRATION, "tests/integration")


@nox.session(python=NEWEST_PYTHON)
def machines(session: nox.Session) -> None:
    _install(session, "core-newest", packages.DATABASE)
    names = ("test_*_machine.py", "test_every_interruption.py", "test_explorer.py")
    files = (str(path) for name in names for path in sorted((ROOT / "tests/unit").rglob(name)))
    _pytest(session, *workspace.PYTEST_WORKERS, *(session.posargs or files), QG_ALL_STEPS="1")


@nox.session
@nox.parametrize(
    "python,core", [nox.param(lock_tools.ANSIBLE_TEST_PYTHONS["newest"], "checkout", id="checkout"), *ARCHIVES]
)
def sanity(session: nox.Session, core: str) -> None:
    of_core = "newest" if core == "checkout" else core
    supported = pythons.REQUIRED[: pythons.REQUIRED.index(lock_tools.ANSIBLE_TEST_PYTHONS[of_core]) + 1]
    pythons.require(supported, optional := lock_tools.OPTIONAL_PYTHONS.get(of_core, ()), session.error)
    _install(session, f"core-{of_core}")
    options = [f"--label=sanity-{core}", f"--tests={TESTS}", f"--pip={sys.executable}"]
    options += ["--pythons", *supported, "--optional", *optional]
    if core != "checkout":
        session.run("python", "tests/tools/reproducible.py", str(folder := workspace.CACHE / f"sanity-{core}"))
        options.append(f"--archive={folder}/{workspace.NAMESPACE}-{workspace.NAME}-{workspace.version()}.tar.gz")
    session.run("python", "tests/tools/ansible_test.py", "sanity", *options, *session.posargs)


@nox.session
@nox.parametrize("python,core", ARCHIVES)
def units(session: nox.Session, core: str) -> None:
    _install(session, f"core-{core}")
    options = (f"--label=units-{core}", f"--pip={sys.executable}", f"--pythons={lock_tools.ANSIBLE_TEST_PYTHONS[core]}")
    session.run("python", "tests/tools/ansible_test.py", "units", *options, *session.posargs)


@nox.session(python=NEWEST_PYTHON)
@nox.parametrize("scenarios", [nox.param(names, id=name) for name, names in SCENARIOS.items()])
def molecule(session: nox.Session, scenarios: list[str]) -> None:
    root = os.geteuid() == 0
    namespaces = ["unshare", "--net", *(() if root else ("--user", "--map-root-user")), "true"]
    if subprocess.run(namespaces, capture_output=True, check=False).returncode != 0:
        if not root:
            session.skip("needs root here: as root it also runs the role on SSH hosts in network namespaces")
        session.error("this root may not make network namespaces (a container without CAP_SYS_ADMIN?)")
    _install(session, "molecule", packages.LAB)
    chosen = [f"--scenario-name={name}" for name in scenarios] or ["--all"]
    within = () if root else ("bash", "tests/lab/lab.sh", "rootless")
    arguments = session.posargs or [*chosen, "--report"]
    # Else it would take hosts for running that a killed run has created, or a power failure has ended.
    # All scenarios have one directory, which --all would remove once for each.
    session.run("molecule", "reset", "--no-report", env=CALLERS_HOME, silent=True)
    session.run(*within, "molecule", "test", *arguments, env=CALLERS_HOME, external=not root)


@nox.session(python=NEWEST_PYTHON)
def antsibull(session: nox.Session) -> None:
    _install(session, "antsibull")
    session.run("antsibull-nox", "lint-config")
    environment = Path(session.virtualenv.location)
    # Else its sessions ask the package index each time, even for what they have.
    installed = environment / "pins-of-its-sessions"
    pins = "".join(path.read_text("utf-8") for path in (ROOT / "antsibull-nox.toml", lock_tools.LOCKS / "docs.txt"))
    known = ["--no-install"] if installed.is_file() and installed.read_text("utf-8") == pins else []
    chosen = session.posargs or ANTSIBULL_SESSIONS
    session.run("nox", "--envdir", str(environment.parent), *known, "--sessions", *chosen)
    if not session.posargs:
        installed.write_text(pins, "utf-8")
