# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in the names and types of options: what is refused, and what Ansible converts is not."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import check_selectors


@pytest.mark.parametrize(("selectors", "hint"), [(("ips",), False), (("ips", "all"), True)])
def test_the_refusal_of_an_empty_selector_names_all_only_if_there_is_such_an_option(
    selectors: tuple[str, ...], hint: bool
) -> None:
    with pytest.raises(OptionError) as refusal:
        check_selectors(selectors, {"ips": []})
    assert refusal.value.message.startswith("ips is empty ([]), which never means all: ")
    assert ("all=true" in refusal.value.message) is hint
