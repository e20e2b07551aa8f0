# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the locks of the environments that the sessions make: "uv pip compile" for each, with versions and hashes.

What is chosen stands in tests/requirements/*.in, each tool in one file. What is installed stands in
tests/requirements/locks, a file for each environment, for its oldest Python and all newer ones, on every platform.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pythons
import workspace

FOLDER = workspace.ROOT / "tests" / "requirements"
LOCKS = FOLDER / "locks"
SIMULATOR = workspace.ROOT / "tests" / "simulator" / "requirements.txt"
HEADER = """\
# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Written by "make locks".

"""
_TESTS = ("pytest", "client", "postgres", "simulator")
#: What runs the queries of extensions, measures the tests, and is asked for by ansible-test.
_CORE_TESTS = (*_TESTS, "audit", "coverage", "shellcheck")
#: The supported series of ansible-core, each with the oldest Python that it runs on.
CORES = {
    "oldest": "3.10",
    "2.17": "3.10",
    "2.18": "3.11",
    "2.19": "3.11",
    "2.20": "3.12",
    "newest": "3.12",
    "2.22": "3.13",
}
#: Of the supported Pythons, the one that ansible-test of each core runs on: the newest that it knows.
ANSIBLE_TEST_PYTHONS = {core: "3.12" if core in ("oldest", "2.17") else "3.13" for core in CORES}
#: Those that it tests as well, where they are on the machine.
OPTIONAL_PYTHONS = {"2.20": ("3.14",), "newest": ("3.14",), "2.22": ("3.14", "3.15")}
_NEWEST = CORES["newest"]
#: The oldest Python of each environment, and the names of the files that name what is chosen for it.
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "bootstrap": ("3.10", "bootstrap"),
    "hooks": ("3.10", "hooks"),
    # Its sessions are nox sessions.
    "antsibull": ("3.10", "bootstrap", "antsibull-nox"),
    "simulator": ("3.10", "simulator"),
    **{f"core-{core}": (python, f"core-{core}", *_CORE_TESTS) for core, python in CORES.items()},
    # The checks of types read what the tests, the tools and noxfile.py import.
    "lint": (_NEWEST, "core-newest", "lint", "bootstrap", *_CORE_TESTS),
    "docs": (_NEWEST, "core-newest", "antsibull-docs", "docs"),
    "galaxy": (_NEWEST, "core-newest", "galaxy"),
    # What a user has who installs ansible-core and nothing else.
    "ansible": (_NEWEST, "core-newest"),
    "molecule": (_NEWEST, "core-newest", "molecule", "client", "simulator"),
    "picture": (_NEWEST, "core-newest", "picture", "client", "simulator"),
    **{name: (_NEWEST, "core-newest", name, *_TESTS) for name in ("eda", "runner", "browser", "mutation")},
}


def inputs(name: str) -> list[Path]:
    return [SIMULATOR if part == "simulator" else FOLDER / f"{part}.in" for part in ENVIRONMENTS[name][1:]]


def lock(name: str, *, keep: bool) -> None:
    """Write the lock of an environment: with the newest versions, or where possible with those that it has."""
    path = LOCKS / f"{name}.txt"
    command = [pythons.uv(), "pip", "compile", "--quiet", "--universal", "--python-version", ENVIRONMENTS[name][0]]
    # Without an index: that of the machine may be a mirror.
    command += ["--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    command += [*([] if keep else ["--upgrade"]), "--output-file", str(path), *map(str, inputs(name))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=workspace.ROOT)
    if done.returncode:
        raise SystemExit(f"lock_tools: {name}: {done.stderr.strip()}")
    path.write_text(HEADER + path.read_text(encoding="utf-8").removeprefix(HEADER), encoding="utf-8")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="lock_tools", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the versions that still fit what is chosen")
    parser.add_argument("names", nargs="*", choices=ENVIRONMENTS, metavar="ENVIRONMENT", help="only these")
    options = parser.parse_args(arguments)
    LOCKS.mkdir(exist_ok=True)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: lock(name, keep=options.keep), options.names or ENVIRONMENTS))
    for path in LOCKS.glob("*.txt"):
        if path.stem not in ENVIRONMENTS:
            path.unlink()
    print(f"lock_tools: {len(options.names or ENVIRONMENTS)} environments are locked")


if __name__ == "__main__":
    main(sys.argv[1:])
