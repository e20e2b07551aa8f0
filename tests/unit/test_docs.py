# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents are in step: the role's argument spec with the code, Chinese with English, examples with YAML."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.qingguo.qgnet.plugins.action.qg_egress_whitelist import SPEC

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "egress_whitelist"
GUIDES = sorted(path.stem for path in (ROOT / "docs" / "docsite" / "rst").glob("*.rst"))
PREFIX = "egress_whitelist_"
Blocks = list[tuple[str, str]]


def role_options() -> dict[str, Any]:
    spec = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    options: dict[str, Any] = spec["argument_specs"]["main"]["options"]
    return options


def markdown(path: Path) -> tuple[list[int], Blocks]:
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [len(marks) for marks in re.findall(r"^(#+) ", prose, re.MULTILINE)], blocks


def restructured(path: Path) -> tuple[list[int], Blocks]:
    text = path.read_text(encoding="utf-8")
    levels = ["=-~".index(line[0]) + 1 for line in re.findall(r"^\S.*\n(={3,}|-{3,}|~{3,})$", text, re.MULTILINE)]
    found = re.findall(r"^\.\. code-block:: (\w+)\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    return levels, [(kind, re.sub("^   ", "", body, flags=re.MULTILINE).rstrip() + "\n") for kind, body in found]


def uncommented(blocks: Blocks) -> Blocks:
    return [(kind, re.sub(r" # .*", "", body)) for kind, body in blocks]


def test_the_role_has_a_variable_for_every_option() -> None:
    assert set(role_options()) == {PREFIX + name for name in SPEC if name not in ("step", "options_from")}


@pytest.mark.parametrize("name", sorted(role_options()))
@pytest.mark.parametrize("field", ["type", "default", "choices", "elements", "no_log"])
def test_a_variable_is_what_the_option_is(name: str, field: str) -> None:
    assert role_options()[name].get(field) == SPEC[name.removeprefix(PREFIX)].get(field)


def test_the_defaults_of_the_role_are_those_of_its_argument_spec() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
    assert defaults == {name: role_options()[name]["default"] for name in defaults}


def test_the_readme_of_the_role_lists_every_variable_in_order() -> None:
    text = (ROLE / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(role_options())


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readme_lists_every_module(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(qg_\w+)` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))


@pytest.mark.parametrize("guide", ["README", *GUIDES])
def test_the_chinese_twin_has_the_same_headings_and_examples(guide: str) -> None:
    if guide == "README":
        english, chinese = markdown(ROOT / "README.md"), markdown(ROOT / "README.zh-CN.md")
    else:
        english = restructured(ROOT / "docs" / "docsite" / "rst" / f"{guide}.rst")
        chinese = markdown(ROOT / "docs" / "zh-CN" / f"{guide}.md")
    assert english[0] == chinese[0]
    assert uncommented(english[1]) == uncommented(chinese[1])


@pytest.mark.parametrize("guide", ["README", *GUIDES])
def test_the_examples_are_yaml(guide: str) -> None:
    page = ROOT / "docs" / "docsite" / "rst" / f"{guide}.rst"
    for kind, body in (markdown(ROOT / "README.md") if guide == "README" else restructured(page))[1]:
        if kind == "yaml":
            assert yaml.safe_load(body)
