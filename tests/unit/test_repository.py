# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contents list is what there is, codes and defaults are documented as they are, and links lead somewhere."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import lock_tools
import pytest
import run
import support_matrix
import workspace
import yaml
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.errors import VENDOR_CODES
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.version import VERSION
from support.documents import ROOT, read

READMES = ["README.md", "README.zh-CN.md"]
DOCUMENTS = [path for path in workspace.collection_files() if path.suffix == ".md" and path.name != "CHANGELOG.md"]


def stems(pattern: str) -> set[str]:
    return {path.stem for path in ROOT.glob(pattern) if not path.stem.startswith("_")}


def contents(language: str) -> list[str]:
    """What the guide lists in the first cells of its tables, in their order."""
    if language == "zh-CN":
        return re.findall(r"^\| `([\w.]+)` \|", read("docs/zh-CN/contents.md"), re.MULTILINE)
    rows = re.findall(
        r"^   \* - (?::ansplugin:`(\S+) <|``(\S+)``)", read("docs/docsite/rst/contents.rst"), re.MULTILINE
    )
    return [plugin or playbook for plugin, playbook in rows]


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_contents_are_what_there_is(language: str) -> None:
    patterns = {
        "": ("plugins/modules/*.py", "roles/*"),
        "qingguo.qgnet.": (
            *(f"plugins/{kind}/*.py" for kind in ("callback", "filter", "inventory", "lookup")),
            "playbooks/*.yml",
            "extensions/eda/plugins/event_source/*.py",
        ),
    }
    known = [prefix + stem for prefix, names in patterns.items() for name in names for stem in stems(name)]
    assert sorted(contents(language)) == sorted(known)


def test_both_languages_list_the_contents_in_the_same_order() -> None:
    assert contents("en") == contents("zh-CN")


@pytest.mark.parametrize("role", sorted(path.name for path in (ROOT / "roles").iterdir()))
def test_each_role_has_an_argument_spec_with_words_for_each_variable(role: str) -> None:
    (spec,) = yaml.safe_load(read(f"roles/{role}/meta/argument_specs.yml"))["argument_specs"].values()
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


@pytest.mark.parametrize("document", ["README.md", "README.zh-CN.md", "docs", "examples"])
def test_documents_name_the_version_of_the_collection(document: str) -> None:
    paths = [path for path in workspace.collection_files() if path.is_relative_to(document)]
    text = "\n".join((ROOT / path).read_text(encoding="utf-8") for path in paths)
    named = re.findall(r"qingguo-qgnet-(\d\S*?)\.tar", text)
    # Without its suffix in installations from a server or a repository, in requirements.yml, and as tag of an image.
    named += re.findall(r'qgnet(?::==|\.git,|-ee:|\n +version: (?:">=)?)(\d[^\s"]*)', text)
    assert set(named) == {VERSION}


def anchors(text: str) -> set[str]:
    """The anchors that a viewer of Markdown makes of the headings."""
    found: Counter[str] = Counter()
    result = set()
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        result.add(f"{slug}-{found[slug]}" if found[slug] else slug)
        found[slug] += 1
    return result


GALAXY: dict[str, Any] = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
#: How an absolute link names a file or a folder of the repository.
IN_REPOSITORY = re.compile(rf"{re.escape(GALAXY['repository'])}/(?:blob|raw|tree)/main/(?P<path>.+)")


