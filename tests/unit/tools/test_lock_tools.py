# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The locks of the tools: complete, made of what is chosen, and of nothing of the machine that wrote them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lock_tools import ENVIRONMENTS, FOLDER, LOCKS, SIMULATOR, inputs
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

_PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; .+)? \\")
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def pins(name: str) -> dict[str, set[Version]]:
    """The versions of each package of a lock; it may have one for old and one for new Pythons."""
    found: dict[str, set[Version]] = {}
    for line in lines(LOCKS / f"{name}.txt"):
        if match := _PIN.fullmatch(line):
            found.setdefault(match["name"], set()).add(Version(match["version"]))
    return found


def test_there_is_a_lock_for_each_environment_and_no_other() -> None:
    assert {path.stem for path in LOCKS.iterdir()} == set(ENVIRONMENTS)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_each_package_has_a_version_and_hashes_and_no_address(name: str) -> None:
    previous = ""
    for line in lines(LOCKS / f"{name}.txt"):
        assert _PIN.fullmatch(line) or _HASH.fullmatch(line), line
        # What ends with a backslash goes on with a hash.
        assert previous.endswith("\\") == line.startswith(" "), line
        previous = line
    assert previous.startswith(" ")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_what_is_chosen_is_locked_in_a_version_that_fits(name: str) -> None:
    locked = pins(name)
    for path in inputs(name):
        for line in lines(path):
            wanted = Requirement(line)
            versions = locked[canonicalize_name(wanted.name)]
            assert all(wanted.specifier.contains(version, prereleases=True) for version in versions), line


def test_each_tool_is_chosen_in_one_file() -> None:
    places: dict[str, list[str]] = {}
    for path in [*FOLDER.glob("*.in"), SIMULATOR]:
        for line in lines(path):
            places.setdefault(canonicalize_name(Requirement(line).name), []).append(path.name)
    assert all(name.startswith("core-") for name in places.pop("ansible-core"))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_each_file_of_choices_is_part_of_an_environment() -> None:
    used = {path for name in ENVIRONMENTS for path in inputs(name)}
    assert {*FOLDER.glob("*.in"), SIMULATOR} == used
