# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places, environment and installations of the test sessions; all that they write is in .cache and
.nox.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
HOME = CACHE / "home"
COLLECTION = "ansible_collections/qingguo/qgnet"
#: The supported series of ansible-core, each with the oldest Python that it runs on.
CORES = {
    "2.16": "3.10",
    "2.17": "3.10",
    "2.18": "3.11",
    "2.19": "3.11",
    "2.20": "3.12",
    "2.21": "3.13",
    "2.22": "3.14",
}
NEWEST = "2.21"
#: The tests wait for half of their time: for the simulator's clock, for other processes, for a
#: database.
WORKERS = (f"--numprocesses={min((os.cpu_count() or 1) + 2, 18)}", "--dist=worksteal")
#: Programs that sessions need; where the package of Debian has another name, it follows.
DATABASE = "postgres=postgresql"
INTEGRATION = (
    f"{DATABASE} busybox curl fish haproxy promtool=prometheus ssh=openssh-client tcsh wget wget2"
)
#: What the guides have their readers install; a package without a program of its own has no name
#: before the sign.
INTEGRATION += " openssl =python3-venv"
HOSTS = "curl haproxy hostname ip=iproute2 ssh=openssh-client sshd=openssh-server wget"
#: From where pip installs, and uv's words for it.
_SOURCES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
}
_SOURCES |= {"cert": "SSL_CERT_FILE", "trusted-host": "UV_INSECURE_HOST"}


def prepare() -> None:
    """Set the environment of all sessions, and make their home and the link by which Ansible finds
    the checkout.
    """
    os.environ.setdefault("QGNET_HOME", str(Path.home()))
    # Before another home hides the files of this machine.
    pip_settings = _pip_settings()
    # pyenv's shims end with 127 where no version is chosen; its Pythons come after those of the
    # system.
    path: list[Path] = []
    pyenvs: list[Path] = []
    for entry in map(Path, os.environ["PATH"].split(os.pathsep)):
        if entry.name == "shims":
            pyenvs += sorted(entry.parent.glob("versions/3.*/bin"))
        else:
            path.append(entry)
    path += [Path(sys.executable).parent, CACHE / "python", *pyenvs]
    environment: dict[str, object] = {
        "ANSIBLE_COLLECTIONS_PATH": CACHE / "collections",
        "ANSIBLE_HOME": HOME / ".ansible",
        # Over a local connection Ansible would work in ~root, whatever HOME says.
        "ANSIBLE_REMOTE_TEMP": HOME / ".ansible" / "remote",
        # Another owner of the checkout (as with sudo) must not make git refuse to list it.
        "GIT_CONFIG_COUNT": 1,
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": ROOT,
        "HOME": HOME,
        "HYPOTHESIS_STORAGE_DIRECTORY": CACHE / "hypothesis",
        "LC_ALL": "C.UTF-8",
        "MYPY_CACHE_DIR": CACHE / "mypy",
        "PATH": os.pathsep.join(map(str, path)),
        # Compiled files stand apart: a linter beside the tests would come across one that is only
        # half there.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": CACHE / "bytecode",
        "PYTEST_DEBUG_TEMPROOT": CACHE,
        "PYTHONUNBUFFERED": 1,
        "QGNET_CHECKOUT": ROOT,
        # On every machine the same, whether or not it has the library that reuse would prefer.
        "REUSE_ENCODING_MODULE": "chardet",
        "RUFF_CACHE_DIR": CACHE / "ruff",
        "UV_COMPILE_BYTECODE": 1,
        "UV_PYTHON_BIN_DIR": CACHE / "python",
        "UV_PYTHON_INSTALL_DIR": CACHE / "uv-python",
        "XDG_CACHE_HOME": CACHE / "xdg",
        "XDG_CONFIG_HOME": HOME / ".config",
    }
    for name, value in environment.items():
        os.environ[name] = str(value)
    os.environ.setdefault("PIP_CACHE_DIR", str(CACHE / "pip"))
    os.environ.setdefault("UV_CACHE_DIR", str(CACHE / "uv"))
    lines = ["[global]", "progress-bar = off", "quiet = 1"]
    for setting, value in pip_settings.items():
        os.environ.setdefault(_SOURCES[setting], value)
        lines.append(f"{setting} = {value.replace(',', ' ')}")
    # ansible-test passes on HOME, but no PIP_ variable.
    target = HOME / ".config" / "pip" / "pip.conf"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    link = CACHE / "collections" / COLLECTION
    link.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        link.symlink_to(ROOT)


