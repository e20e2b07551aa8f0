# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test's sanity tests on the archive or on a copy of the checkout, and fail if any of them was left out.

ansible-test itself ends with 0 when a Python or a program is missing, after a warning that is easily overlooked. If it
finds nothing for a test to read, it does not even warn; only its JUnit files show that.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import workspace

# What pip is to make the environments of the tests with, by the name under which ansible-test asks for it. It would
# fetch a script from a server of its own, which many a CI machine cannot reach; the same pip comes from the package
# index.
_PIPS = {
    "get_pip_23_1_2.py": ("pip==23.1.2", "setuptools==67.7.2", "wheel==0.37.1"),
    "get_pip_24_2.py": ("pip==24.2",),
    "get_pip_25_2.py": ("pip==25.2",),
}
# pip would run from its archive, and then install and compile itself: seconds for each of the dozen environments.
_STAND_IN = """\
import glob
import os
import sysconfig
import zipfile

here = os.path.dirname(os.path.abspath(__file__))
for package in {packages}:
    for name in glob.glob(os.path.join(here, package.replace("==", "-") + "-*.whl")):
        with zipfile.ZipFile(name) as wheel:
            wheel.extractall(sysconfig.get_path("purelib"))
"""
# Releases from the package index, for what ansible-test wants from an address of GitHub, for the sake of Python 3.15.
# No test is left out, but pylint is another build than in ansible-test's own container.
_RELEASED = {"dill": "dill==0.4.1"}

_LEFT_OUT = re.compile(r"skipping|skipped|not found|could not be found|disabled by default", re.IGNORECASE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_VERSIONED = re.compile(r"(?P<test>[a-z-]+)-python-(?P<python>\d+\.\d+)")
_NOTHING_TO_READ = "No tests applicable."
# The collection has no __init__.py, no PowerShell, and nothing that runs on Python 2, for which the boilerplate is.
EMPTY = ("empty-init", "future-import-boilerplate", "metaclass-boilerplate", "pslint")
# The archive has no changelog fragments and no shell scripts either.
EMPTY_IN_ARCHIVE = (*EMPTY, "changelog", "shellcheck")
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
        script.write_text(_STAND_IN.format(packages=packages), encoding="utf-8")


def use_releases(requirements: Path) -> list[str]:
    """Replace addresses in the requirements of ansible-test's tools by releases, and return what is replaced."""
    replaced = []
    for path in sorted(requirements.glob("sanity.*.txt")):
        text = path.read_text(encoding="utf-8")
        for name, release in _RELEASED.items():
            found = re.search(rf"^{name}(?: @ |==\S+  # in place of )(?P<address>\S+)$", text, re.MULTILINE)
            if not found:
                continue
            text = text.replace(found[0], f"{release}  # in place of {found['address']}")
            replaced.append(f"{path.stem.partition('.')[2]} uses {release} in place of {found['address']}")
            new = path.with_name(f".{path.name}")
            new.write_text(text, encoding="utf-8")
            # The installed file may be a hard link into the installer's cache.
            new.replace(path)
    return replaced


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


def _is_expected(
    name: str, reason: str, required: Mapping[str, Sequence[str]], empty: Sequence[str], accepted: set[str]
) -> bool:
    if reason != _NOTHING_TO_READ:
        return reason in accepted
    match = _VERSIONED.fullmatch(name)
    test, version = (match["test"], match["python"]) if match else (name, "")
    # Nothing is there to read for a Python that the collection does not support.
    return test in empty or (test in required and version not in required[test])


def judge(
    lines: Iterable[str],
    results: Mapping[str, str | None],
    required: Mapping[str, Sequence[str]],
    absent: Iterable[str] = (),
    empty: Sequence[str] = EMPTY,
) -> list[str]:
    """Return what is wrong with the output and the results of a run that ended with 0.

    ``required`` has the Pythons for each test that runs once on each; ``empty`` are tests that find nothing to read.
    """
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
        if reason is not None and not _is_expected(name, reason, required, empty, accepted)
    ]
    wrong += [
        f"the test {test} did not run on Python {version}"
        for test, versions in required.items()
        for version in versions
        if f"{test}-python-{version}" not in results
    ]
    # ansible-test repeats its warnings at the end
    return list(dict.fromkeys(wrong))


def runs(imports: Sequence[str], rest: Sequence[str]) -> list[list[str]]:
    """Return the arguments of each run of ansible-test, which itself imports on every Python that it finds.

    To import all files takes half a minute on each Python, since the loader of collections compiles each file anew for
    each that imports it. What the Pythons between the oldest and the newest lack, the oldest one lacks.
    """
    each = [["--test", "import", "--python", version, *rest] for version in imports]
    return [["--skip-test", "import", *rest], *each]


def unpack(archive: Path, label: str) -> Path:
    """Unpack an archive where ansible-test looks for collections."""
    workspace.drop_copy(label)
    target = workspace.COPY_ROOT / label / "ansible_collections" / workspace.NAMESPACE / workspace.NAME
    target.mkdir(parents=True)
    with tarfile.open(archive) as opened:
        opened.extractall(target, filter="data")
    return target


def run(collection: Path, arguments: Sequence[str]) -> tuple[int, list[str]]:
    """Run ansible-test, pass on its output as it comes, and return its exit code and lines."""
    command = ["ansible-test", "sanity", "--local", "--color", "no", "--junit", *arguments]
    # An archive is no clone; git, which the checkout around it uses, would list none of its files.
    settings = {} if (collection / ".git").exists() else {"ANSIBLE_TEST_CONTENT_ROOT": str(collection)}
    lines = []
    with subprocess.Popen(
        command,
        cwd=collection,
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
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
    parser.add_argument("--pythons", nargs="+", required=True, metavar="VERSION", help="Pythons that must be tested on")
    parser.add_argument("--optional", nargs="*", default=[], metavar="VERSION", help="Pythons that may be absent")
    parser.add_argument("--archive", type=Path, help="an archive of the collection, to test in place of the checkout")
    options, rest = parser.parse_known_args(arguments)
    absent = [version for version in options.optional if not (workspace.PYTHONS / f"python{version}").exists()]
    present = [version for version in options.optional if version not in absent]
    if absent:
        print(f"sanity: NOTICE: Python {', '.join(absent)} is not on this machine, so nothing is tested on it")
    seed_pip([options.pip, "-m", "pip"])
    specification = importlib.util.find_spec("ansible_test")
    for folder in specification.submodule_search_locations if specification else ():
        for replaced in use_releases(Path(folder) / "_data" / "requirements"):
            print(f"sanity: NOTICE: {replaced}")
    archive = options.archive
    collection = unpack(archive, options.label) if archive else workspace.copy_collection(options.label)
    required = {
        "compile": [*options.pythons, *present],
        "import": [*dict.fromkeys((options.pythons[0], options.pythons[-1])), *present],
    }
    code, lines = 0, []
    for words in runs(required["import"], rest):
        ended, more = run(collection, words)
        code, lines = code or ended, lines + more
    if code:
        print(f"sanity: ansible-test ended with {code}", file=sys.stderr)
        return 1
    results = read_results(collection / "tests" / "output" / "junit")
    workspace.drop_copy(options.label)
    wrong = judge(lines, results, required, absent, EMPTY_IN_ARCHIVE if archive else EMPTY)
    for reason in wrong:
        print(f"sanity: {reason}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
