# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in the names and types of options: what is refused, and what Ansible converts is not."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    MissingOption,
    OptionError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    Spec,
    check_selectors,
    read_options,
    shared,
)
from support import phrases


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("is empty", "count is empty: give a number."),
        ("=0 is out of range", "count=0 is out of range: give a number."),
        (", entry 2, is empty", "count, entry 2, is empty: give a number."),
    ],
)
def test_a_message_is_option_problem_and_fix(problem: str, message: str) -> None:
    assert OptionError("count", problem, "give a number").message == message


def test_a_mistake_has_fields_that_show_no_secret_of_another_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QG_KEY", "HUSH0123")
    spec: Spec = {**shared("key", type="str", no_log=True), "count": {"type": "int"}}

    with pytest.raises(OptionError) as refused:
        read_options(spec, {"count": "HUSH0123"}, place="option")

    assert refused.value.option == "count"
    assert refused.value.problem == f"='{phrases.HIDDEN}' {phrases.NOT_A_WHOLE_NUMBER}"
    assert refused.value.fix == "give one, such as 5"


def test_an_option_without_a_value_is_told_from_one_with_a_wrong_value() -> None:
    spec: Spec = shared("key", type="str", required=True, no_log=True)

    with pytest.raises(MissingOption) as refused:
        read_options(spec, {}, place="option")

    assert refused.value.option == "key"
    assert (
        refused.value.fix
        == f"give it as option {phrases.OR_AS} QG_KEY {phrases.IN_THE_ENVIRONMENT}"
    )


@pytest.mark.parametrize(("selectors", "hint"), [(("ips",), False), (("ips", "all"), True)])
def test_the_refusal_of_an_empty_selector_names_all_only_if_there_is_such_an_option(
    selectors: tuple[str, ...], hint: bool
) -> None:
    with pytest.raises(OptionError) as refusal:
        check_selectors(selectors, {"ips": []})
    assert refusal.value.message.startswith(f"ips is empty ([]), which {phrases.NEVER_MEANS_ALL}: ")
    assert ("all=true" in refusal.value.message) is hint


def test_a_value_of_another_type_is_refused_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QG_KEY", "HUSH0123")
    spec: Spec = {**shared("key", type="str", no_log=True), "count": {"type": "int"}}
    for value in ("http://me:HUSH7@192.0.2.1", "HUSH0123"):
        with pytest.raises(OptionError, match=phrases.NOT_A_WHOLE_NUMBER) as refused:
            read_options(spec, {"count": value}, place="option")
        assert "HUSH" not in refused.value.message
