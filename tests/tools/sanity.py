# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test's sanity tests on a copy of the collection, and fail if any of them was left out.

ansible-test itself ends with 0 when a Python or a program is missing, after a warning that is easily overlooked.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import workspace

# What pip is to make the helper environments with, by the name under which ansible-test asks for it. It would fetch a
# script from a server of its own, which many a CI machine cannot reach; the same pip comes from the package index.
_PIPS = {
    "get_pip_23_1_2.py": ("pip==23.1.2", "setuptools==67.7.2", "wheel==0.37.1"),
    "get_pip_25_2.py": ("pip==25.2",),
}
_STAND_IN = """\
import os
import runpy
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "{wheel}"))
wanted = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.argv = ["pip", "install", "--find-links", here] + wanted
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""

_LEFT_OUT = re.compile(r"skipping|skipped|not found|could not be found|disabled by default", re.IGNORECASE)
_RAN = re.compile(r'Running sanity test "(?P<test>[a-z-]+)" on Python (?P<python>\d+\.\d+)')
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def seed_pip(pip: Sequence[str]) -> None:
    """Put pip where ansible-test looks before it downloads."""
    cache = workspace.HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for name, packages in _PIPS.items():
        script = cache / name
        if script.exists():
            continue
        command = [*pip, "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", str(cache)]
        subprocess.run([*command, *packages], check=True)
        version = packages[0].partition("==")[2]
        script.write_text(_STAND_IN.format(wheel=f"pip-{version}-py3-none-any.whl"), encoding="utf-8")


def accepted_skips(absent: Iterable[str]) -> set[str]:
    """Return the only lines about left out tests that are in order: an optional Python that is not on this machine."""
    return {
        f'WARNING: Skipping sanity test "{test}" on Python {version} because it could not be found.'
        for version in absent
        for test in ("compile", "import")
    }


def judge(lines: Iterable[str], required: Iterable[str], absent: Iterable[str]) -> list[str]:
    """Return what is wrong with the output of a run that ended with 0."""
    accepted = accepted_skips(absent)
    ran: set[tuple[str, str]] = set()
    wrong = []
    for line in lines:
        if match := _RAN.search(line):
            ran.add((match["test"], match["python"]))
        elif _LEFT_OUT.search(line) and line.strip() not in accepted:
            wrong.append(f"a test was left out: {line.strip()}")
    # ansible-test repeats its warnings at the end
    wrong = list(dict.fromkeys(wrong))
    wrong += [
        f"the test {test} did not run on Python {version}"
        for version in required
        for test in ("compile", "import")
        if (test, version) not in ran
    ]
    return wrong


def run(collection: Path, arguments: Sequence[str]) -> tuple[int, list[str]]:
    """Run ansible-test, pass on its output as it comes, and return its exit code and lines."""
    command = ["ansible-test", "sanity", "--local", "--color", "no", *arguments]
    lines = []
    with subprocess.Popen(
        command, cwd=collection, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(_COLOUR.sub("", line))
    return process.returncode, lines


def main(arguments: Sequence[str]) -> int:
    """Run the tests and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--label", required=True, help="name of the copy of the collection")
    parser.add_argument("--pip", required=True, metavar="PYTHON", help="a Python that has pip")
    parser.add_argument("--need", nargs="+", default=[], metavar="VERSION", help="Pythons that must be tested on")
    parser.add_argument("--want", nargs="*", default=[], metavar="VERSION", help="Pythons that may be absent")
    options, rest = parser.parse_known_args(arguments)
    absent = [version for version in options.want if not (workspace.PYTHONS / f"python{version}").exists()]
    if absent:
        print(f"sanity: NOTICE: Python {', '.join(absent)} is not on this machine, so nothing is tested on it")
    seed_pip([options.pip, "-m", "pip"])
    code, lines = run(workspace.copy_collection(options.label), rest)
    if code:
        print(f"sanity: ansible-test ended with {code}", file=sys.stderr)
        return 1
    workspace.drop_copy(options.label)
    needed = [*options.need, *(version for version in options.want if version not in absent)]
    wrong = judge(lines, needed, absent)
    for reason in wrong:
        print(f"sanity: {reason}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
