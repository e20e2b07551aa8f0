# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The defaults that guides tell, in tables and in sentences, are those of the code."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from ansible_collections.qingguo.qgnet.plugins.lookup import proxy
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import ALLOCATE
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import (
    EGRESS_OPTIONS,
    GROUP_OPTIONS,
    PROXY_API_OPTIONS,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import Spec
from jinja2 import Environment
from simulator import cli
from simulator.account import agents
from simulator.account import options as agent_options
from simulator.keys import options, plans
from support.documents import Rows, alike, markdown_rows, read, role_options, running_text, table_rows

ROLE = "roles/egress_whitelist"

LANGUAGES = ["en", "zh-CN"]
LOOKUP = yaml.safe_load(proxy.DOCUMENTATION)["options"]


def path_of(guide: str, language: str) -> str:
    return f"docs/docsite/rst/{guide}.rst" if language == "en" else f"docs/zh-CN/{guide}.md"


def rows_of(guide: str, language: str) -> Rows:
    """The rows of a guide's tables, with code marked as in Markdown."""
    text = read(path_of(guide, language))
    found = table_rows(text) if language == "en" else markdown_rows(text)
    return [{alike(head): alike(cell) for head, cell in row.items()} for row in found]


def written(value: object) -> str:
    """A value as documents write it: 10 for 10.0, true for True."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)


def plain(cell: str) -> str:
    return cell.replace("`", "")


# The role


def role_rows() -> dict[str, dict[str, str]]:
    return {plain(row["variable"]): row for row in markdown_rows(read(f"{ROLE}/README.md"))}


def kind(option: dict[str, Any]) -> str:
    if "choices" in option:
        return ", ".join(f"`{choice}`" for choice in option["choices"])
    return f"list of {option['elements']}" if "elements" in option else str(option["type"])


@pytest.mark.parametrize("name", role_options())
def test_the_readme_of_the_role_states_what_the_argument_spec_says(name: str) -> None:
    row, option = role_rows()[name], role_options()[name]
    assert row["type"] == kind(option)
    declared: Spec = {**PROXY_API_OPTIONS, **EGRESS_OPTIONS}
    variables = declared.get(name.removeprefix("egress_whitelist_"), {}).get("fallback", (None, []))[1]
    assert list(dict.fromkeys(re.findall("`(QG_[A-Z_]+)`", row["meaning"]))) == variables
    if row["default"] == "see below":
        sentence = re.search(rf"^The default of `{name}` is (.+?)\.$", read(f"{ROLE}/README.md"), re.M | re.S)
        assert sentence
        assert re.findall("`(.+?)`", sentence[1]) == option["default"]
    else:
        assert plain(row["default"]) == (written(option["default"]) if "default" in option else "".join(variables))
    described = option["description"]
    text = " ".join(described if isinstance(described, list) else [described])
    # The marks of Ansible's documentation, as Markdown has them.
    assert row["meaning"] == re.sub(r"I\(([^)]+)\)", r"*\1*", re.sub(r"[CEOV]\(([^)]+)\)", r"`\1`", text))


# What the environment sets


def env_rows(language: str) -> dict[str, dict[str, str]]:
    rows = rows_of("authentication", language)
    return {plain(row[first]): row for row in rows if re.match(r"`QG_", row[first := next(iter(row))])}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_environment_variables_with_their_aliases_and_defaults(language: str) -> None:
    declared: Spec = {**GROUP_OPTIONS, **EGRESS_OPTIONS}
    rows = env_rows(language)
    assert {variable: plain(list(row.values())[1]) for variable, row in rows.items()} == {
        option["fallback"][1][0]: name for name, option in declared.items() if "fallback" in option
    }
    for row in rows.values():
        _variable, name, aliases, meaning = row.values()
        assert re.findall("`(.+?)`", aliases) == declared[plain(name)].get("aliases", [])
        reported = re.search(r"(?:, `?(\S+?)`? by default|,默认 `?([^`]+)`?)$", meaning)
        default = declared[plain(name)].get("default")
        # The guide of the role has the list of sources.
        default = None if isinstance(default, list) else default
        assert (reported and (reported[1] or reported[2])) == (None if default is None else written(default)), name


# Guides


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_options_of_every_call(language: str) -> None:
    rows = [list(row.values()) for row in rows_of("limits_and_retries", language) if len(row) == 3]
    reported = {plain(name): plain(default) for name, default, _meaning in rows if plain(name) in PROXY_API_OPTIONS}
    assert set(reported) == {"timeout", "max_wait", "retries", "state_dir", "state_url", "use_proxy", "api_proxy"}
    declared = {name: PROXY_API_OPTIONS[name].get("default") for name in reported}
    assert reported == {name: "" if default is None else written(default) for name, default in declared.items()}


def rulebook_variables() -> dict[str, str]:
    """What the variables of the rulebook are if they are not set, by the option or variable they are handed to."""
    book = yaml.safe_load(read("extensions/eda/rulebooks/rotate_leases.yml"))[0]
    handed = {**book["sources"][0]["qingguo.qgnet.qg_watch"]}
    handed |= book["rules"][0]["action"]["run_playbook"]["extra_vars"]
    found: dict[str, str] = {}
    for text in handed.values():
        name = re.findall(r"qg_\w+", text)[0]
        value = Environment().from_string(text).render()
        assert found.setdefault(name, value) == value
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_variables_of_the_rulebook(language: str) -> None:
    head = "variable" if language == "en" else "变量"
    reported = {
        name: list(row.values())[1]
        for row in rows_of("events", language)
        if head in row
        for name in re.findall("`(.+?)`", row[head])
    }
    handed = rulebook_variables()
    assert set(reported) == set(handed)
    # Where nothing is handed on, the table says who decides.
    assert {name: value if value.isdigit() else "" for name, value in reported.items()} == handed


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_done_with_undetermined_leases(language: str) -> None:
    rows = [row for row in rows_of("proxies", language) if "`undetermined`" in row]
    reported = [re.sub(r" \(the default\)|\(默认\)", "", row["`undetermined`"]) for row in rows]
    marked = [row["`undetermined`"] for row in rows if re.search(r" \(the default\)|\(默认\)", row["`undetermined`"])]
    option = ALLOCATE.spec["undetermined"]
    assert [plain(choice) for choice in reported] == option["choices"]
    assert [re.findall("`(.+?)`", choice) for choice in marked] == [[option["default"]]]


#: A sentence of a guide in both languages, and the default that it states.
SENTENCES: list[Any] = [
    pytest.param("use_proxies", r"`max_age` \((\w+)\)", r"`max_age`\((\w+)\)", LOOKUP["max_age"], id="max_age"),
    pytest.param("use_proxies", r"`at_least` \((\w+)\)", r"`at_least`\((\w+)\)", LOOKUP["at_least"], id="at_least"),
    pytest.param(
        "proxies",
        r"\(`state_dir`, `(\S+?)`\)",
        r"\(`state_dir`,默认 `(\S+?)`\)",
        PROXY_API_OPTIONS["state_dir"],
        id="state_dir",
    ),
    pytest.param(
        "awx",
        r"`egress_whitelist_max_wait` limits the total waiting time of a job, (\d+) seconds by default",
        r"`egress_whitelist_max_wait` 限制一个作业的总等待时间,默认 (\d+) 秒",
        PROXY_API_OPTIONS["max_wait"],
        id="max_wait",
    ),
    pytest.param(
        "awx",
        r"share a state directory, by default `(\S+?)`",
        r"共用一个状态目录,默认为 `(\S+?)`",
        PROXY_API_OPTIONS["state_dir"],
        id="state_dir of a job",
    ),
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("guide", "english", "chinese", "option"), SENTENCES)
def test_a_default_in_a_sentence(language: str, guide: str, english: str, chinese: str, option: dict[str, Any]) -> None:
    text = running_text(read(path_of(guide, language)))
    assert re.findall(english if language == "en" else chinese, text) == [written(option["default"])]


# The simulator


def simulator_rows(head: str) -> list[Rows]:
    """The tables of the simulator's README that begin with two such headings, each as its rows."""
    text = read("tests/simulator/README.md")
    return [markdown_rows(f"{head}{body}") for body in re.findall(rf"^{re.escape(head)}((?:\|.*\|\n)+)", text, re.M)]


def test_the_options_on_the_command_line_of_the_simulator() -> None:
    (rows,) = simulator_rows("| option | default | meaning |\n")
    reported: dict[str, str] = {}
    for row in rows:
        names = [plain(name).split()[0] for name in row["option"].split(", ")]
        values = row["default"].split(", ")
        reported |= dict(zip(names, values if len(values) > 1 else values * len(names), strict=True))
    actions = {action.option_strings[0]: action for action in cli.parser()._actions if action.dest != "help"}
    assert set(reported) == set(actions)
    given = {name: action.default for name, action in actions.items() if action.default}
    assert {name: reported[name] for name in given} == {name: written(value) for name, value in given.items()}
    assert reported["--agent"] == ":".join(agents.DEFAULT_CREDENTIALS[0])


@pytest.mark.parametrize(
    ("number", "made", "choices"),
    [(0, options.KeyOptions(), options.CHOICES), (1, agent_options.AgentOptions(), agent_options.CHOICES)],
    ids=["key", "agent"],
)
def test_the_options_of_the_simulator(number: int, made: Any, choices: dict[str, tuple[str, ...]]) -> None:
    rows = simulator_rows("| option | values, default first | decides |\n")[number]
    reported = {plain(row["option"]): re.findall("`(.+?)`", row["values, default first"]) for row in rows}
    assert set(reported) == set(vars(made))
    assert {name: values[0] for name, values in reported.items()} == {
        name: written(value) for name, value in vars(made).items()
    }
    assert {name: sorted(reported[name]) for name in choices} == {name: sorted(choices[name]) for name in choices}


def test_the_plan_of_a_key_of_the_simulator() -> None:
    rows = simulator_rows("| field | default | meaning |\n")[0]
    reported = {plain(row["field"]): plain(row["default"]) for row in rows}
    plan = vars(plans.Plan())
    assert set(reported) == set(plan)
    assert {name: reported[name] for name, value in plan.items() if not isinstance(value, list)} == {
        name: written(value) for name, value in plan.items() if not isinstance(value, list)
    }
