# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have uv find the Pythons of this machine, and install those that a session lacks; link them into one directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from workspace import CACHE, PYTHONS, make_link, system_path

REQUIRED = ("3.10", "3.11", "3.12", "3.13")
#: Read at the start, since HOME is that of the tests later. A session that starts nox itself finds the same Pythons.
ENVIRONMENT = {
    "PYENV_ROOT": os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv"),
    "UV_PYTHON_INSTALL_DIR": os.environ.get("UV_PYTHON_INSTALL_DIR") or str(CACHE / "uv-python"),
}


def uv() -> str:
    return shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"


def _ask_uv(*arguments: str) -> str:
    """Return what uv says of Pythons, with those of pyenv on its PATH; nothing where it fails."""
    folders = sorted(Path(ENVIRONMENT["PYENV_ROOT"]).glob("versions/*/bin"), reverse=True)
    # Retries would cost a machine without access to uv's downloads 12 seconds for each version.
    own = {"PATH": os.pathsep.join((system_path(), *map(str, folders))), "UV_HTTP_RETRIES": "0"}
    command = [uv(), "python", *arguments]
    settings = os.environ | ENVIRONMENT | own
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def provide(versions: Iterable[str], *, install: bool = True) -> list[str]:
    """Link these versions, have uv install those that are not here, and return those that could not be had."""
    PYTHONS.mkdir(parents=True, exist_ok=True)
    absent = []
    for version in versions:
        link = PYTHONS / f"python{version}"
        if link.exists():
            continue
        search = ("find", "--system", "--no-python-downloads", version)
        path = _ask_uv(*search)
        if not path and install:
            print(f"pythons: Python {version} is not here; asking uv to install it into the checkout", flush=True)
            _ask_uv("install", "--no-bin", version)
            path = _ask_uv(*search)
        if path:
            make_link(link, path)
        else:
            absent.append(version)
            link.unlink(missing_ok=True)
    return absent


def require(versions: Iterable[str], optional: Iterable[str], fail: Callable[[str], object]) -> None:
    """Have uv install what is not here of these versions, or fail; it may lack the optional ones."""
    absent = provide((*versions, *optional))
    if lacking := [version for version in versions if version in absent]:
        fail(f"Python {', '.join(lacking)} was not found on PATH or in pyenv, and uv could not install it")
