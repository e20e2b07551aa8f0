# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look into the archive of the collection: does it hold what a user needs and nothing else, and would Galaxy take it?

usage: archive.py ARCHIVE
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

import workspace

ROOT = workspace.ROOT
#: What belongs in; a star stands for any number of folders as well.
BELONGS = (
    "CHANGELOG.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "FILES.json",
    "LICENSE",
    "LICENSES/*.txt",
    "MANIFEST.json",
    "README.md",
    "README.zh-CN.md",
    "REUSE.toml",
    "SECURITY.md",
    "changelogs/changelog.yaml",
    "docs/*.svg",
    "docs/docsite/*.yml",
    "docs/docsite/rst/*.rst",
    "docs/zh-CN/*.md",
    "extensions/audit/event_query.yml",
    "extensions/eda/plugins/event_source/*.py",
    "extensions/eda/rulebooks/*.yml",
    "extensions/eda/README*.md",
    "extensions/execution_environment/*.yml",
    "meta/*.yml",
    "playbooks/*.yml",
    "plugins/*.py",
    "requirements.txt",
    "roles/*/README*.md",
    "roles/*/defaults/*.yml",
    "roles/*/files/*.lua",
    "roles/*/handlers/*.yml",
    "roles/*/meta/*.yml",
    "roles/*/tasks/*.yml",
    "roles/*/templates/*.j2",
    "roles/*/vars/*.yml",
    "tests/config.yml",
    "tests/simulator/*.css",
    "tests/simulator/*.html",
    "tests/simulator/*.js",
    "tests/simulator/*.py",
    "tests/simulator/*.svg",
    "tests/simulator/README*.md",
    "tests/simulator/requirements.txt",
)
#: What is more than these in the checkout would be missed by a user.
WANTED = (
    "LICENSE",
    "README*.md",
    "SECURITY.md",
    "docs/benchmarks.svg",
    "docs/demo.svg",
    "docs/gateway.svg",
    "docs/docsite/*",
    "docs/zh-CN/*",
    "extensions/audit/*",
    "extensions/eda/*",
    "extensions/execution_environment/*",
    "meta/*",
    "playbooks/*",
    "plugins/*",
    "requirements.txt",
    "roles/*",
    # else ansible-test reads it as if it had to run on Python 2.7
    "tests/config.yml",
    "tests/simulator/*",
)
_TROUBLE = re.compile(r"^(WARNING|ERROR|CRITICAL|Traceback)\b")
_LOADED = re.compile(r"^Loading (?P<kind>\w+) (?P<name>\S+)$")


def names(archive: Path) -> list[str]:
    """Return the names of the files in an archive."""
    with tarfile.open(archive) as opened:
        return sorted(member.name.removeprefix("./") for member in opened.getmembers() if not member.isdir())


def unwanted(found: Iterable[str]) -> list[str]:
    """Return which files do not belong in."""
    return [name for name in found if not any(fnmatch.fnmatchcase(name, pattern) for pattern in BELONGS)]


def missing(found: Iterable[str], checkout: Iterable[str]) -> list[str]:
    """Return which files of the checkout are missing."""
    wanted = {name for name in checkout if any(fnmatch.fnmatchcase(name, pattern) for pattern in WANTED)}
    return sorted(wanted - set(found))


def judge_import(lines: Iterable[str], modules: Iterable[str]) -> list[str]:
    """Return what is wrong with what galaxy-importer said."""
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
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | strict,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    return lines if done.returncode == 0 else [*lines, f"ERROR: it ended with {done.returncode}"]


def main(arguments: Sequence[str]) -> int:
    """Check an archive, and return the exit code."""
    archive = Path(arguments[0]).resolve()
    found = names(archive)
    wrong = [f"{name} does not belong in the archive" for name in unwanted(found)]
    wrong += [f"{name} is missing in the archive" for name in missing(found, map(str, workspace.collection_files()))]
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
