# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test sessions: "make" calls them, .venv/bin/nox --list names them; antsibull-nox.toml defines
others.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import antsibull_nox
import nox
from nox.command import CommandFailed

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))
import workspace
from core_tests import core_tests
from workspace import CACHE, CORES, DATABASE, HOSTS, INTEGRATION, NEWEST, WORKERS

# As CI and a release run them: also the tests that are marked as slow, and with the coverage
# measured.
ALL = bool(os.environ.get("QGNET_ALL"))
ON_CORES = [nox.param(python, core, id=core) for core, python in CORES.items()]
# Hosts of the lab hide the home of the caller from what runs on them.
CALLERS_HOME = {"HOME": os.environ.get("QGNET_HOME", str(Path.home()))}
NEWEST_PYTHON = "3.13"
#: What "make test" runs.
QUICK = "not slow and not nightly"
#: What another ansible-core than the newest runs of that.
ON_OTHER_CORES = f"{QUICK} and not newest"
#: Tests of tests/integration that have sessions of their own.
OTHER_SESSIONS = ("--ignore=tests/integration/eda", "--ignore=tests/integration/recipes")
SYSTEMD = "ip=iproute2 mmdebstrap systemd-nspawn=systemd-container"

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "auto"
nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint"]
workspace.prepare()
antsibull_nox.load_antsibull_nox_toml()


class Passed:
    """Whether a check has passed for the same files: then it is left out, but not by CI and not
    with arguments.
    """

    def __init__(self, session: nox.Session, *folders: str) -> None:
        """Look at what git knows outside of docs and tests, and at some folders of tests."""
        seen = [name for name in workspace.files() if not name.startswith(("docs/", "tests/"))]
        seen += [name for name in workspace.files() if name.startswith(folders)]
        self._digest = workspace.digest(seen)
        self._path = CACHE / f"{session.name}.passed"
        self._is_whole = not session.posargs
        self.is_known = False
        if self._is_whole and not ALL and self._path.is_file():
            self.is_known = self._path.read_text("ascii") == self._digest

    def keep(self) -> None:
        """Record that the check has passed, unless it was a part of it."""
        if self._is_whole:
            self._path.write_text(self._digest, "ascii")


def sync(session: nox.Session, *groups: str, core: str = NEWEST, programs: str = "") -> None:
    """Install what uv.lock has for groups of pyproject.toml beside an ansible-core, and packages of
    Debian.
    """
    workspace.install_programs(programs, session.error)
    locked = workspace.locked(*groups, *([f"core-{core.replace('.', '-')}"] if core else []))
    session.run_install(
        "uv", "pip", "sync", "--quiet", "--require-hashes", str(locked), external=True
    )
    if "tests" in groups:
        # uv builds it by itself, so that nothing is downloaded that uv.lock does not have.
        simulator = ("--quiet", "--no-deps", "--offline", "--editable", "tests/simulator")
        session.run_install("uv", "pip", "install", *simulator, external=True)


