# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in the names and types of options: what is refused, and what Ansible converts is not."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    Spec,
    check_selectors,
    read_options,
    shared,
)
from support import phrases


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
