# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the archive of the collection: does it hold what a user needs and nothing else, and would Galaxy take it?

usage: archive.py DIRECTORY
"""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import reproducible
import workspace

ROOT = workspace.ROOT
#: What belongs in: all that the checkout has of it, and nothing else. A star stands for any number of folders as well.
BELONGS = (
    "[A-Z]*.md",
    "LICENSE",
    "LICENSES/*.txt",
    "REUSE.toml",
    "changelogs/changelog.yaml",
    "docs/benchmarks.svg",
    "docs/demo.svg",
    "docs/diagrams/*.svg",
    "docs/gateway.svg",
    "docs/docsite/*.rst",
    "docs/docsite/*.yml",
    "docs/zh-CN/*.md",
    "extensions/audit/*",
    "extensions/eda/*",
    "extensions/execution_environment/*",
    "extensions/monitoring/*",
    "extensions/patterns/*",
    "meta/*.yml",
    "playbooks/*.j2",
    "playbooks/*.yml",
    "plugins/*.py",
    "requirements.txt",
    *(f"roles/*.{kind}" for kind in ("j2", "md", "yml")),
    # else ansible-test reads it as if it had to run on Python 2.7
    "tests/config.yml",
    *(f"tests/live/*.{kind}" for kind in ("json", "md", "py")),
    *(f"tests/simulator/*.{kind}" for kind in ("css", "html", "js", "md", "py", "svg", "txt")),
)
#: What only the archive has.
MADE = ("FILES.json", "MANIFEST.json")
_TROUBLE = re.compile(r"^(WARNING|ERROR|CRITICAL|Traceback)\b")
_LOADED = re.compile(r"^Loading (?P<kind>\w+) (?P<name>\S+)$")


def names(archive: Path) -> list[str]:
    with tarfile.open(archive) as opened:
        return sorted(member.name.removeprefix("./") for member in opened.getmembers() if not member.isdir())


def judge_names(found: Iterable[str], checkout: Iterable[str]) -> list[str]:
    wanted = {name for name in checkout if any(fnmatch.fnmatchcase(name, pattern) for pattern in BELONGS)} | set(MADE)
    return [f"{name} does not belong in the archive" for name in sorted(set(found) - wanted)] + [
        f"{name} is missing in the archive" for name in sorted(wanted - set(found))
    ]


def judge_import(lines: Iterable[str], modules: Iterable[str]) -> list[str]:
    lines = list(lines)
    wrong = [f"galaxy-importer: {line}" for line in lines if _TROUBLE.match(line)]
    loaded = {match["name"] for line in lines if (match := _LOADED.match(line)) and match["kind"] == "module"}
    wrong += [f"galaxy-importer did not load the module {name}" for name in sorted(set(modules) - loaded)]
    if "Importer processing completed successfully" not in lines:
        wrong.append("galaxy-importer did not come to its end")
    if not any("ansible-lint run complete" in line for line in lines):
        wrong.append("galaxy-importer did not run ansible-lint")
    return wrong


def import_archive(archive: Path) -> list[str]:
    """Let galaxy-importer read the archive, as the Galaxy server does, and return what it says."""
    folder = workspace.CACHE / "galaxy"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "galaxy_importer.main", str(archive)]
    # What Automation Hub asks for, too; of a version before 1.0.0, all but another version.
    strict = {
        "GALAXY_IMPORTER_CHECK_REQUIRED_TAGS": "true",
        "GALAXY_IMPORTER_REQUIRE_V1_OR_GREATER": "false" if workspace.version().startswith("0.") else "true",
        "GALAXY_IMPORTER_RUN_FLAKE8": "true",
    }
    environment = os.environ | strict
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return lines if done.returncode == 0 else [*lines, f"ERROR: it ended with {done.returncode}"]


def main(arguments: Sequence[str]) -> int:
    archive = reproducible.build(Path(arguments[0]))
    found = names(archive)
    wrong = judge_names(found, map(str, workspace.collection_files()))
    modules = [path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if not path.stem.startswith("_")]
    lines = import_archive(archive)
    wrong += judge_import(lines, modules)
    for reason in wrong:
        print(f"archive: {reason}", file=sys.stderr)
    size = f"{len(found)} files, {archive.stat().st_size / 1024:.0f} KiB"
    print(f"archive: {archive.name}: {size}, {len(lines)} lines of galaxy-importer, {len(wrong)} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
