# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a release: the version wherever it is written, the changelog, a commit and its tag. "make release" then builds.

usage: release.py VERSION

Nothing is pushed. Until then, "git tag --delete VERSION" and "git reset --hard HEAD~1" undo it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import support_matrix
import workspace

ROOT = workspace.ROOT
#: Where the version is written, and between what.
PLACES = {
    "galaxy.yml": (r"^version: ", r"$"),
    "plugins/module_utils/_core/version.py": (r'^VERSION = "', r'"$'),
}
#: Documents that name the archive, an image with the collection, or the version to install.
DOCUMENTS = (
    *("README.md", "README.zh-CN.md", "docs/docsite/rst/*.rst", "docs/zh-CN/*.md"),
    *("examples/*/*.md", "examples/*/*.yml", "examples/*/.*.yml"),
)
ARCHIVE = rf"{workspace.NAMESPACE}-{workspace.NAME}-"
INSTALLED = rf"{workspace.NAME}(?::==|\.git,|-ee:|\n +version: (?:\">=)?)"
SEMANTIC = r"(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)"

COMMANDS = (
    ("antsibull-changelog", "release", "--version", "{version}"),
    ("antsibull-changelog", "lint"),
    ("reuse", "lint", "--lines"),
    ("git", "add", "--all"),
    ("git", "commit", "--quiet", "--message", "Release {version}"),
    ("git", "tag", "--annotate", "--message", "Release {version}", "{version}"),
)


class Refused(Exception):
    """A release cannot be made now."""


def output(*command: str) -> str:
    """Return what a program says."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def call(*command: str) -> None:
    """Show a command, and run it."""
    print(f"release: {' '.join(command)}", flush=True)
    subprocess.run(command, cwd=ROOT, check=True)


def numbers(version: str) -> list[int]:
    """Return the numbers of a version."""
    return [int(part) for part in version.split(".")]


def check(version: str) -> None:
    """Refuse what would make no proper release."""
    if not re.fullmatch(SEMANTIC, version):
        raise Refused(f"{version!r} is no version like 1.2.3")
    tags = [tag for tag in output("git", "tag", "--list").splitlines() if re.fullmatch(SEMANTIC, tag)]
    newer = [tag for tag in tags if numbers(tag) >= numbers(version)]
    if newer:
        raise Refused(f"there is {max(newer, key=numbers)} already")
    if numbers(version) < numbers(workspace.version()):
        raise Refused(f"galaxy.yml has {workspace.version()} already")
    if changes := output("git", "status", "--porcelain"):
        raise Refused(f"the checkout has changes that are not committed:\n{changes}")
    if untested := support_matrix.untested(output("git", "rev-parse", "HEAD:plugins")):
        raise Refused(f"make matrix has not passed with these plugins/ on ansible-core {', '.join(untested)}")
    if not list((ROOT / "changelogs" / "fragments").glob("*.yml")):
        raise Refused("changelogs/fragments is empty: what would be new?")


def written(path: Path, pattern: str, version: str) -> int:
    """Put the version into a file, and return how often it stands there."""
    text, count = re.subn(pattern, rf"\g<1>{version}\g<2>", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    path.write_text(text, encoding="utf-8")
    return count


def write_version(root: Path, version: str) -> None:
    """Put the version wherever it is written."""
    for name, (before, after) in PLACES.items():
        if written(root / name, f"({before}){SEMANTIC}({after})", version) != 1:
            raise Refused(f"{name} does not have the version where it was expected")
    for pattern in DOCUMENTS:
        for path in sorted(root.glob(pattern)):
            written(path, rf"({ARCHIVE}){SEMANTIC}(\.tar\.gz)", version)
            written(path, rf"({INSTALLED}){SEMANTIC}(\b)", version)


def main(arguments: Sequence[str]) -> int:
    """Make the release, and return the exit code."""
    if len(arguments) != 1:
        print("release: say which: make release VERSION=x.y.z", file=sys.stderr)
        return 2
    version = arguments[0]
    try:
        check(version)
    except Refused as problem:
        print(f"release: {problem}", file=sys.stderr)
        return 1
    before = output("git", "rev-parse", "HEAD")
    try:
        write_version(ROOT, version)
        for command in COMMANDS:
            call(*(word.format(version=version) for word in command))
    except (Refused, subprocess.CalledProcessError) as problem:
        print(f"release: {problem}; the checkout was clean, so these put it back:", file=sys.stderr)
        print(f"release: git reset --hard {before} && git clean --force -- CHANGELOG.md changelogs", file=sys.stderr)
        return 1
    print(f"release: {version} is committed and tagged; git push --follow-tags makes it public")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
