# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test sessions. "make" calls them; so does .venv/bin/nox -s NAME once .venv exists."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed

sys.path.insert(0, str(Path(__file__).resolve().parent / "tests" / "tools"))

import lock_tools
import packages
import pythons
import workspace

ROOT = workspace.ROOT
KUBERNETES_MANIFESTS = ("examples/kubernetes/cronjob.yml", "examples/kubernetes/volume.yml")
ANTSIBULL_CONFIG = ROOT / "antsibull-nox.toml"
ANTSIBULL_SESSIONS = ("docs-check", "license-check", "extra-checks")

# Newest Python for the newest ansible-core, oldest for the oldest: what stands between is between.
NEWEST_PYTHON = "3.13"
OLDEST_PYTHON = "3.10"

# Every series of ansible-core that is supported, and the Python that "make matrix" tests it on: the oldest that the
# series runs on, and for the newest series the newest. The last one is not released yet.
MATRIX = {**lock_tools.CORES, "newest": NEWEST_PYTHON}

# ansible-test has Pythons of its own for each core: of those that the collection supports, the one that it runs on is
# the newest here. On the optional ones it tests where they are.
SANITY_PYTHON = {core: "3.12" if core in ("oldest", "2.17") else "3.13" for core in MATRIX}
SANITY_OPTIONAL = {"2.20": ("3.14",), "newest": ("3.14",), "2.22": ("3.14", "3.15")}

# What a session needs beside Python packages, and the Debian package that has it: first the hosts of the lab, which
# molecule and the benchmarks use.
PROGRAMS = {
    "curl": "curl",
    "haproxy": "haproxy",
    "hostname": "hostname",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
    "wget": "wget",
}
# The integration tests ask a host for its address with curl, wget, wget2 and busybox, through login shells that
# read a command in ways of their own, and have hosts that SSH does not reach.
INTEGRATION_PROGRAMS = {
    "busybox": "busybox",
    "curl": "curl",
    "fish": "fish",
    "ssh": "openssh-client",
    "tcsh": "tcsh",
    "wget": "wget",
    "wget2": "wget2",
}
# What shares state through PostgreSQL is tested on real servers.
DATABASE_PROGRAMS = {"pgbouncer": "pgbouncer", "postgres": "postgresql"}

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv"
# A session whose Python is not on this machine has uv install it; the others install none.
nox.options.download_python = "auto"
nox.options.error_on_missing_interpreters = True
nox.options.reuse_venv = "yes"
nox.options.sessions = [
    "lint",
    "antsibull",
    "unit",
    "sanity(checkout)",
    "sanity(core-oldest)",
    "docs",
    "galaxy",
    "quickstart",
    "integration",
    "eda",
    "runner",
    "browser",
    "coverage",
    "molecule(all)",
    "machines",
]


# The hosts of the lab hide the home of the caller from what runs on them, so its sessions keep it.
CALLERS_HOME = os.environ.get("HOME", str(Path.home()))


def _uv() -> str:
    return shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"


def _prepare() -> None:
    os.environ.update(workspace.environment())
    workspace.prepare_home()
    workspace.link_collection()
    for name, value in pythons.ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    pythons.link_present()


_prepare()


def _no_warning(record: logging.LogRecord) -> bool:
    """Let a session of antsibull-nox fail where it would warn, as of a check that it has left out."""
    if record.levelno == logging.WARNING:
        logging.getLogger("nox").error("A warning is an error here: %s", record.getMessage())
        raise CommandFailed(record.getMessage())
    return True


try:
    import antsibull_nox

    # Its sessions stand beside ours in the environment of "antsibull" alone.
    antsibull_nox.load_antsibull_nox_toml()
    if os.environ.get("NOX_CURRENT_SESSION") == "antsibull":
        logging.getLogger("nox").addFilter(_no_warning)
except ModuleNotFoundError:
    pass


def _install(session: nox.Session, environment: str) -> None:
    """Install what is locked for an environment, and remove everything else."""
    lock = str(lock_tools.LOCKS / f"{environment}.txt")
    session.run_install(_uv(), "pip", "sync", "--quiet", "--require-hashes", lock, external=True)


