# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which minimum a life allows, and how durations are written."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.lifetime import (
    check_min_remaining,
    seconds,
)


def test_a_new_lease_must_match_for_a_tenth_of_its_life() -> None:
    check_min_remaining(9, 600.0)

    with pytest.raises(OptionError):
        check_min_remaining(9.01, 600.0)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (119.9, "119 seconds"),
        (120.0, "2 minutes"),
        (150.0, "150 seconds"),
        (300.0, "5 minutes"),
        (601.0, "10 minutes"),
    ],
)
def test_seconds_in_messages(number: float, text: str) -> None:
    assert seconds(number) == text
