# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in the names and types of options: what is refused, and what Ansible converts is not."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.option_errors import (
    check_option_names,
    check_option_types,
    check_selectors,
)

SPEC = {name: {"type": kind} for name, kind in {"b": "bool", "f": "float", "i": "int", "l": "list", "s": "str"}.items()}


@pytest.mark.parametrize(
    ("name", "known", "fix"),
    [
        ("ip", ["ips", "key"], "use ips, key."),
        (1, ["key", "count"], "use count, key."),
        ("nonsense", ["_terms", "key", "count"], "use count, key."),
    ],
)
def test_an_unknown_name_is_refused_with_the_ones_that_exist(name: object, known: list[str], fix: str) -> None:
    with pytest.raises(OptionError) as refused:
        check_option_names("qg_x", [known[-1], name], known)
    assert refused.value.message == f"{name} is not an option of qg_x: {fix}"


def test_what_ansible_converts_is_accepted() -> None:
    check_option_names("qg_x", SPEC, SPEC)
    check_option_types({"b": "yes", "f": "0.5", "i": "5", "l": "a,b", "s": {}, "other": object()}, SPEC)
    check_option_types({"b": 1, "f": 3, "i": 5, "l": [1]}, SPEC)
    check_option_types(dict.fromkeys(SPEC), SPEC)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("b", "maybe", "b='maybe' is not true or false"),
        ("f", "10s", "f='10s' is not a number"),
        ("i", [5], "i=(a list) is not a whole number"),
        ("l", {"a": "secret"}, "l=(a dictionary) is not a list"),
        ("i", "https://user:secret@example.com", "i='...' is not a whole number"),
    ],
)
def test_a_value_of_another_type_is_refused_and_no_structure_or_login_is_quoted(
    name: str, value: object, message: str
) -> None:
    with pytest.raises(OptionError) as refused:
        check_option_types({name: value}, SPEC)
    assert refused.value.message.startswith(message)


@pytest.mark.parametrize(("selectors", "hint"), [(("ips",), False), (("ips", "all"), True)])
def test_the_refusal_of_an_empty_selector_names_all_only_if_there_is_such_an_option(
    selectors: tuple[str, ...], hint: bool
) -> None:
    with pytest.raises(OptionError) as refusal:
        check_selectors(selectors, {"ips": []})
    assert refusal.value.message.startswith("ips is empty ([]), which never means all: ")
    assert ("all=true" in refusal.value.message) is hint
