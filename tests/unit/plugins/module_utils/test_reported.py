# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the vendor reported counts beside a list that lags."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.reported import WHITELIST, ReportedChanges
from stores import open_store

pytestmark = pytest.mark.usefixtures("every_store")

IP = "203.0.113.5"


def test_one_list_that_lacks_a_removed_address_does_not_end_the_report_of_its_removal(tmp_path: Path) -> None:
    with contextlib.closing(open_store(tmp_path, now=lambda: 1_000.0)) as state:
        reported = ReportedChanges(state, "key", WHITELIST)
        reported.record(gone=[IP])
        assert reported.correct([]).gone == frozenset()
        # That list was wrong: this one still lags behind the removal.
        assert reported.correct([IP]).gone == {IP}
