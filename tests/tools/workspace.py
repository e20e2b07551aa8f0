# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places and environment of the test sessions: all that they leave behind is inside the checkout and ignored by git."""

from __future__ import annotations

import ast
import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
HOME = CACHE / "home"
COLLECTIONS = CACHE / "collections"
COPY_ROOT = CACHE / "copy"
COVERAGE = CACHE / "coverage"
PYTHONS = CACHE / "pythons"

NAMESPACE = "qingguo"
NAME = "qgnet"

#: The tests wait for half of their time: for the simulator's clock, for other processes, for a database. More workers
#: would need more connections than the PostgreSQL of the tests accepts.
WORKERS = min(max(2, os.cpu_count() or 1) + 2, 18)
#: Some tests take as long as hundreds of others, so a worker that has nothing left to do takes tests of another one.
PYTEST_WORKERS = (f"--numprocesses={WORKERS}", "--dist=worksteal")

#: pip's settings that say where packages come from. The machine's constraints are left out: the locks name each
#: version, and uv takes no range beside hashes.
SOURCES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    **dict.fromkeys(("client-cert", "no-index", "proxy", "retries", "timeout", "trusted-host")),
}


def system_path() -> str:
    """Return PATH without pyenv's shims: one that stands for no chosen version ends with 127, as does its caller."""
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if entry and Path(entry).name != "shims")


def environment() -> dict[str, str]:
    """Return what every session has in its environment beside what the caller has."""
    result = {
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_HOME": str(HOME / ".ansible"),
        "HOME": str(HOME),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis"),
        "MYPY_CACHE_DIR": str(CACHE / "mypy"),
        "PATH": os.pathsep.join((str(PYTHONS), system_path())),
        # Each worker of pytest reads all tests, and compiles those that another process has not compiled before; not
        # beside them, where a linter that runs meanwhile would come across a file that is only half there.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(CACHE / "bytecode"),
        "QG_CHECKOUT": str(ROOT),
        # Programs that are not to write compiled files would compile ansible-core each time.
        "UV_COMPILE_BYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        # On every machine the same, whether or not it has the library that reuse would prefer.
        "REUSE_ENCODING_MODULE": "chardet",
        "RUFF_CACHE_DIR": str(CACHE / "ruff"),
        "XDG_CACHE_HOME": str(CACHE / "xdg"),
        "XDG_CONFIG_HOME": str(HOME / ".config"),
    }
    if not sys.stdout.isatty():
        result["NO_COLOR"] = "1"
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "")
    if "UTF-8" not in locale.upper():
        result["LC_ALL"] = "C.UTF-8"
    # Another owner of the checkout (as with sudo) must not make git refuse to list it.
    count = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    result |= {
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": "safe.directory",
        f"GIT_CONFIG_VALUE_{count}": str(ROOT),
    }
    # uv installs from where pip would, and both keep their caches in the checkout unless they have a place already.
    wanted = {"PIP_CACHE_DIR": str(CACHE / "pip"), "UV_CACHE_DIR": str(CACHE / "uv")}
    for key, value in pip_settings().items():
        if variable := SOURCES[key]:
            # pip separates several values by white space, uv's find-links by commas
            wanted[variable] = ("," if key == "find-links" else " ").join(value.split())
    return result | {name: value for name, value in wanted.items() if name not in os.environ}


@functools.lru_cache
def pip_settings() -> dict[str, str]:
    """Return from where pip installs on this machine: from its files and from the environment."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listing.splitlines():
        section, key, quoted = re.split(r"\.(?=[^.=]+=)|=", line, maxsplit=2)
        if section in found and key.removeprefix("default-") in SOURCES:
            found[section][key.removeprefix("default-")] = str(ast.literal_eval(quoted))
    return found["global"] | found["install"] | found[":env:"]


def prepare_home() -> None:
    """Make the home of the tests, with pip's settings in it: ansible-test passes on HOME, but no PIP_ variable."""
    target = HOME / ".config" / "pip" / "pip.conf"
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = ["[global]", "progress-bar = off", "quiet = 1"]
    lines += [f"{key} = {' '.join(value.split())}" for key, value in sorted(pip_settings().items())]
    # Another session may read it at the same time.
    new = target.with_name(f".{target.name}-{os.getpid()}")
    new.touch(mode=0o600)
    new.write_text("\n".join(lines) + "\n", encoding="utf-8")
    new.replace(target)


def version() -> str:
    (found,) = re.findall(r"^version: (\S+)$", (ROOT / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)
    return str(found)


def make_link(link: Path, target: str | Path) -> None:
    """Make a symbolic link, or let it lead elsewhere; several sessions may do so at the same time."""
    link.parent.mkdir(parents=True, exist_ok=True)
    new = link.with_name(f".{link.name}-{os.getpid()}")
    new.symlink_to(target)
    new.replace(link)


def link_collection() -> None:
    link = COLLECTIONS / "ansible_collections" / NAMESPACE / NAME
    if not (link.is_symlink() and link.resolve() == ROOT):
        make_link(link, os.path.relpath(ROOT, link.parent))


def collection_files() -> list[Path]:
    """Return the files that belong to the collection: tracked by git, or new and not ignored."""
    command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z"]
    command += ["--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = sorted({name for name in listed.split("\0") if name})
    # a file that was deleted, but not yet from the index, is gone
    return [Path(name) for name in names if (ROOT / name).is_symlink() or (ROOT / name).exists()]


def copy_collection(label: str) -> Path:
    """Copy the collection's files afresh to a place of the form that ansible-test and ansible-galaxy ask for."""
    base = COPY_ROOT / label
    shutil.rmtree(base, ignore_errors=True)
    target = base / "ansible_collections" / NAMESPACE / NAME
    for name in collection_files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    # ansible-test lists the files with git, and the copy stands in a directory that the checkout ignores
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "main", str(target)], check=True)
    return target


def drop_copy(label: str) -> None:
    shutil.rmtree(COPY_ROOT / label, ignore_errors=True)


def temporary(*, in_memory: bool) -> Path:
    """Return a directory for pytest, in memory where possible: thousands of databases would wait for the disk."""
    memory = Path("/dev/shm")
    roomy = in_memory and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**30
    noexec = roomy and os.statvfs(memory).f_flag & os.ST_NOEXEC
    return (memory if roomy and not noexec else CACHE) / f"qgnet-{os.getpid()}"


def run_apart(command: Sequence[str], folder: Path, seconds: float, **settings: str) -> tuple[int | None, str]:
    """Run a command, end it with all that it has started, and return its exit code, if it ended in time, and output."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        environment = os.environ | settings
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        code = None
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return code, output.read().replace("\r", "\n")