def pytest(session: nox.Session, *arguments: str, measured: str = "", **settings: str) -> None:
    """Run pytest; ``measured`` names the coverage data of its processes and of those that these
    start.
    """
    folder = workspace.temporary()
    command = ["pytest", "--quiet", f"--basetemp={folder}", *WORKERS, *arguments]
    if measured:
        (CACHE / "coverage").mkdir(exist_ok=True)
        for old in (CACHE / "coverage").glob(f"{measured}*"):
            old.unlink()
        command = ["coverage", "run", "-m", *command]
        settings |= {
            "COVERAGE_FILE": f"{CACHE}/coverage/{measured}",
            "COVERAGE_RCFILE": f"{ROOT}/pyproject.toml",
        }
        # Else ansible-core kills its workers at a play's end, some while they write what they have
        # measured.
        settings |= {
            "ANSIBLE_WORKER_SHUTDOWN_POLL_COUNT": "200",
            "ANSIBLE_WORKER_SHUTDOWN_POLL_DELAY": "0.02",
        }
        if measured == "integration":
            settings |= {"QGNET_PATCH_EXIT": "_exit", "QGNET_PATCH_FORK": "fork"}
    try:
        session.run(*command, env=settings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_tests(session: nox.Session, core: str, programs: str, *folders: str) -> None:
    """Run tests on one ansible-core; "make test-all" runs also the slow ones on the newest, and
    measures them.
    """
    sync(session, "tests", core=core, programs=programs)
    measured = ""
    settings = {}
    marks = ["-m", QUICK]
    if core != NEWEST:
        marks = ["-m", ON_OTHER_CORES]
        settings["QGNET_FEW_EXAMPLES"] = "1"
    elif ALL:
        marks = ["-m", "not nightly"]
        measured = session.name.split("(")[0]
    pytest(session, *(session.posargs or [*marks, *folders]), measured=measured, **settings)


@nox.session
@nox.parametrize("python,core", ON_CORES)
def unit(session: nox.Session, core: str) -> None:
    folders = ["tests/behavior", "tests/unit", "tests/contract"]
    if core != NEWEST:
        folders = core_tests(*folders)
    run_tests(session, core, f"{DATABASE} curl", *folders)


@nox.session
@nox.parametrize("python,core", ON_CORES)
def integration(session: nox.Session, core: str) -> None:
    # A slow test draws the page of the simulator, and another one follows the guide to
    # ansible-rulebook.
    more = " chromium =default-jre-headless" if ALL and core == NEWEST else ""
    run_tests(session, core, INTEGRATION + more, "tests/integration", *OTHER_SESSIONS)


@nox.session(python=CORES["2.22"])
def devel(session: nox.Session) -> None:
    """Tests on the ansible-core that is being developed, or on the one that an argument names."""
    sync(session, "tests", core="", programs=INTEGRATION)
    source = "https://github.com/ansible/ansible/archive/devel.tar.gz"
    session.run_install(
        "uv", "pip", "install", "--quiet", *(session.posargs or [source]), external=True
    )
    tests = core_tests("tests/behavior", "tests/unit")
    pytest(session, "-m", ON_OTHER_CORES, *tests, "tests/integration", *OTHER_SESSIONS)


@nox.session(python=NEWEST_PYTHON)
def walks(session: nox.Session) -> None:
    """Random walks with a new seed, or with that of --hypothesis-seed=N, which is shown."""
    sync(session, "tests", programs=f"{DATABASE} curl")
    arguments = session.posargs or [f"--hypothesis-seed={random.randrange(10**9)}"]
    session.log(" ".join(arguments))
    tests = (
        "tests/behavior/test_machine.py",
        "tests/behavior/test_world_walks.py",
        "tests/unit/plugins/module_utils/store/test_state_time.py",
    )
    pytest(session, *arguments, *tests, QGNET_EXPLORE="60")


@nox.session(python=NEWEST_PYTHON)
def coverage(session: nox.Session) -> None:
    """How much of plugins/ the tests of "make test-all" have gone through."""
    sync(session, "tests")
    # A process that was killed while it wrote leaves an empty file.
    folder = CACHE / "coverage"
    data = [
        str(path)
        for part in ("unit", "integration")
        for path in folder.glob(f"{part}*")
        if path.stat().st_size
    ]
    report = folder / "report.json"
    settings = {"COVERAGE_FILE": f"{folder}/combined", "COVERAGE_RCFILE": f"{ROOT}/pyproject.toml"}
    session.run("coverage", "combine", "--quiet", "--keep", *data, env=settings, log=False)
    session.run("coverage", "report", env=settings)
    session.run("coverage", "json", "--quiet", "-o", str(report), env=settings)
    totals = json.loads(report.read_text("utf-8"))["totals"]
    share = 100 * totals["covered_branches"] / totals["num_branches"]
    if share < 95:
        session.error(f"{share:.1f} % of the branches are covered; wanted: 95 %")


@nox.session(python=NEWEST_PYTHON)
def lint(session: nox.Session) -> None:
    """Style, types, licenses, changelog; arguments choose some of the programs."""
    sync(session, "lint", "tests", "nox")
    # What git knows, and not what a session beside this one has just written.
    files = workspace.files()
    scripts = [
        name for name in files if (ROOT / name).read_bytes().startswith(b"#!/usr/bin/env bash")
    ]
    commands = [
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("mypy",),
        ("typos", "--force-exclude", *files),
        ("bash", "-c", "git log -1 --format=%B | typos -"),
        ("yamllint", "--strict", "."),
        ("shellcheck", *scripts),
        ("jactionlint",),
        ("zizmor", "--offline", "--persona=auditor", "--quiet", ".github"),
        ("reuse", "lint-file", *files),
        ("antsibull-changelog", "lint"),
        ("ansible-lint", "--offline", "--profile", "production", "--strict"),
    ]
    # ansible-lint takes five times as long as all others, and tests and guides are nothing to it.
    passed = Passed(session)
    if passed.is_known:
        session.log(f"{commands.pop()[0]} has passed for these files")
    failed = []
    for command in commands:
        if not session.posargs or command[0] in session.posargs:
            session.log(" ".join(command[:3]))
            try:
                session.run(*command, log=False, external=command[0] == "bash")
            except CommandFailed:
                failed.append(command[0])
                continue
            if command[0] == "ansible-lint":
                passed.keep()
    if failed:
        session.error(f"failed: {', '.join(failed)}")


@nox.session
@nox.parametrize(
    "python,core", [nox.param("3.12" if core < "2.18" else "3.13", core, id=core) for core in CORES]
)
def sanity(session: nox.Session, core: str) -> None:
    """ansible-test sanity.

    pylint takes as long as all other tests together, and import as all but pylint.
    """
    passed = Passed(session, "tests/config.yml")
    if passed.is_known:
        session.skip("has passed for these files")
    sync(session, core=core)
    left_out: tuple[str, ...] = ()
    if core != NEWEST:
        left_out = ("--skip-test", "pylint")
    elif not ALL:
        left_out = ("--skip-test", "pylint", "--skip-test", "import")
    arguments = (core, str(session.python), *left_out, *session.posargs)
    session.run("python", "tools/sanity.py", *arguments, env={"PYTHONDONTWRITEBYTECODE": "1"})
    passed.keep()


@nox.session(python=NEWEST_PYTHON)
def molecule(session: nox.Session) -> None:
    """The roles on hosts reached by SSH, in network namespaces; arguments are those of "molecule
    test".
    """
    root = os.geteuid() == 0
    namespaces = ["unshare", "--net", *(() if root else ("--user", "--map-root-user")), "true"]
    if subprocess.run(namespaces, capture_output=True, check=False).returncode != 0:
        if not root:
            session.skip("needs root here: it makes network namespaces")
        session.error(
            "this root may not make network namespaces (a container without CAP_SYS_ADMIN?)"
        )
    passed = Passed(session, "tests/simulator/")
    if passed.is_known:
        session.skip("has passed for these files")
    sync(session, "molecule", "tests", programs=HOSTS)
    within = () if root else ("bash", "tools/lab/lab.sh", "rootless")
    arguments = session.posargs or (
        ["--all", "--report"] if ALL else ["--scenario-name=egress_whitelist", "--report"]
    )
    # Else it would take hosts for running that a killed run has created, or a power failure has
    # ended.
    session.run("molecule", "reset", "--no-report", env=CALLERS_HOME, silent=True)
    session.run(*within, "molecule", "test", *arguments, env=CALLERS_HOME, external=not root)
    passed.keep()


@nox.session(python=NEWEST_PYTHON)
def docs(session: nox.Session) -> None:
    """The guides and the reference of the plugins, in .cache/docs/build/html; a warning is an
    error.
    """
    sync(session, "docs", "tests")
    folder = CACHE / "docs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    options = ("--use-current", "--squash-hierarchy", "--lenient", "--dest-dir", str(folder))
    session.run("antsibull-docs", "sphinx-init", *options, "qingguo.qgnet", silent=True)
    with (folder / "conf.py").open("a", encoding="utf-8") as file:
        # Without the pages of ansible-core, which are elsewhere. Labels of ours are checked by
        # docs-check.
        file.write('intersphinx_mapping = {}\nsuppress_warnings = ["ref.ref", "ref.envvar"]\n')
        file.write(
            "import sys\n"
            f"sys.path.insert(0, {str(ROOT / 'tools')!r})\n"
            "from reference import show_on_site\n"
            "def setup(app): app.connect('source-read', show_on_site)\n"
        )
    script = folder / "build.sh"
    script.write_text(
        script.read_text("utf-8").replace(" -c .", " -c . -W --keep-going --quiet"), "utf-8"
    )
    session.run("bash", str(script), external=True)


def build_archive(session: nox.Session) -> None:
    """Build the archive of the collection from the files as they are now."""
    copied = workspace.copy("build", workspace.files())
    session.run(
        "ansible-galaxy", "collection", "build", "--force", "--output-path=dist", str(copied)
    )


@nox.session(python=NEWEST_PYTHON)
def build(session: nox.Session) -> None:
    """The archive of the collection, in dist/."""
    sync(session)
    build_archive(session)


@nox.session(python=NEWEST_PYTHON)
def release(session: nox.Session) -> None:
    """The version of the argument, the changelog, a commit and its tag, and the archive; nothing is
    pushed.

    In the commit that is tagged, all links lead to this version, and in the one after it to main.
    """
    (version,) = session.posargs or session.error("make release VERSION=x.y.z")
    sync(session, "lint", "nox")
    session.run("git", "diff", "--exit-code", "HEAD", external=True)
    for path in (ROOT / "galaxy.yml", ROOT / "plugins/module_utils/_api/transport.py"):
        pattern = re.compile(r'^(version: |VERSION = ")[\d.]+', re.MULTILINE)
        path.write_text(pattern.sub(rf"\g<1>{version}", path.read_text("utf-8")), "utf-8")
    session.run("antsibull-changelog", "release", "--version", version)
    session.run("python", "tools/reference.py", "--version", version)
    message = f"--message=Release {version}"
    for words in (["add", "--all"], ["commit", message], ["tag", message, version]):
        session.run("git", *words, external=True, env=CALLERS_HOME)
    build_archive(session)
    session.run("python", "tools/reference.py", "--version", "main")
    message = f"--message=Let links lead to main again after {version}"
    session.run("git", "commit", "--all", message, external=True, env=CALLERS_HOME)


def define(name: str, programs: str, *command: str, group: str = "tests", **env: str) -> None:
    """Define a session that runs one command with the caller's arguments."""

    def run(session: nox.Session) -> None:
        sync(session, "tests", group, programs=programs)
        # A server may take more than the half second that nox gives a program to end.
        waits = {"interrupt_timeout": 10.0, "terminate_timeout": 10.0}
        session.run(*command, *session.posargs, env=env, external=True, **waits)

    nox.session(name=name, python=NEWEST_PYTHON)(run)


define("simulator", "", "qgnet-simulator")
# Gateways in real time: control nodes that die, outages, minutes of load.
LAB = ("python", "tests/benchmarks/gateway_lab.py")
define("gateway-lab", INTEGRATION, *LAB, PYTHONPATH=f"{ROOT}/tests")
# What QG.net's documents leave open, asked of the simulator, or with QG_KEY of QG.net (--write,
# --paid).
define("contract", "", "pytest", "tests/contract")
define(
    "bench",
    "curl haproxy sshd=openssh-server",
    "python",
    "tests/benchmarks/bench.py",
    PYTHONPATH=f"{ROOT}/tests",
)
# Whole months, gateways under load, and all combinations of what the tests of a change try some of.
NIGHTLY = ("-m=nightly", "tests/behavior", "tests/unit", "tests/integration", *OTHER_SESSIONS)
define("nightly", INTEGRATION, "pytest", *WORKERS, *NIGHTLY)
# Random defects in the code that pays, writes or waits: --seed, --number.
define("planted", f"{DATABASE} curl", "python", "tools/plant.py")
DEMO = "curl haproxy" if "gateway" in sys.argv else "curl"
define("demo", DEMO, "bash", "tools/demo/demo.sh", **CALLERS_HOME)
define("systemd", SYSTEMD, "bash", "tools/lab/gateway_systemd.sh", **CALLERS_HOME)
define("eda", "java=openjdk-21-jre-headless", "pytest", "tests/integration/eda", group="eda")
CRAWLERS = "certutil=libnss3-tools chromium curl go=golang-go haproxy ip=iproute2 node=nodejs npm"
define("recipes", CRAWLERS, "pytest", "tests/integration/recipes", group="crawlers")
