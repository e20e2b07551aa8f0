# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a line about a wait looks like on the terminal."""

from __future__ import annotations

import json

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import Wait
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._announcer import run_announcer


def test_a_line_has_no_secret_and_no_terminal_escape_and_leaves_the_standard_output_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wait = Wait("the vendor calls\nit \x1b[31mS3cretKey", 60.0, detail=json.dumps("S3cretKey"))
    run_announcer("qg_monopoly", frozenset({"S3cretKey"})).passed(3.0, wait)
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("qg_monopoly: waiting because the vendor calls it <U+001B>[31m")
    assert line.endswith("at most 60 s more (max_wait)")
    assert "S3cret" not in line
