# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference in both languages, which ``tools/reference.py`` writes, and links to a version."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import SHARED_OPTIONS

ROOT = Path(__file__).resolve().parents[2]
#: What the program reads and writes.
PARTS = ("docs", "extensions", "playbooks", "plugins", "roles", "tests/simulator", "tools")
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/docsite/*.yml"),
    *ROOT.glob("docs/docsite/rst/*.rst"),
    *ROOT.glob("docs/zh-CN/*.md"),
    *ROOT.glob("roles/*/*.md"),
    *ROOT.glob("extensions/*/*.md"),
    ROOT / "galaxy.yml",
]
VERSIONED = re.compile(
    r"(?:qingguo\.github\.io/qingguo\.qgnet|"
    r"github\.com/qingguo/qingguo\.qgnet/(?:blob|tree|raw))/(\w[\w.-]*)/"
)
#: The version to which links lead: main, or in the commit of a release its own.
(VERSION,) = VERSIONED.findall((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
PAGE = re.compile(rf"qingguo\.github\.io/qingguo\.qgnet/{re.escape(VERSION)}/([\w/-]+\.html)")


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(checkout / "tools/reference.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def pages() -> set[str]:
    """The pages that the site has, but for those of Sphinx itself."""
    kinds = {path: path for path in ("lookup", "filter", "inventory")} | {"modules": "module"}
    names = {f"docsite/{path.stem}.html" for path in ROOT.glob("docs/docsite/rst/*.rst")}
    names |= {f"{path.name}_role.html" for path in (ROOT / "roles").iterdir()}
    for folder, kind in kinds.items():
        names |= {f"{path.stem}_{kind}.html" for path in ROOT.glob(f"plugins/{folder}/*.py")}
    return names


def test_the_reference_is_current() -> None:
    """If it fails, run the program without an argument."""
    result = run(ROOT, "--check")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", sorted(ROOT.glob("playbooks/*.yml")), ids=lambda path: path.stem)
def test_a_playbook_documents_its_variables(path: Path) -> None:
    head, _line, tasks = path.read_text(encoding="utf-8").partition("\n---\n")
    documented = set(re.findall(r"^#   (qg_\w+) \(", head, re.MULTILINE))
    # A message that tells what to type, as qg_forget=NAME, may name a variable of another one.
    used = {name for name in re.findall(r"(?<![\w.])qg_\w+\b(?!=)", tasks) if "__" not in name}
    assert documented == used - {f"qg_{option}" for option in SHARED_OPTIONS}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_link_to_the_site_leads_to_a_page(path: Path) -> None:
    assert set(PAGE.findall(path.read_text(encoding="utf-8"))) <= pages()


def test_all_links_lead_to_the_version_of_a_release(tmp_path: Path) -> None:
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("*.pyc"))
    for path in (*ROOT.glob("*.md"), ROOT / "galaxy.yml"):
        shutil.copy(path, tmp_path)
    copies = {path: tmp_path / path.relative_to(ROOT) for path in DOCUMENTS}

    assert run(tmp_path, "--version", "98.7.6").returncode == 0

    named = {
        version
        for copy in copies.values()
        for version in VERSIONED.findall(copy.read_text(encoding="utf-8"))
    }
    assert named == {"98.7.6"}
    assert run(tmp_path, "--check").returncode == 0

    assert run(tmp_path, "--version", VERSION).returncode == 0

    for path, copy in copies.items():
        assert copy.read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs/docsite/rst").glob("*.rst")), ids=lambda path: path.stem
)
def test_each_row_of_a_table_has_all_columns(path: Path) -> None:
    """A comma at the end of a line ends the row there, and what follows becomes another one."""
    text = path.read_text(encoding="utf-8")
    for table in re.findall(r"\.\. csv-table::\n   :header: (.*\n\n(?:   .*\n)+)", text):
        lines = [line.strip() for line in table.splitlines() if line]
        rows = [*csv.reader(lines, skipinitialspace=True)]
        assert {len(row) for row in rows} == {len(rows[0])}, rows[0]
