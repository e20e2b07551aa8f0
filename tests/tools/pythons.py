# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the Pythons of this machine, have uv install those that a session lacks, and link them into one directory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from workspace import CACHE, PYTHONS, make_link, system_path

REQUIRED = ("3.10", "3.11", "3.12", "3.13")
OPTIONAL = ("3.14", "3.15")

# Taken at the start: later, HOME is that of the tests.
_PYENV = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
INSTALLED_BY_UV = CACHE / "uv-python"
#: Lets a session that starts nox itself find the same Pythons, although HOME is that of the tests by then.
ENVIRONMENT = {"PYENV_ROOT": str(_PYENV), "UV_PYTHON_INSTALL_DIR": str(INSTALLED_BY_UV)}
# An interpreter counts if it has what Ansible needs; a pyenv shim answers with the program that it stands for.
_PROBE = (
    "import ssl, sqlite3, sys, termios, venv;"
    "print('%d.%d' % sys.version_info[:2], getattr(sys, '_base_executable', sys.executable))"
)


def _candidates(version: str) -> Iterator[Path]:
    name = f"python{version}"
    for entry in system_path().split(os.pathsep):
        if Path(entry) != PYTHONS:
            yield Path(entry) / name
    for base in (_PYENV / "versions", INSTALLED_BY_UV):
        yield from sorted(base.glob(f"*/bin/{name}"), reverse=True)


def _probe(candidate: Path, version: str) -> Path | None:
    if not os.access(candidate, os.X_OK):
        return None
    answer = subprocess.run([str(candidate), "-I", "-c", _PROBE], capture_output=True, text=True, check=False)
    if answer.returncode != 0 or not answer.stdout.startswith(f"{version} "):
        return None
    return Path(answer.stdout.strip().removeprefix(f"{version} "))


def find(version: str) -> Path | None:
    """Return an interpreter of that version on PATH, of pyenv, or one that uv installed before."""
    probed = (_probe(candidate, version) for candidate in _candidates(version))
    return next((path for path in probed if path), None)


def _install(version: str, uv: str) -> Path | None:
    # Retries would cost a machine without access to uv's downloads 12 seconds for each version.
    own = {"UV_PYTHON_INSTALL_DIR": str(INSTALLED_BY_UV), "UV_HTTP_RETRIES": "0", "UV_PYTHON_INSTALL_BIN": "0"}
    print(f"pythons: Python {version} is not here; asking uv to install it into {INSTALLED_BY_UV.name}", flush=True)
    command = [uv, "--quiet", "python", "install", version]
    try:
        subprocess.run(command, env=os.environ | own, capture_output=True, timeout=300, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return find(version)


def _link(version: str, path: Path | None) -> None:
    link = PYTHONS / f"python{version}"
    if path is None:
        link.unlink(missing_ok=True)
    elif not (link.is_symlink() and link.readlink() == path):
        make_link(link, path)


def link_present() -> None:
    """Link every version that is on this machine into one directory, and install none."""
    PYTHONS.mkdir(parents=True, exist_ok=True)
    for version in REQUIRED + OPTIONAL:
        _link(version, find(version))


def provide(versions: Iterable[str], uv: str) -> list[str]:
    """Link these versions, have uv install those that are not here, and return those that could not be had."""
    PYTHONS.mkdir(parents=True, exist_ok=True)
    absent = []
    for version in versions:
        path = find(version) or _install(version, uv)
        _link(version, path)
        if path is None:
            absent.append(version)
    return absent
