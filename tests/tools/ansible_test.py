# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test's sanity or unit tests on a copy of the checkout or on the archive, and fail if any was left out.

antsibull-nox does so in containers. ansible-test itself ends with 0 when a Python or a program is missing, after a
warning that is easily overlooked. If it finds nothing for a test to read, only its JUnit files show that.
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
    **{f"get_pip_{major}_{minor}.py": (f"pip=={major}.{minor}",) for major, minor in ((24, 2), (25, 2))},
}
# pip would run from its archive, and then install and compile itself: seconds for each of the dozen environments.
_STAND_IN = """\
import glob, os, sysconfig, zipfile
here = os.path.dirname(os.path.abspath(__file__))
for package in {packages}:
    for name in glob.glob(os.path.join(here, package.replace("==", "-") + "-*.whl")):
        zipfile.ZipFile(name).extractall(sysconfig.get_path("purelib"))
"""
# A release from the package index, for what ansible-test wants from an address of GitHub, for the sake of Python 3.15.
# No test is left out, but pylint is another build than in ansible-test's own container.
_RELEASED = "dill==0.4.1"

_LEFT_OUT = re.compile(r"WARNING: (?P<reason>.*(?:[Ss]kipp|not found|could not be found|disabled by default).*)")
_VERSIONED = re.compile(r"(?P<test>[a-z-]+)-python-(?P<python>\d+\.\d+)")
_NOTHING_TO_READ = "No tests applicable."
#: What "make lint" checks as well, with the same tools or with ruff in their place.
LINTED = ("changelog", "pep8", "shellcheck", "yamllint")
#: As long as all other tests together; the tests of each change leave it to those that follow.
LONG = "pylint"
#: The collection has no __init__.py, no PowerShell, and nothing that runs on Python 2, for which the boilerplate is.
EMPTY = ("empty-init", "future-import-boilerplate", "metaclass-boilerplate", "pslint")
#: The archive has no changelog fragments and no shell scripts either.
EMPTY_IN_ARCHIVE = (*EMPTY, "changelog", "shellcheck")
#: The environments of the unit tests, each with a JUnit file of its own.
CONTEXTS = ("module_utils", "controller")


def seed_pip(python: str) -> None:
    """Put pip where ansible-test looks before it downloads."""
    cache = workspace.HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    command = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    for name, packages in _PIPS.items():
        if not (cache / name).exists():
            subprocess.run([*command, "--dest", str(cache), *packages], check=True)
            (cache / name).write_text(_STAND_IN.format(packages=packages), encoding="utf-8")


def use_releases(requirements: Path) -> list[str]:
    """Replace addresses in the requirements of ansible-test's tools by releases, and return what is replaced."""
    replaced = []
    name = _RELEASED.partition("==")[0]
    for path in sorted(requirements.glob("sanity.*.txt")):
        text = path.read_text(encoding="utf-8")
        if found := re.search(rf"^{name}(?: @ |==\S+  # in place of )(?P<address>\S+)$", text, re.MULTILINE):
            replaced.append(f"{path.stem.partition('.')[2]} uses {_RELEASED} in place of {found['address']}")
            # The installed file may be a hard link into the installer's cache.
            path.unlink()
            path.write_text(text.replace(found[0], f"{_RELEASED}  # in place of {found['address']}"), encoding="utf-8")
    return replaced


def read_results(reports: Iterable[Path]) -> dict[str, str | None]:
    """Return each test of JUnit files, and why it was left out if it was."""
    cases = [case for path in sorted(reports) for case in ElementTree.parse(path).iter("testcase")]
    skips = {case.attrib["name"]: case.find("skipped") for case in cases}
    return {name: None if skipped is None else (skipped.text or "") for name, skipped in skips.items()}


def judge(
    lines: Iterable[str],
    results: Mapping[str, str | None],
    required: Mapping[str, Sequence[str]],
    absent: Iterable[str] = (),
    empty: Sequence[str] = EMPTY,
) -> list[str]:
    """Return what is wrong with the output and the results of a run that ended with 0.

    ``required`` has the Pythons for each test that runs once on each, and none for another; ``empty`` are tests that
    find nothing to read.
    A test may be left out on an optional Python that is not on this machine, ``absent``.
    """
    accepted = [f'sanity test "{test}" on Python {version} because' for test in required for version in absent]
    left_out = {match["reason"]: match["reason"] for line in lines if (match := _LEFT_OUT.match(line.strip()))}
    for name, reason in results.items():
        match = _VERSIONED.fullmatch(name)
        test, version = (match["test"], match["python"]) if match else (name, "")
        # Nothing is there to read for a Python that the collection does not support.
        if reason == _NOTHING_TO_READ and (test in empty or version not in required.get(test, version)):
            continue
        if reason is not None:
            left_out[name] = f"{name}: {reason}"
    wrong = [f"left out: {said}" for said in left_out.values() if not any(words in said for words in accepted)]
    expected = [f"{test}-python-{version}" for test, versions in required.items() for version in versions]
    expected += [test for test, versions in required.items() if not versions]
    return wrong + [f"{name} did not run" for name in expected if name not in results]


