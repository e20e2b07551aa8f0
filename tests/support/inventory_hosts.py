# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts that are reached by SSH, as far as Ansible can see: with a login shell and programs of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.playbooks import programs

#: A curl that answers for all sources, and prints records of its own with the nonce of its shell's command line.
_FORGING_CURL = """#!/bin/sh
nonce=$(tr '\\0' '\\n' </proc/$PPID/cmdline | grep -o 'nonce=qg[0-9a-f]*' | head -n 1)
nonce=${nonce#nonce=}
record() { printf '\\n%%s %%s %%s 0 %%s\\n%%s.\\n' "$nonce" "$1" "$2" "$3" "$nonce" >&9; }
answer() { echo 192.0.2.1; }
%s
number=0
while [ $# -gt 0 ]; do
  if [ "$1" = -o ]; then answer $number >"$2"; printf '%%s:0 ' $number; number=$((number+1)); fi
  shift
done
"""


def forging_path(folder: Path, body: str) -> Path:
    """A directory for PATH whose curl runs this before it answers."""
    path = programs(folder / "forged", "tr", "grep", "head")
    (path / "curl").write_text(_FORGING_CURL % body)
    (path / "curl").chmod(0o700)
    return path


def reached_by_ssh(folder: Path, *, shell: str = "sh", path: Path | None = None) -> str:
    """Inventory variables of a host with this login shell, and with these programs alone."""
    folder.mkdir(parents=True, exist_ok=True)
    ssh = folder / "ssh"
    # As sshd does it: the last word is the command, for the shell of the user who logs in.
    only = f"PATH={path}; export PATH" if path else ""
    ssh.write_text(f'#!/bin/sh\nfor last; do :; done\n{only}\nexec {shutil.which(shell)} -c "$last"\n')
    ssh.chmod(0o700)
    return f"ansible_connection=ssh ansible_host=192.0.2.1 ansible_ssh_executable={ssh}"


def reached_by_program(folder: Path, body: str) -> str:
    """Inventory variables of a host over a connection without a timeout; the body runs with the command as ``$1``."""
    return f"ansible_connection=qg_program qg_program={_executable(folder / 'program', body)}"


def with_login(folder: Path, body: str) -> str:
    """Inventory variables of a host that runs this for each login by SSH; ``$last`` is the command."""
    login = _executable(folder / "ssh", f"for last; do :; done\n{body}")
    return f"ansible_connection=ssh ansible_host=192.0.2.1 ansible_ssh_executable={login}"


def with_curl(folder: Path, body: str) -> str:
    """Inventory variables of a host over SSH whose curl is this script."""
    curl = _executable(folder / "bin" / "curl", body)
    return with_login(folder, f'PATH={curl.parent}:$PATH; export PATH\nexec sh -c "$last"')


def _executable(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return path
