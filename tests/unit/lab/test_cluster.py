# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server in the foreground: its end by a signal."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "lab" / "cluster.py"


def data_directory(pid: int) -> Path:
    """The directory of the server that this process has started."""
    (server,) = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    words = Path(f"/proc/{server}/cmdline").read_text(encoding="utf-8").split("\0")
    return Path(words[words.index("-D") + 1])


def test_ctrl_c_ends_the_server_and_removes_its_data() -> None:
    with subprocess.Popen([sys.executable, str(PROGRAM)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        name, _equals, url = process.stdout.readline().strip().partition("=")
        assert name == "QG_STATE_URL"
        folder = data_directory(process.pid)
        assert folder.is_dir()
        with psycopg.connect(url):
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError, match="Connection refused"):
        psycopg.connect(url)
