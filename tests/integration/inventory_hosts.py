# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that are reached by SSH, as far as Ansible can see: with a login shell and programs of
their own.
"""

from __future__ import annotations

import shutil
from pathlib import Path


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
