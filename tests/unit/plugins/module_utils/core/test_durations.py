# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations that users write in minutes or with a unit."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.checks import parse_minutes
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError


@pytest.mark.parametrize(
    ("value", "minutes"),
    [
        ("0", 0),
        (30, 30),
        ("30", 30),
        ("30s", 0.5),
        ("90s", 1.5),
        ("120s", 2),
        ("5m", 5),
        ("1h", 60),
        ("2d", 2880),
    ],
)
def test_a_bare_number_means_minutes(value: object, minutes: float) -> None:
    assert parse_minutes("min_remaining", value) == minutes


@pytest.mark.parametrize("value", ["5 m", "30S", "s", "1h30m", True, None, "9" * 10])
def test_other_text_is_refused(value: object) -> None:
    with pytest.raises(
        OptionError, match=r"min_remaining=.* cannot be used: give a number of minutes, or"
    ):
        parse_minutes("min_remaining", value)
