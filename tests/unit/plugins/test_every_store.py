# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixture ``every_store`` reaches only the tests that use it, although pytest keeps it for a whole module."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stores import is_database, quick_over_both, state_place


@quick_over_both
@pytest.mark.usefixtures("every_store")
def test_a_test_that_uses_the_fixture_gets_the_store_of_its_variant(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    expected = "postgresql" in request.node.name
    assert is_database() == expected
    assert state_place(tmp_path).is_shared == expected


def test_a_test_that_does_not_use_the_fixture_gets_a_state_directory(tmp_path: Path) -> None:
    assert not is_database()
    assert not state_place(tmp_path).is_shared