def _folder_in_memory() -> Path | None:
    """Return a place for the files of the unit tests: their thousands of databases would wait for the disk."""
    memory = Path("/dev/shm")
    with contextlib.suppress(OSError):
        status = os.statvfs(memory)
        if (
            os.access(memory, os.W_OK)
            and not status.f_flag & os.ST_NOEXEC
            and status.f_bavail * status.f_frsize > 2**30
        ):
            return memory / f"qgnet-{os.getpid()}"
    return None


def _pytest(session: nox.Session, core: str, label: str) -> None:
    """Run pytest; on the newest core with coverage, in its processes and in those that these start."""
    _install(session, f"core-{core}")
    in_memory = _folder_in_memory() if label == "unit" else None
    temporary = f"--basetemp={in_memory or workspace.CACHE / 'pytest-temporary'}"
    tests = [f"tests/{label}"]
    if label == "unit":
        # The fuzzer makes few inputs here, always the same. The oldest core reads only what it runs.
        tests = ["tests/unit", "tests/fuzz"] if core == "newest" else ["tests/unit/plugins", "tests/unit/eda"]
    if core == "oldest":
        tests = ["-m", "not newest_core", *tests]
        session.env["QG_FEW_EXAMPLES"] = "1"
    command = ("pytest", temporary, *workspace.PYTEST_WORKERS, *(session.posargs or tests))
    # Over a local connection Ansible would work in ~root, whatever HOME says.
    session.env["ANSIBLE_REMOTE_TEMP"] = str(workspace.HOME / ".ansible" / "remote")
    try:
        if core == "newest" and not os.environ.get("QG_QUICK"):
            _run_measured(session, label, command)
        else:
            session.run(*command)
    finally:
        if in_memory:
            shutil.rmtree(in_memory, ignore_errors=True)