def _pip_settings() -> dict[str, str]:
    """Return from where pip installs on this machine: from its files, and before them from the
    environment.
    """
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {}
    for line in sorted(listed, key=lambda line: line.startswith(":env:")):
        name, _equals, value = line.partition("=")
        name = name.rpartition(".")[2].removeprefix("default-")
        if name in _SOURCES:
            found[name] = " ".join(str(ast.literal_eval(value)).split())
    if "find-links" in found:
        # pip separates several values by white space, uv's find-links by commas.
        found["find-links"] = found["find-links"].replace(" ", ",")
    return found


def locked(*groups: str) -> Path:
    """Write what uv.lock has for groups of pyproject.toml; unlike the lock, this names no package
    index.
    """
    path = CACHE / "locked" / f"{'-'.join(groups)}.txt"
    path.parent.mkdir(exist_ok=True)
    command = [
        "uv",
        "export",
        "--quiet",
        "--frozen",
        "--no-header",
        "--no-annotate",
        "--no-emit-workspace",
        f"--output-file={path}",
    ]
    subprocess.run([*command, *(f"--only-group={group}" for group in groups)], cwd=ROOT, check=True)
    return path


def install_programs(wanted: str, fail: Callable[[str], object]) -> None:
    """Install what is missing with apt-get, or fail with the names of the packages."""
    places = os.pathsep.join(
        [os.environ["PATH"], "/usr/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    )
    lacking = []
    for word in wanted.split():
        program, _equals, package = word.partition("=")
        if program and shutil.which(program, path=places):
            continue
        if not program and _has_package(package):
            continue
        lacking.append(package or program)
    if not lacking:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        fail(
            f"programs are missing; as root: apt-get install {' '.join(lacking)} (names of "
            "Debian's packages)"
        )
    # Debian asks the one whether a service may start, and the other whether PostgreSQL makes a
    # cluster of its own.
    policy = Path("/usr/sbin/policy-rc.d")
    clusters = Path("/etc/postgresql-common/createcluster.d/qgnet.conf")
    with (CACHE / "apt.lock").open("w") as lock, contextlib.ExitStack() as stack:
        # apt-get does not wait for that of a session beside this one.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for path, text in (
            (policy, "#!/bin/sh\nexit 101\n"),
            (clusters, "create_main_cluster = false\n"),
        ):
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                stack.callback(path.unlink)
                path.write_text(text, encoding="ascii")
                path.chmod(0o755)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["install", "--yes", "--no-install-recommends", *lacking]):
            subprocess.run(
                ["apt-get", "-qq", *words], env=environment, stdout=subprocess.DEVNULL, check=True
            )


def _has_package(package: str) -> bool:
    """Return whether a package of Debian is installed, if this is a Debian."""
    if not shutil.which("dpkg-query"):
        return True
    command = ["dpkg-query", "--show", "--showformat=${Status}", package]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    return shown.stdout == "install ok installed"


def files() -> list[str]:
    """Return the files that git tracks, or would track."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted({name for name in listed if (ROOT / name).is_file()})


def digest(names: Iterable[str]) -> str:
    """Return a text that is the same as long as the files are."""
    whole = hashlib.sha256()
    for name in names:
        whole.update(f"{name} {hashlib.sha256((ROOT / name).read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def copy(label: str, names: Iterable[str]) -> Path:
    """Copy files to a place of the form that ansible-test and ansible-galaxy ask for."""
    target = CACHE / "copy" / label / COLLECTION
    shutil.rmtree(CACHE / "copy" / label, ignore_errors=True)
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)
    # ansible-test lists them with git, and the copy stands in a directory that the checkout
    # ignores.
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "main", str(target)], check=True)
    return target


def temporary() -> Path:
    """Return a directory for pytest, in memory where possible: thousands of databases would wait
    for the disk.
    """
    memory = Path("/dev/shm")
    folder = CACHE
    is_roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**30
    if is_roomy and not os.statvfs(memory).f_flag & os.ST_NOEXEC:
        folder = memory
    return folder / f"qgnet-{os.getpid()}"
