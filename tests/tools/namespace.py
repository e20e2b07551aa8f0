# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give the collection another namespace, in all files of the checkout: "make namespace NAME=example".

CONTRIBUTING.md explains why that may be needed. The name of the collection, qgnet, stays.

usage: namespace.py NAME
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import workspace

#: Names that Galaxy takes.
NAME = re.compile(r"[a-z][a-z0-9_]{1,63}")
#: Files that hold the digests of others.
SKIPPED_SUFFIXES = (".png", ".ico")


def patterns(old: str) -> list[re.Pattern[str]]:
    """Return where the namespace is named: before the name of the collection, as owner of the repository, and alone."""
    return [
        re.compile(rf"(?<![a-z]){old}(?=(?:\\?\.|/|-|\", \"|\" / \"){workspace.NAME})"),
        re.compile(rf"(?<=github\.com/){old}(?=[/\s)>\"'`]|$)", re.MULTILINE),
        re.compile(rf"(?<=namespace: ){old}$|(?<=\"namespace\": \"){old}(?=\")", re.MULTILINE),
        re.compile(rf"(?<=NAMESPACE = \"){old}(?=\")"),
        re.compile(rf"(?<=@){old}(?=/)"),
    ]


def rename(root: Path, files: Sequence[Path], old: str, new: str) -> list[Path]:
    """Change all files that name the namespace, and return them."""
    changed = []
    for name in files:
        path = root / name
        if path.is_symlink() or path.suffix in SKIPPED_SUFFIXES:
            continue
        text = path.read_text(encoding="utf-8")
        renamed = text
        for pattern in patterns(old):
            renamed = pattern.sub(new, renamed)
        if renamed != text:
            path.write_text(renamed, encoding="utf-8")
            changed.append(name)
    return changed


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or not NAME.fullmatch(arguments[0]):
        print(
            "namespace: NAME is lower-case letters, digits and underscores: make namespace NAME=example",
            file=sys.stderr,
        )
        return 2
    new, old, root = arguments[0], workspace.NAMESPACE, workspace.ROOT
    if subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, check=True).stdout:
        print("namespace: the clone has uncommitted changes; commit or stash them", file=sys.stderr)
        return 1
    changed = rename(root, workspace.collection_files(), old, new)
    # The link of the old name.
    shutil.rmtree(workspace.COLLECTIONS, ignore_errors=True)
    ruff = Path(sys.executable).with_name("ruff")
    # The length of lines and the order of imports depend on the name.
    for command in (["check", "--select=I", "--fix", "--quiet"], ["format", "--quiet"]):
        subprocess.run([os.fspath(ruff), *command], cwd=root, check=True)
    print(f"namespace: {len(changed)} files name {new}.{workspace.NAME} now; next: make test")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
