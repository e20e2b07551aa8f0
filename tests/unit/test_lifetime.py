# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long new leases last, by the documents or by the journal, and which minimum that allows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Terms
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.lifetime import (
    check_min_remaining,
    known_lifetime,
    seconds,
)


@pytest.mark.parametrize(
    ("observed", "life"), [(None, 300.0), (270.0, 300.0), (269.0, 269.0), (330.0, 300.0)]
)
def test_what_was_requested_counts_unless_the_journal_differs_by_more_than_a_tenth(
    observed: float | None, life: float
) -> None:
    journal = SimpleNamespace(lasting=lambda _keep_alive, _within: observed)
    books: Any = SimpleNamespace(api=SimpleNamespace(lifetime=60.0), journal=journal)

    assert known_lifetime(books, Terms(keep_alive=5)) == life


def test_a_new_lease_must_match_for_a_tenth_of_its_life() -> None:
    check_min_remaining(9, 600.0)

    with pytest.raises(OptionError):
        check_min_remaining(9.01, 600.0)


@pytest.mark.parametrize(("number", "text"), [(119.9, "119 seconds"), (120.0, "2 minutes")])
def test_seconds_in_messages(number: float, text: str) -> None:
    assert seconds(number) == text
