# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test's unit tests on a copy of the checkout, as anybody would who has cloned the collection.

It makes an environment of tests/unit/requirements.txt, ignores pyproject.toml, gives each test its own process,
and tests module_utils with no other part of ansible-core than module_utils. tests/unit/conftest.py chooses the tests.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree import ElementTree

import sanity
import workspace

#: The files that ansible-test writes, one for each of its two environments.
CONTEXTS = ("module_utils", "controller")


def passed(reports: Iterable[Path]) -> int:
    """Return how many tests ran."""
    return sum(
        not any(child.tag in ("skipped", "failure", "error") for child in case)
        for report in reports
        for case in ElementTree.parse(report).iter("testcase")
    )


def main(arguments: Sequence[str]) -> int:
    """Run the tests and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--label", required=True, help="name of the copy of the collection")
    parser.add_argument("--pip", required=True, metavar="PYTHON", help="a Python that has pip")
    parser.add_argument("--python", required=True, metavar="VERSION", help="the Python to test on")
    options, rest = parser.parse_known_args(arguments)
    sanity.seed_pip([options.pip, "-m", "pip"])
    collection = workspace.copy_collection(options.label)
    command = ["ansible-test", "units", "--venv", "--color", "no", "--python", options.python, *rest]
    code = subprocess.run(command, cwd=collection, stdin=subprocess.DEVNULL, check=False).returncode
    folder = collection / "tests" / "output" / "junit"
    counts = {context: passed(folder.glob(f"*-{context}-units.xml")) for context in CONTEXTS}
    print(f"units: exit code {code}; passed: {counts}")
    if code:
        return 1
    workspace.drop_copy(options.label)
    if lacking := [context for context, count in counts.items() if not count and not rest]:
        print(f"units: nothing ran in: {', '.join(lacking)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
