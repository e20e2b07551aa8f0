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
from collections.abc import Iterator, Sequence
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


def output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def reasons(version: str, tags: Sequence[str]) -> Iterator[str]:
    """Tell why this would be no proper release."""
    if not re.fullmatch(SEMANTIC, version):
        yield f"{version!r} is no version like 1.2.3"
        return

    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(".")]

    newest = max((tag for tag in tags if re.fullmatch(SEMANTIC, tag)), key=numbers, default="")
    if newest and numbers(newest) >= numbers(version):
        yield f"there is {newest} already"
    if numbers(version) < numbers(workspace.version()):
        yield f"galaxy.yml has {workspace.version()} already"
    if changes := output("git", "status", "--porcelain"):
        yield f"the checkout has changes that are not committed:\n{changes}"
    if untested := support_matrix.untested(output("git", "rev-parse", "HEAD:plugins")):
        yield f"make matrix has not passed with these plugins/ on ansible-core {', '.join(untested)}"
    if not list((ROOT / "changelogs" / "fragments").glob("*.yml")):
        yield "changelogs/fragments is empty: what would be new?"


def write_version(root: Path, version: str) -> None:
    """Put the version wherever it is written; ValueError where it is not as expected."""
    places = [(root / name, f"({before}){SEMANTIC}({after})") for name, (before, after) in PLACES.items()]
    documents = [path for pattern in DOCUMENTS for path in sorted(root.glob(pattern))]
    places += [(path, rf"({ARCHIVE}){SEMANTIC}(\.tar\.gz)") for path in documents]
    places += [(path, rf"({INSTALLED}){SEMANTIC}(\b)") for path in documents]
    for path, pattern in places:
        text, count = re.subn(pattern, rf"\g<1>{version}\g<2>", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if count != 1 and path not in documents:
            raise ValueError(f"{path.relative_to(root)} does not have the version where it was expected")
        path.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    version = " ".join(arguments)
    if refused := list(reasons(version, output("git", "tag", "--list").splitlines())):
        print(f"release: {'; '.join(refused)} (make release VERSION=x.y.z)", file=sys.stderr)
        return 1
    before = output("git", "rev-parse", "HEAD")
    try:
        write_version(ROOT, version)
        for command in COMMANDS:
            words = [word.format(version=version) for word in command]
            print(f"release: {' '.join(words)}", flush=True)
            subprocess.run(words, cwd=ROOT, check=True)
    except (ValueError, subprocess.CalledProcessError) as problem:
        print(f"release: {problem}; the checkout was clean, so these put it back:", file=sys.stderr)
        print(f"release: git reset --hard {before} && git clean --force -- CHANGELOG.md changelogs", file=sys.stderr)
        return 1
    print(f"release: {version} is committed and tagged; git push --follow-tags makes it public")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
