# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server in the foreground: its end by a signal, and with the process that needs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from lab.access import Access
from lab.daemon import wait_until

PROGRAM = Path(__file__).resolve().parents[2] / "lab" / "cluster.py"


@contextmanager
def cluster(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen([sys.executable, str(PROGRAM), *arguments], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def data_directory(url: str) -> Path:
    """The directory of the server, as its CA has it."""
    return Path(str(psycopg.conninfo.conninfo_to_dict(url)["sslrootcert"])).parent


def test_ctrl_c_ends_the_server_and_removes_its_data() -> None:
    with cluster("--tls") as process:
        assert process.stdout
        name, _equals, url = process.stdout.readline().strip().partition("=")
        assert name == "QG_STATE_URL"
        folder = data_directory(url)
        with psycopg.connect(url):
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError, match="Connection refused"):
        psycopg.connect(url)


def test_the_server_ends_with_the_process_that_needs_it(tmp_path: Path) -> None:
    ready_file = tmp_path / "ready.json"
    with (
        subprocess.Popen(["sleep", "60"]) as other,
        cluster(f"--ready-file={ready_file}", f"--while-pid={other.pid}") as process,
    ):
        wait_until(ready_file.exists)
        assert ready_file.stat().st_mode & 0o777 == 0o600
        access = Access(**json.loads(ready_file.read_text(encoding="utf-8")))
        assert access.is_ready()
        other.kill()
        assert process.wait(30) == 0
    assert not access.is_ready()
