# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the READMEs list is what there is, codes and defaults are documented as they are, and links lead somewhere."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.errors import VENDOR_CODES
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.version import VERSION

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

import support
import workspace

ROOT = workspace.ROOT
READMES = ["README.md", "README.zh-CN.md"]
PLUGINS = "ansible_collections.qingguo.qgnet.plugins"
DOCUMENTS = [path for path in workspace.collection_files() if path.suffix == ".md" and path.name != "CHANGELOG.md"]


def read(name: str | Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def stems(pattern: str) -> set[str]:
    return {path.stem for path in ROOT.glob(pattern) if not path.stem.startswith("_")}


def first_cells(readme: str) -> list[str]:
    """What the first cells of the tables of a README name, in their order."""
    return re.findall(r"^\| \[?`([\w.]+)`(?:\]\([^)]+\))? \|", read(readme), re.MULTILINE)


@pytest.mark.parametrize("readme", READMES)
@pytest.mark.parametrize(
    ("kind", "pattern", "prefix"),
    [
        ("module", "plugins/modules/*.py", ""),
        ("filter", "plugins/filter/*.py", "qingguo.qgnet."),
        ("lookup", "plugins/lookup/*.py", "qingguo.qgnet."),
        ("inventory", "plugins/inventory/*.py", "qingguo.qgnet."),
        ("playbook", "playbooks/*.yml", "qingguo.qgnet."),
        ("event source", "extensions/eda/plugins/event_source/*.py", "qingguo.qgnet."),
    ],
)
def test_the_readme_lists_what_there_is(readme: str, kind: str, pattern: str, prefix: str) -> None:
    missing = {f"{prefix}{stem}" for stem in stems(pattern)} - set(first_cells(readme))
    assert not missing, f"{readme} lacks a row for the {kind} {sorted(missing)}"


@pytest.mark.parametrize("readme", READMES)
def test_the_readme_lists_nothing_else(readme: str) -> None:
    patterns = ("plugins/[filmi]*/*.py", "playbooks/*.yml", "extensions/eda/plugins/event_source/*.py")
    known = {stem for pattern in patterns for stem in stems(pattern)}
    named = [name.removeprefix("qingguo.qgnet.") for name in first_cells(readme) if re.match(r"qg_|qingguo\.", name)]
    assert set(named) <= known, f"{readme} lists {sorted(set(named) - known)}"
    assert len(named) == len(set(named)), f"{readme} lists something twice"


@pytest.mark.parametrize("readme", READMES)
def test_the_readme_links_the_documents_of_each_role(readme: str) -> None:
    linked = re.findall(r"^\| \[`(\w+)`\]\(roles/(\w+)/README\.md\) \|", read(readme), re.MULTILINE)
    assert sorted(linked) == sorted((path.name, path.name) for path in (ROOT / "roles").iterdir())


def test_both_readmes_list_the_same_in_the_same_order() -> None:
    assert first_cells(READMES[0]) == first_cells(READMES[1])


@pytest.mark.parametrize("role", sorted(path.name for path in (ROOT / "roles").iterdir()))
def test_each_role_has_an_argument_spec_with_words_for_each_variable(role: str) -> None:
    spec = yaml.safe_load(read(f"roles/{role}/meta/argument_specs.yml"))["argument_specs"]["main.yml"]
    assert spec["short_description"]
    assert not [name for name, option in spec["options"].items() if not option.get("description")]
    defaults = yaml.safe_load(read(f"roles/{role}/defaults/main.yml")) or {}
    assert {name: spec["options"].get(name, {}).get("default") for name in defaults} == defaults


def rows_of_codes(text: str, pattern: str) -> dict[int, str]:
    return {int(code): meaning for code, meaning in re.findall(pattern, text, re.MULTILINE)}


def test_troubleshooting_has_each_code_with_its_meaning() -> None:
    reported = rows_of_codes(read("docs/docsite/rst/troubleshooting.rst"), r"^   \* - (-\d+)\n     - (.+)$")
    assert reported == {code: known.meaning for code, known in VENDOR_CODES.items() if code}


def test_chinese_troubleshooting_has_the_same_codes() -> None:
    reported = rows_of_codes(read("docs/zh-CN/troubleshooting.md"), r"^\| (-\d+) \| ([^|]+) \|")
    assert list(reported) == [code for code in VENDOR_CODES if code]


@pytest.mark.parametrize("document", ["README.md", "README.zh-CN.md", "docs"])
def test_the_archive_is_named_with_the_version_of_the_collection(document: str) -> None:
    paths = [ROOT / document] if document.endswith(".md") else sorted((ROOT / document).rglob("*.*"))
    named = [re.findall(r"qingguo-qgnet-(\d\S*?)\.tar", path.read_text(encoding="utf-8")) for path in paths]
    assert {version for versions in named for version in versions} == {VERSION}


def anchors(text: str) -> set[str]:
    """The anchors that a viewer of Markdown makes of the headings."""
    found: Counter[str] = Counter()
    result = set()
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        result.add(f"{slug}-{found[slug]}" if found[slug] else slug)
        found[slug] += 1
    return result


def dead_links(document: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```|`[^`\n]+`", "", read(document), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        parts = urlsplit(target)
        path = (ROOT / document).parent / unquote(parts.path) if parts.path else ROOT / document
        if parts.scheme:
            continue
        known = anchors(path.read_text(encoding="utf-8")) if path.suffix == ".md" and path.exists() else set()
        if not path.exists() or (parts.fragment and path.suffix == ".md" and unquote(parts.fragment) not in known):
            yield target


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    assert list(dead_links(document)) == []


@pytest.mark.parametrize("readme", READMES)
def test_the_support_table_is_made_of_what_was_run(readme: str) -> None:
    made = support.replaced(read(readme), support.table(support.load(), readme))
    assert made == read(readme), "run: make matrix; or, if its result was edited: support.py render"


def test_what_was_run_is_every_supported_core() -> None:
    # Nothing is what has not been run yet; a part of the cores would not do.
    assert [entry["core"] for entry in support.load()["cores"]] in ([], support.pinned())


def requirements() -> dict[str, list[str]]:
    """Each pin of the tools, and the files that have it."""
    found: dict[str, list[str]] = {}
    for path in [*(ROOT / "tests" / "requirements").glob("*.txt"), ROOT / "tests" / "simulator" / "requirements.txt"]:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                found.setdefault(line, []).append(path.name)
    return found


def test_each_tool_is_pinned_in_one_place() -> None:
    places: dict[str, set[str]] = {}
    for line, files in requirements().items():
        assert re.match(r"[A-Za-z0-9_.\[\]-]+==\S+", line), f"{files}: {line} is no pin"
        places.setdefault(line.partition("==")[0].lower(), set()).update(files)
    cores = places.pop("ansible-core")
    assert all(name.startswith("core-") for name in cores)
    assert {name: sorted(files) for name, files in places.items() if len(files) > 1} == {}


def test_make_knows_each_session_and_contributing_each_target() -> None:
    makefile = read("Makefile")
    targets = re.findall(r"^([a-z]+):.*?## ", makefile, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony
    assert phony[1].split() == targets
    sessions = re.findall(r"^def ([a-z]+)\(session", read("noxfile.py"), re.MULTILINE)
    called = {word for words in re.findall(r"\$\(RUN\) ([a-z ]+)", makefile) for word in words.split()}
    assert called == set(sessions)
    assert set(re.findall(r"^\| `make (\w+)", read("CONTRIBUTING.md"), re.MULTILINE)) == set(targets) - {
        "help",
        "clean",
    }


def test_hooks_call_parts_of_lint_and_fetch_nothing() -> None:
    repositories: list[dict[str, Any]] = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert [entry["repo"] for entry in repositories] == ["local"]
    parts = set(re.findall(r'^        \("([\w-]+)"', read("noxfile.py"), re.MULTILINE))
    for hook in repositories[0]["hooks"]:
        assert hook["language"] == "system"
        named = re.fullmatch(r'make lint ARGS="?([\w -]+?)"?', hook["entry"])
        assert named
        assert set(named[1].split()) <= parts
