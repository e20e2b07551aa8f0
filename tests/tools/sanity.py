# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test's sanity tests on a copy of the collection, and fail if any of them was left out.

ansible-test itself ends with 0 when a Python or a program is missing, after a warning that is easily overlooked. If it
finds nothing for a test to read, it does not even warn; only its JUnit files show that.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import workspace
import yaml

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
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_VERSIONED = re.compile(r"(?P<test>[a-z-]+)-python-(?P<python>\d+\.\d+)")
_NOTHING_TO_READ = "No tests applicable."
# The collection has no __init__.py, no PowerShell, and nothing that runs on Python 2, for which the boilerplate is.
_EXPECTED_EMPTY = ("empty-init", "future-import-boilerplate", "metaclass-boilerplate", "pslint")
# The tests that run once on each Python.
_ON_EACH_PYTHON = ("compile", "import")


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


def read_results(folder: Path) -> dict[str, str | None]:
    """Return each test of the JUnit files, and why it was left out if it was."""
    results = {}
    for path in sorted(folder.glob("*.xml")):
        for case in ElementTree.parse(path).iter("testcase"):
            skipped = case.find("skipped")
            results[case.attrib["name"]] = None if skipped is None else (skipped.text or "")
    return results


def accepted_skips(absent: Iterable[str]) -> set[str]:
    """Return the only reasons to leave out a test that are in order: an optional Python that is not on this machine."""
    return {
        f'Skipping sanity test "{test}" on Python {version} because it could not be found.'
        for version in absent
        for test in _ON_EACH_PYTHON
    }


def _is_expected(name: str, reason: str, required: Sequence[str], accepted: set[str]) -> bool:
    if reason != _NOTHING_TO_READ:
        return reason in accepted
    match = _VERSIONED.fullmatch(name)
    test, version = (match["test"], match["python"]) if match else (name, "")
    # Nothing is there to read for a Python that the collection does not support.
    return test in _EXPECTED_EMPTY or (test in _ON_EACH_PYTHON and version not in required)


def judge(
    lines: Iterable[str], results: Mapping[str, str | None], required: Sequence[str], absent: Iterable[str]
) -> list[str]:
    """Return what is wrong with the output and the results of a run that ended with 0."""
    accepted = accepted_skips(absent)
    warnings = {f"WARNING: {reason}" for reason in accepted}
    wrong = [
        f"a test was left out: {line.strip()}"
        for line in lines
        if _LEFT_OUT.search(line) and line.strip() not in warnings and not line.startswith("Running sanity test ")
    ]
    wrong += [
        f"the test {name} was left out: {reason}"
        for name, reason in results.items()
        if reason is not None and not _is_expected(name, reason, required, accepted)
    ]
    wrong += [
        f"the test {test} did not run on Python {version}"
        for version in required
        for test in _ON_EACH_PYTHON
        if f"{test}-python-{version}" not in results
    ]
    # ansible-test repeats its warnings at the end
    return list(dict.fromkeys(wrong))


def leave_out_tests(collection: Path) -> None:
    """Remove the folders of tests that are not in the archive: half of what pylint reads."""
    ignored = yaml.safe_load((collection / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    for name in ignored:
        if name.startswith("tests/") and (collection / name).is_dir():
            shutil.rmtree(collection / name)


def runs(needed: Sequence[str], few_imports: bool, rest: Sequence[str]) -> list[list[str]]:
    """Return the arguments of each run of ansible-test, which itself imports on every Python that it finds."""
    if not few_imports:
        return [[*rest]]
    each = [["--test", "import", "--python", version, *rest] for version in needed]
    return [["--skip-test", "import", *rest], *each]


def run(collection: Path, arguments: Sequence[str]) -> tuple[int, list[str]]:
    """Run ansible-test, pass on its output as it comes, and return its exit code and lines."""
    command = ["ansible-test", "sanity", "--local", "--color", "no", "--junit", *arguments]
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
    parser.add_argument("--shipped", action="store_true", help="leave out the tests that are not in the archive")
    parser.add_argument("--few-imports", action="store_true", help="import only on the Pythons of --need")
    options, rest = parser.parse_known_args(arguments)
    absent = [version for version in options.want if not (workspace.PYTHONS / f"python{version}").exists()]
    if absent:
        print(f"sanity: NOTICE: Python {', '.join(absent)} is not on this machine, so nothing is tested on it")
    seed_pip([options.pip, "-m", "pip"])
    collection = workspace.copy_collection(options.label)
    if options.shipped:
        leave_out_tests(collection)
    code, lines = 0, []
    for words in runs(options.need, options.few_imports, rest):
        ended, more = run(collection, words)
        code, lines = code or ended, lines + more
    if code:
        print(f"sanity: ansible-test ended with {code}", file=sys.stderr)
        return 1
    results = read_results(collection / "tests" / "output" / "junit")
    workspace.drop_copy(options.label)
    needed = [*options.need, *(version for version in options.want if version not in absent)]
    wrong = judge(lines, results, needed, absent)
    for reason in wrong:
        print(f"sanity: {reason}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
