# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A number and its noun in a message."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import counted


@pytest.mark.parametrize(
    ("number", "noun", "verb", "text"),
    [
        (1, "minute", "", "1 minute"),
        (1.0, "second", "", "1 second"),
        (0.5, "second", "", "0.5 seconds"),
        (0, "lease", "are", "0 leases are"),
        (1, "lease", "were", "1 lease was"),
        (2, "address", "have", "2 addresses have"),
    ],
)
def test_one_is_singular(number: float, noun: str, verb: str, text: str) -> None:
    assert counted(number, noun, verb) == text