def unpack(archive: Path, label: str) -> Path:
    workspace.drop_copy(label)
    target = workspace.COPY_ROOT / label / "ansible_collections" / workspace.NAMESPACE / workspace.NAME
    target.mkdir(parents=True)
    with tarfile.open(archive) as opened:
        opened.extractall(target, filter="data")
    return target


def run(collection: Path, arguments: Sequence[str]) -> tuple[int, list[str]]:
    """Run ansible-test, pass on its output as it comes, and return its exit code and lines."""
    # An archive is no clone; git, which the checkout around it uses, would list none of its files.
    settings = {} if (collection / ".git").exists() else {"ANSIBLE_TEST_CONTENT_ROOT": str(collection)}
    lines = []
    with subprocess.Popen(
        ["ansible-test", *arguments, "--color", "no"],
        cwd=collection,
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, lines


def sanity(collection: Path, options: argparse.Namespace, rest: Sequence[str]) -> list[str]:
    absent = [version for version in options.optional if not (workspace.PYTHONS / f"python{version}").exists()]
    present = [version for version in options.optional if version not in absent]
    if absent:
        print(f"sanity: NOTICE: Python {', '.join(absent)} is not on this machine, so nothing is tested on it")
    specification = importlib.util.find_spec("ansible_test")
    for folder in (specification and specification.submodule_search_locations) or ():
        for replaced in use_releases(Path(folder) / "_data" / "requirements"):
            print(f"sanity: NOTICE: {replaced}")
    # To import all files takes half a minute on each Python, since the loader of collections compiles each file anew
    # for each that imports it. What the Pythons between the oldest and the newest lack, the oldest one lacks.
    imports = [*dict.fromkeys((options.pythons[0], options.pythons[-1])), *present]
    required = {"compile": [*options.pythons, *present], "import": imports}
    skipped = {"quick": (*LINTED, LONG), "thorough": (LONG,), "all": ()}[options.tests]
    runs = [["--skip-test=import", *(f"--skip-test={test}" for test in skipped)]]
    runs += [["--test", "import", "--python", version] for version in imports]
    if options.tests == "thorough" and not options.archive:
        required, runs = {LONG: []}, [["--test", LONG]]
    lines = []
    for words in runs:
        code, more = run(collection, ["sanity", "--local", "--junit", *words, *rest])
        if code:
            return [f"ansible-test ended with {code}"]
        lines += more
    results = read_results((collection / "tests" / "output" / "junit").glob("*.xml"))
    return judge(lines, results, required, absent, EMPTY_IN_ARCHIVE if options.archive else EMPTY)


def units(collection: Path, options: argparse.Namespace, rest: Sequence[str]) -> list[str]:
    """Run the unit tests as anybody would who has cloned the collection, and return what is wrong.

    ansible-test makes an environment of tests/unit/requirements.txt, ignores pyproject.toml, gives each test its own
    process, and tests module_utils with no other part of ansible-core. tests/unit/conftest.py chooses the tests.
    """
    code, _lines = run(collection, ["units", "--venv", "--python", options.pythons[-1], *rest])
    folder = collection / "tests" / "output" / "junit"
    results = {context: read_results(folder.glob(f"*-{context}-units.xml")) for context in CONTEXTS}
    passed = {context: sum(reason is None for reason in found.values()) for context, found in results.items()}
    print(f"units: ran: {passed}")
    nothing = [] if rest else [f"nothing ran in {context}" for context, count in passed.items() if not count]
    return [f"ansible-test ended with {code}"] if code else nothing


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["sanity", "units"])
    parser.add_argument("--label", required=True, help="name of the copy of the collection")
    parser.add_argument("--pip", required=True, metavar="PYTHON", help="a Python that has pip")
    parser.add_argument("--pythons", nargs="+", required=True, metavar="VERSION", help="Pythons that must be tested on")
    parser.add_argument("--optional", nargs="*", default=[], metavar="VERSION", help="Pythons that may be absent")
    parser.add_argument("--archive", type=Path, help="an archive of the collection, to test in place of the checkout")
    parser.add_argument(
        "--tests",
        choices=["quick", "thorough", "all"],
        default="all",
        help=f"quick: without {LONG} and what make lint checks; thorough: {LONG} of the checkout, others of an archive",
    )
    options, rest = parser.parse_known_args(arguments)
    seed_pip(options.pip)
    collection = unpack(options.archive, options.label) if options.archive else workspace.copy_collection(options.label)
    wrong = {"sanity": sanity, "units": units}[options.command](collection, options, rest)
    for reason in wrong:
        print(f"{options.command}: {reason}", file=sys.stderr)
    if not wrong:
        workspace.drop_copy(options.label)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
