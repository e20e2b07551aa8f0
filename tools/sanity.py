# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run "ansible-test sanity" on a copy of the checkout, without a container, and fail if anything
was left out.

usage: sanity.py CORE NEWEST_PYTHON [ARGUMENT ...]
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import workspace

#: ansible-test fetches pip from a server that many a machine cannot reach; this takes the same from
#: the package index.
PIPS = ("get_pip_23_1_2.py", "get_pip_24_2.py", "get_pip_25_2.py")
STAND_IN = """import os, subprocess, sys
packages = [word for word in sys.argv if "==" in word]
command = [{uv!r}, "pip", "install", "--quiet", "--python", sys.executable, *packages]
subprocess.run(command, env={{**os.environ, **{settings!r}}}, check=True)
"""
#: What "make lint" checks as well, and what finds nothing to read: there is no __init__.py and no
#: PowerShell.
SKIPPED = ("changelog", "pep8", "shellcheck", "yamllint", "pslint")
#: What is read: tests and tools, which "make lint" reads, are as long as all that runs in Ansible.
READ = re.compile(r"(?!tests/(?!config)|tools/|noxfile)")
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
LEFT_OUT = re.compile(r"^WARNING: .*(?:[Ss]kipp|not found|could not be found|disabled by default)")


def seed() -> None:
    """Put what ansible-test would download where it looks first, or into its requirements."""
    cache = workspace.HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    settings = {
        name: value for name, value in os.environ.items() if re.match("UV_|SSL_CERT_FILE$", name)
    }
    for name in PIPS:
        (cache / name).write_text(
            STAND_IN.format(uv=shutil.which("uv"), settings=settings), encoding="utf-8"
        )
    specification = importlib.util.find_spec("ansible_test")
    for folder in (specification and specification.submodule_search_locations) or ():
        for path in Path(folder, "_data", "requirements").glob("sanity.*.txt"):
            text = path.read_text(encoding="utf-8")
            if "dill @ " in text:
                # The installed file may be a hard link into the installer's cache.
                path.unlink()
                path.write_text(
                    re.sub(r"^dill @ .*$", "dill==0.4.1", text, flags=re.MULTILINE),
                    encoding="utf-8",
                )


def is_here(python: str) -> bool:
    """Whether a Python is on the machine, or uv can install it; only CI insists."""
    if shutil.which(f"python{python}"):
        return True
    command = ["uv", "python", "install", "--quiet", python]
    if subprocess.run(command, check=False).returncode == 0:
        return True
    missing = f"sanity: Python {python} is not here, and uv cannot install it"
    if os.environ.get("QGNET_ALL"):
        sys.exit(f"{missing}: install it for all tests")
    print(f"{missing}: nothing is tested on it")
    return False


def main(core: str, newest: str, *arguments: str) -> int:
    seed()
    pythons = [python for python in PYTHONS[: PYTHONS.index(newest) + 1] if is_here(python)]
    collection = workspace.copy(f"sanity-{core}", filter(READ.match, workspace.files()))
    # The loader of collections compiles each file anew for each that imports it: half a minute on
    # each Python. What the Pythons between the oldest and the newest lack, the oldest lacks, on
    # which the oldest core imports.
    runs = [
        [word for test in ("import", *SKIPPED) for word in ("--skip-test", test)] + [*arguments]
    ]
    if "import" not in arguments:
        runs += [["--test", "import", "--python", workspace.CORES[core]]]
    wrong = []
    for words in runs:
        command = ["ansible-test", "sanity", "--local", "--color", "no", *words]
        with subprocess.Popen(
            command, cwd=collection, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True
        ) as run:
            for line in run.stdout or ():
                print(line, end="", flush=True)
                version = re.search(r"on Python (\d\.\d+) because", line)
                if LEFT_OUT.search(line) and not (version and version[1] not in pythons):
                    wrong.append(f"left out: {line.strip()}")
        if run.returncode:
            wrong.append(f"ended with {run.returncode}: {' '.join(command)}")
    print("\n".join(f"sanity: {line}" for line in wrong), file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
