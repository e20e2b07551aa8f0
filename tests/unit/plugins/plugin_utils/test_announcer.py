# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a line about a wait looks like on the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible import constants
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._announcer import run_announcer


@pytest.fixture(autouse=True)
def directory_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))


def test_a_line_has_no_terminal_escape_and_leaves_the_standard_output_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_announcer("qg_monopoly")("the vendor calls\nit \x1b[31mred", "process 1")
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.isprintable()


def test_the_processes_of_a_run_announce_a_reason_once(capsys: pytest.CaptureFixture[str]) -> None:
    for process in ("1", "2"):
        for reason in ("one", "other"):
            run_announcer("qg_whitelist")(reason, process)
    # ansible-core 2.22 masks in it what other tests have used as a secret.
    assert len(capsys.readouterr().err.splitlines()) == 2