def links(document: Path) -> Iterator[str]:
    """The targets of the links and pictures of a document, also of those that are defined at its end."""
    text = re.sub(r"^```.*?^```|`[^`\n]+`", "", read(document), flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$|<(https?://[^>\s]+)>", text, re.MULTILINE)


def dead_links(document: Path) -> Iterator[str]:
    for target in map("".join, links(document)):
        place = IN_REPOSITORY.fullmatch(target)
        parts = urlsplit(place["path"] if place else target)
        folder = ROOT if place else (ROOT / document).parent
        path = folder / unquote(parts.path) if parts.path else ROOT / document
        if parts.scheme:
            continue
        known = anchors(path.read_text(encoding="utf-8")) if path.suffix == ".md" and path.exists() else set()
        if not path.exists() or (parts.fragment and path.suffix == ".md" and unquote(parts.fragment) not in known):
            yield target


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_of_a_document_lead_somewhere(document: Path) -> None:
    assert list(dead_links(document)) == []


@pytest.mark.parametrize("readme", READMES)
def test_links_of_a_readme_are_absolute_and_all_are_used(readme: str) -> None:
    # Galaxy shows the README on a page of its own.
    assert [target for target in map("".join, links(Path(readme))) if not target.startswith("https://")] == []
    text = read(readme)
    defined = re.findall(r"^\[([^\]]+)\]: ", text, re.MULTILINE)
    assert set(defined) == set(re.findall(r"\]\[([^\]]+)\]", text))
    assert len(defined) == len(set(defined))


@pytest.mark.parametrize("name", ["documentation", "homepage", "issues"])
def test_galaxy_links_into_the_repository(name: str) -> None:
    place = IN_REPOSITORY.fullmatch(GALAXY[name])
    assert (ROOT / place["path"]).exists() if place else GALAXY[name].startswith(GALAXY["repository"])


def test_the_development_container_has_what_the_readme_asks_for() -> None:
    settings = json.loads(read(".devcontainer/devcontainer.json"))
    # As root, the sessions install other programs, and hosts get network namespaces.
    assert (settings["remoteUser"], settings["privileged"]) == ("root", True)
    recipe = read(f".devcontainer/{settings['build']['dockerfile']}")
    assert {"git", "curl", "make", "python3", "python3-venv"} <= set(recipe.split())
    target = settings["postCreateCommand"].removeprefix("make ")
    assert re.search(rf"^{re.escape(target)}:", read("Makefile"), re.MULTILINE)


@pytest.mark.parametrize("readme", READMES)
def test_the_support_table_is_made_of_what_was_run(readme: str) -> None:
    made = support_matrix.replaced(read(readme), support_matrix.table(support_matrix.load(), readme))
    assert made == read(readme), "run: make matrix; or, if its result was edited: support_matrix.py render"


def test_what_was_run_is_of_supported_cores() -> None:
    ran = [entry["core"] for entry in support_matrix.load()["cores"]]
    assert ran == [core for core in support_matrix.pinned() if core in ran]


def test_make_knows_each_session_and_contributing_each_target() -> None:
    makefile = read("Makefile")
    targets = re.findall(r"^([a-z-]+):.*?## ", makefile, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony
    assert phony[1].split() == targets
    sessions = re.findall(r'^def(?:ine\("| )([a-z]+)(?:\(session|",)', read("noxfile.py"), re.MULTILINE)
    words = {word for words in re.findall(r"\$\(RUN\) ([a-z ]+)", makefile) for word in words.split()}
    called = {name.partition("(")[0] for word in words for name in run.GROUPS.get(word, (word,))}
    assert called == set(sessions)
    assert set(re.findall(r"^\| `make ([\w-]+)", read("CONTRIBUTING.md"), re.MULTILINE)) == set(targets) - {
        "help",
        "clean",
    }


def test_ci_tests_each_supported_core() -> None:
    matrix = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["matrix"]["strategy"]["matrix"]
    assert matrix["core"] == list(lock_tools.CORES)


def test_every_action_and_image_is_pinned_by_its_digest() -> None:
    patterns = (".github/workflows/*.yml", "docs/docsite/rst/*.rst", "docs/zh-CN/*.md")
    pipelines = [path for pattern in patterns for path in ROOT.glob(pattern)]
    used = [name for path in pipelines for name in re.findall(r"\buses: (.+)", path.read_text(encoding="utf-8"))]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", name)] == []
    # One version of each, in the documents as in our own pipeline.
    assert len({name.partition("@")[0] for name in used}) == len(set(used))
    definitions = [path for path in workspace.collection_files() if path.name.endswith("-environment.yml")]
    images = [yaml.safe_load(read(str(path))).get("images") for path in definitions]
    names = {image["base_image"]["name"] for image in images if image}
    assert len(names) == 1
    assert re.fullmatch(r"docker\.io/redhat/ubi9:[\d.]+@sha256:[0-9a-f]{64}", names.pop())


def sessions_of_antsibull_nox() -> set[str]:
    found = re.search(r"^ANTSIBULL_SESSIONS = \((.+)\)$", read("noxfile.py"), re.MULTILINE)
    assert found
    return set(re.findall(r'"([\w-]+)"', found[1]))


def test_make_runs_each_session_of_antsibull_nox_that_needs_no_container() -> None:
    configured = re.findall(r"^\[sessions\.(\w+)\]$", read("antsibull-nox.toml"), re.MULTILINE)
    without_container = {name.replace("_", "-") for name in configured if not name.startswith("ansible_test_")}
    assert sessions_of_antsibull_nox() == without_container


def test_hooks_call_parts_of_sessions_and_fetch_nothing() -> None:
    repositories: list[dict[str, Any]] = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert [entry["repo"] for entry in repositories] == ["local"]
    commands = set(re.findall(r'^        \("([\w-]+)"', read("noxfile.py"), re.MULTILINE))
    parts = {"lint": commands, "antsibull": sessions_of_antsibull_nox()}
    for hook in repositories[0]["hooks"]:
        assert hook["language"] == "system"
        named = re.fullmatch(r'make (lint|antsibull) ARGS="?([\w -]+?)"?', hook["entry"])
        assert named
        assert set(named[2].split()) <= parts[named[1]]