def _run_measured(session: nox.Session, label: str, command: tuple[str, ...]) -> None:
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
    """Style, types, examples, changelog and licences; names of programs as arguments run these alone."""
    _install(session, "lint")
    # On every machine the same, whether or not it has the library that reuse would prefer.
    session.env["REUSE_ENCODING_MODULE"] = "chardet"
    scripts = [str(name) for name in workspace.collection_files() if _is_shell(ROOT / name)]
    commands = [
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("mypy",),
        ("yamllint", "--strict", "."),
        ("shellcheck", *scripts),
        ("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "examples/gitlab-ci/.gitlab-ci.yml"),
        ("kubernetes-validate", "--strict", "--quiet", *KUBERNETES_MANIFESTS),
        ("reuse", "lint", "--lines"),
        ("antsibull-changelog", "lint"),
        ("ansible-lint", "--offline", "--profile", "production", "--strict"),
        ("python", "tests/tools/examples.py"),
    ]
    if unknown := set(session.posargs) - {command[0] for command in commands}:
        session.error(f"no part of lint: {', '.join(sorted(unknown))}")
    failed = []
    for command in commands:
        if session.posargs and command[0] not in session.posargs:
            continue
        try:
            session.run(*command)
        except CommandFailed:
            failed.append(Path(command[-1]).stem if command[0] == "python" else command[0])
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
    _need_programs(session, DATABASE_PROGRAMS)
    _pytest(session, core, "unit")


@nox.session
@nox.parametrize(
    "python,core,archive",
    [
        nox.param(SANITY_PYTHON["newest"], "newest", False, id="checkout"),
        *(nox.param(python, core, True, id=f"core-{core}") for core, python in SANITY_PYTHON.items()),
    ],
)
def sanity(session: nox.Session, core: str, archive: bool) -> None:
    """ansible-test sanity, with no ignore line and no test left out: of the archive, or with all tests and tools."""
    supported = pythons.REQUIRED[: pythons.REQUIRED.index(SANITY_PYTHON[core]) + 1]
    optional = SANITY_OPTIONAL.get(core, ())
    absent = pythons.provide((*supported, *optional), _uv())
    if lacking := [version for version in absent if version not in optional]:
        session.error(f"Python {', '.join(lacking)} was not found on PATH or in pyenv, and uv could not install it")
    # ansible-test brings the tools of its sanity tests itself, but for shellcheck.
    _install(session, f"core-{core}")
    label = f"sanity-{core if archive else 'checkout'}"
    session.run(
        "python",
        "tests/tools/sanity.py",
        f"--label={label}",
        f"--pip={sys.executable}",
        *("--pythons", *supported),
        *("--optional", *optional),
        *([f"--archive={_build(session, workspace.CACHE / label)}"] if archive else []),
        *session.posargs,
    )


@nox.session
@nox.parametrize("python,core", [nox.param(python, core, id=f"core-{core}") for core, python in SANITY_PYTHON.items()])
def units(session: nox.Session, core: str) -> None:
    """ansible-test units: the unit tests of what the collection ships, as ansible-test runs them."""
    _install(session, f"core-{core}")
    python = f"--python={SANITY_PYTHON[core]}"
    pip = f"--pip={sys.executable}"
    session.run("python", "tests/tools/units.py", f"--label=units-{core}", pip, python, *session.posargs)


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
    _need_programs(session, INTEGRATION_PROGRAMS | DATABASE_PROGRAMS)
    _pytest(session, core, "integration")


@nox.session(python=NEWEST_PYTHON)
def machines(session: nox.Session) -> None:
    """The state machines with tens of thousands of steps, of which the unit tests make a few hundred."""
    _need_programs(session, DATABASE_PROGRAMS)
    _install(session, "core-newest")
    session.env["QG_ALL_STEPS"] = "1"
    folder = _folder_in_memory() or workspace.CACHE / "pytest-temporary-machines"
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/unit").rglob("test_*_machine.py"))
    try:
        session.run("pytest", f"--basetemp={folder}", *workspace.PYTEST_WORKERS, *(session.posargs or files))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@nox.session(python=NEWEST_PYTHON)
def fuzz(session: nox.Session) -> None:
    """100,000 inputs for the readers of foreign text; --hypothesis-seed=N repeats a run, which says its seed."""
    _install(session, "core-newest")
    session.env.setdefault("QG_FUZZ_INPUTS", os.environ.get("QG_FUZZ_INPUTS", "100000"))
    seeded = any(word.startswith("--hypothesis-seed") for word in session.posargs)
    seed = () if seeded else (f"--hypothesis-seed={secrets.randbelow(2**32)}",)
    temporary = f"--basetemp={workspace.CACHE / 'pytest-temporary-fuzz'}"
    session.run("pytest", temporary, "tests/fuzz", *seed, *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def chaos(session: nox.Session) -> None:
    """Runs on leases and on the whitelist that are ended at random moments; --help lists the arguments."""
    if "--database" in session.posargs:
        _need_programs(session, {"postgres": DATABASE_PROGRAMS["postgres"]})
    _install(session, "core-newest")
    session.run("python", "tests/chaos/chaos.py", *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def mutation(session: nox.Session) -> None:
    """The share of changes to the pure parts that their unit tests notice; --help lists the arguments."""
    _install(session, "mutation")
    session.run("python", "tests/tools/mutation.py", *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def planted(session: nox.Session) -> None:
    """Bugs that the unit tests must find, each planted in a copy of the checkout; --help lists the arguments."""
    _need_programs(session, DATABASE_PROGRAMS)
    _install(session, "core-newest")
    session.run("python", "tests/tools/planted_bugs.py", *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def eda(session: nox.Session) -> None:
    """The event source and the rulebooks under ansible-rulebook."""
    _need_programs(session, {"java": "openjdk-21-jre-headless"})
    _pytest_with(session, "eda")


@nox.session(python=NEWEST_PYTHON)
def runner(session: nox.Session) -> None:
    """Jobs in slices, as AWX makes them, under ansible-runner."""
    _need_programs(session, DATABASE_PROGRAMS)
    _pytest_with(session, "runner")


@nox.session(python=NEWEST_PYTHON)
def browser(session: nox.Session) -> None:
    """The page of the simulator in a real browser."""
    chromium = {} if shutil.which("google-chrome") else {"chromium": "chromium"}
    _need_programs(session, {**chromium, "chromedriver": "chromium-driver"})
    _pytest_with(session, "browser")


def _pytest_with(session: nox.Session, name: str) -> None:
    """Run the tests that have a folder and requirements of their own, on the newest core."""
    _install(session, name)
    session.env["ANSIBLE_REMOTE_TEMP"] = str(workspace.HOME / ".ansible" / "remote")
    temporary = f"--basetemp={workspace.CACHE / f'pytest-temporary-{name}'}"
    session.run("pytest", temporary, *(session.posargs or [f"tests/{name}"]))


@nox.session(python=NEWEST_PYTHON)
def antsibull(session: nox.Session) -> None:
    """What antsibull-nox checks without a container; names of its sessions as arguments run these alone."""
    _install(session, "antsibull")
    session.run("antsibull-nox", "lint-config")
    environment = Path(session.virtualenv.location)
    # Its sessions would ask the package index each time, even for what they have.
    installed = environment / "pins-of-its-sessions"
    pins = "".join(path.read_text(encoding="utf-8") for path in (ANTSIBULL_CONFIG, lock_tools.LOCKS / "docs.txt"))
    command = ["nox", "--envdir", str(environment.parent)]
    if installed.is_file() and installed.read_text(encoding="utf-8") == pins:
        command.append("--no-install")
    session.run(*command, "--sessions", *(session.posargs or ANTSIBULL_SESSIONS))
    if not session.posargs:
        installed.write_text(pins, encoding="utf-8")


@nox.session(python=NEWEST_PYTHON)
def docs(session: nox.Session) -> None:
    """The site of the documentation, in both languages; a warning or a link to nowhere is an error."""
    _install(session, "docs")
    session.run("python", "tests/tools/docsite.py")


@nox.session(python=NEWEST_PYTHON)
def galaxy(session: nox.Session) -> None:
    """The archive of the collection: what it holds, and whether Galaxy would take it without a warning."""
    _install(session, "galaxy")
    session.run("python", "tests/tools/archive.py", str(_build(session, workspace.CACHE / "galaxy")))


@nox.session(python=NEWEST_PYTHON, reuse_venv=False)
@nox.parametrize("readme", [nox.param("README.md", id="en"), nox.param("README.zh-CN.md", id="zh-CN")])
def quickstart(session: nox.Session, readme: str) -> None:
    """What the READMEs say first, with the archive in an empty home, where nothing but ansible-core is installed."""
    _install(session, "ansible")
    archive = _build(session, workspace.CACHE / "galaxy")
    session.run("python", "tests/tools/quickstart.py", _uv(), str(archive), readme)


@nox.session
@nox.parametrize("python,core", [nox.param(python, core, id=f"core-{core}") for core, python in MATRIX.items()])
def matrix(session: nox.Session, core: str) -> None:
    """All tests on the newest and the oldest ansible-core, and on each other what depends on ansible-core."""
    _need_programs(session, INTEGRATION_PROGRAMS | DATABASE_PROGRAMS)
    _install(session, f"core-{core}")
    session.env["ANSIBLE_REMOTE_TEMP"] = str(workspace.HOME / ".ansible" / "remote")
    session.env["QG_FEW_EXAMPLES" if core != "newest" else "QG_ALL_STEPS"] = "1"
    session.run("python", "tests/tools/support_matrix.py", "run", core, *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def support(session: nox.Session) -> None:
    """The table of the READMEs that tells what the last "make matrix" ran."""
    _install(session, "core-newest")
    session.run("python", "tests/tools/support_matrix.py", "write")


@nox.session(python=NEWEST_PYTHON)
def coverage(session: nox.Session) -> None:
    """What the unit and integration tests together leave out of plugins/."""
    _install(session, "core-newest")
    session.run("python", "tests/tools/coverage_gate.py", str(workspace.COVERAGE))


@nox.session(python=NEWEST_PYTHON)
@nox.parametrize(
    "scenarios",
    [
        nox.param(["--scenario-name=egress_whitelist"], id="one"),
        nox.param(
            [f"--scenario-name={name}" for name in ("keys", "memory", "proxy_gateway", "strategies", "trouble")],
            id="others",
        ),
        nox.param(["--all"], id="all"),
    ],
)
def molecule(session: nox.Session, scenarios: list[str]) -> None:
    """The role on hosts that are reached by SSH, each in a network namespace of its own."""
    _need_programs(session, PROGRAMS)
    root = os.geteuid() == 0
    namespaces = ["unshare", "--net", *(() if root else ("--user", "--map-root-user")), "true"]
    if subprocess.run(namespaces, capture_output=True, check=False).returncode != 0:
        if not root:
            session.skip("needs root here: as root it also runs the role on SSH hosts in network namespaces")
        session.error("this root may not make network namespaces (a container without CAP_SYS_ADMIN?)")
    _install(session, "molecule")
    session.env["HOME"] = CALLERS_HOME
    within = () if root else ("bash", "tests/lab/lab.sh", "rootless")
    session.run(*within, "molecule", "test", *(session.posargs or [*scenarios, "--report"]), external=not root)


def _need_programs(session: nox.Session, programs: dict[str, str]) -> None:
    lacking = packages.missing(programs)
    if not lacking:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        session.error(
            f"programs are missing; as root: apt-get install {' '.join(lacking)} (names of Debian's packages)"
        )
    # Their output, hundreds of lines, is shown only if they fail.
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    install = ("apt-get", "-qq", "install", "--yes", "--no-install-recommends", *lacking)
    # apt-get does not wait for that of a session beside this one.
    with (workspace.CACHE / "apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        session.run("apt-get", "-qq", "update", external=True, env=quiet, silent=True)
        with packages.only_programs():
            session.run(*install, external=True, env=quiet, silent=True)


@nox.session(python=NEWEST_PYTHON)
def simulator(session: nox.Session) -> None:
    """The simulator of the vendor, in the foreground."""
    _install(session, "simulator")
    session.run("python", "tests/simulator", *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def cluster(session: nox.Session) -> None:
    """PostgreSQL in the foreground."""
    _need_programs(session, {"postgres": DATABASE_PROGRAMS["postgres"]})
    _install(session, "core-newest")
    # It may take more than the half second that nox gives a program to end.
    ends = {"interrupt_timeout": 10.0, "terminate_timeout": 10.0}
    # SIGTERM does not get past make and the program that calls nox.
    pids = (str(os.getpid()), str(os.getppid()))
    session.run("python", "tests/lab/cluster.py", *session.posargs, "--while-pid", *pids, **ends)


@nox.session(python=NEWEST_PYTHON)
def demo(session: nox.Session) -> None:
    """The whole story on one machine: hosts that the proxy refuses, the role, hosts that it lets in."""
    names = ("curl", "haproxy") if "gateway" in session.posargs else ("curl",)
    _need_programs(session, {name: PROGRAMS[name] for name in names})
    _install(session, "core-newest")
    session.env["HOME"] = CALLERS_HOME
    session.run("bash", "tests/demo/demo.sh", *session.posargs, external=True)


@nox.session(python=NEWEST_PYTHON)
def picture(session: nox.Session) -> None:
    """The picture of the READMEs: what the demo says in a terminal."""
    _need_programs(session, {"curl": PROGRAMS["curl"]})
    _install(session, "picture")
    session.env["HOME"] = CALLERS_HOME
    session.run("python", "tests/demo/picture.py")


@nox.session(python=NEWEST_PYTHON)
def bench(session: nox.Session) -> None:
    """The role beside what people write without it; a full run writes the tables and the chart of the guide."""
    _need_programs(session, PROGRAMS)
    _install(session, "core-newest")
    session.run("python", "tests/benchmarks/bench.py", *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def build(session: nox.Session) -> None:
    """The archive of the collection, in dist/."""
    _install(session, "ansible")
    _build(session, ROOT / "dist")


def _build(session: nox.Session, target: Path) -> Path:
    copy = workspace.copy_collection(f"build-{os.getpid()}")
    session.run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(target), str(copy))
    workspace.drop_copy(f"build-{os.getpid()}")
    archive = target / f"{workspace.NAMESPACE}-{workspace.NAME}-{workspace.version()}.tar.gz"
    session.run("python", "tests/tools/reproducible.py", str(archive))
    return archive


@nox.session(python=NEWEST_PYTHON)
def release(session: nox.Session) -> None:
    """A release: version, changelog, commit, tag and archive."""
    _install(session, "lint")
    # who commits is written there
    session.run("python", "tests/tools/release.py", *session.posargs, env={"HOME": CALLERS_HOME})
    _build(session, ROOT / "dist")


@nox.session(python=False)
def locks(session: nox.Session) -> None:
    """The versions and hashes of all tools, renewed; --help lists the arguments."""
    session.run(sys.executable, "tests/tools/lock_tools.py", _uv(), *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def hooks(session: nox.Session) -> None:
    """Let git call the linters before each commit; an argument such as "run --all-files" goes to pre-commit instead."""
    _install(session, "hooks")
    session.run("pre-commit", *(session.posargs or ["install"]))
