# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that are reached by SSH, as far as Ansible can see: with a login shell and programs of
their own.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest


def reached_by_ssh(
    folder: Path, *, shell: str = "sh", path: Path | None = None, **environment: object
) -> str:
    """Inventory variables of a host with this login shell and environment, and with these programs
    alone.
    """
    variables = {**environment, **({"PATH": path} if path else {})}
    exports = "".join(f"{name}='{value}'; export {name}\n" for name, value in variables.items())
    return with_login(folder, f'{exports}exec {shutil.which(shell)} -c "$last"')


def with_login(folder: Path, body: str) -> str:
    """Inventory variables of a host that runs this for each login by SSH; ``$last`` is the
    command.
    """
    # As sshd does it: the last word is the command, for the shell of the user who logs in.
    login = executable(folder / "ssh", f"for last; do :; done\n{body}")
    return f"ansible_connection=ssh ansible_host=192.0.2.1 ansible_ssh_executable={login}"


def with_curl(folder: Path, body: str) -> str:
    """Inventory variables of a host over SSH whose curl is this script."""
    curl = executable(folder / "bin" / "curl", body)
    return with_login(folder, f'PATH={curl.parent}:$PATH; export PATH\nexec sh -c "$last"')


def executable(path: Path, body: str) -> Path:
    """Write a script for the shell, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return path


def programs(directory: Path, *names: str) -> Path:
    """A directory for PATH that holds these programs and no others."""
    directory.mkdir(parents=True)
    for name in names:
        target = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        assert target is not None, f"this test needs the program {name}"
        (directory / name).symlink_to(target)
    return directory


def path_for(folder: Path, tool: str, *others: str) -> Path:
    """A directory for PATH with this tool, and none of those that would be taken before it; "none"
    has no tool.
    """
    if tool == "busybox" and shutil.which("busybox", path="/usr/local/bin:/usr/bin:/bin") is None:
        pytest.skip("busybox is not installed: its wget cannot be tried")
    # Some systems have wget2 under the name of its ancestor.
    names = {"python": (), "none": (), "wget2": (), "busybox": ("busybox",)}.get(tool, (tool,))
    path = programs(folder / tool, *names, *others)
    if tool == "python":
        (path / "python3").symlink_to(Path(sys.executable).resolve())
    if tool == "busybox":
        (path / "wget").symlink_to((path / "busybox").resolve())
    if tool == "wget2":
        (path / "wget").symlink_to((programs(folder / "wget2-itself", "wget2") / "wget2").resolve())
    return path
