# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that a test run shares."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
from lab.daemon import wait_until
from psycopg.conninfo import conninfo_to_dict

TESTS = Path(__file__).resolve().parents[2]
CONFTEST = "from support.database import database_server, database_url\n"
TEST = """
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(4))
def test_database(database_url, worker_id, number):
    Path({folder!r}, str(number)).write_text(worker_id + " " + database_url)
"""


def is_gone(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError as error:
        return "Connection refused" in str(error)
    return False


def test_workers_share_one_server_which_ends_with_the_run(tmp_path: Path) -> None:
    seen, project = tmp_path / "seen", tmp_path / "project"
    seen.mkdir()
    project.mkdir()
    (project / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (project / "test_database.py").write_text(TEST.format(folder=str(seen)), encoding="utf-8")
    (project / "pytest.ini").write_text(f"[pytest]\npythonpath = {TESTS}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "xdist", "-n2", f"--basetemp={tmp_path / 'base'}", str(project)]
    # The other plugins of the three processes take longer than the rest of the test.
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=project, env=alone, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    lines = [path.read_text(encoding="utf-8").split() for path in seen.iterdir()]
    assert {worker for worker, _url in lines} == {"gw0", "gw1"}
    databases = [conninfo_to_dict(url) for _worker, url in lines]
    assert len({entry["port"] for entry in databases}) == 1
    assert len({entry["dbname"] for entry in databases}) == 4
    wait_until(lambda: is_gone(lines[0][1]))
