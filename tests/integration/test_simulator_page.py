# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the simulator in Chromium."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests
from qgnet_simulator.running import running_simulator

pytestmark = pytest.mark.newest

HOSTILE = '<img src="x" onerror="document.title=1">'


def rows_of(page: str) -> list[str]:
    """Return the text of each row of the tables, and of each paragraph and headline."""
    rows = re.findall(r"<(?:tr|p|h2)\b.*?</(?:tr|p|h2)>", page, re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]*>", " ", row)).split()) for row in rows]


@pytest.mark.slow
def test_the_page_follows_the_state(tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    assert browser, "needs Chromium: as root, apt-get install chromium"
    with running_simulator() as sim:
        sim.configure(whitelist=["203.0.113.5"])
        sim.fault(path="/info/quota", kind="code", code=-1, msg=HOSTILE, times=2)
        for path in ("/allocate", "/info/quota"):
            requests.get(sim.api_url + path, params={"Key": sim.key, "Num": "1"}, timeout=10)
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            f"--user-data-dir={tmp_path}/profile",
        ]
        command += ["--no-sandbox"] * (os.geteuid() == 0) + [
            "--no-proxy-server",
            "--virtual-time-budget=3000",
        ]
        command += ["--enable-logging=stderr", "--dump-dom", f"{sim.control_url}/"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        (lease,) = sim.leases()
        (spent,) = sim.state()["keys"][sim.key]["paid"]
        journal = [call["path"] for call in sim.journal()]
        refused = requests.post(
            f"{sim.control_url}/reset", headers={"Origin": sim.api_url}, timeout=10
        )
        assert refused.status_code == 403
        assert sim.whitelist() == ["203.0.113.5"]
    rows = rows_of(done.stdout)
    paid = datetime.fromtimestamp(spent["at"], timezone(timedelta(hours=8))).strftime(
        "%Y-%m-%d %H:%M:%S"
    )
    assert f"{sim.key} ok dynamic_dedicated 1 of 5 1 {paid} 203.0.113.5" in rows
    assert any(row.startswith(f"{sim.key} lease {lease['host']} {lease['ip']} ") for row in rows), (
        rows
    )
    assert f"/info/quota code 1 0 code=-1 msg={HOSTILE}" in rows
    assert f"2 GET /info/quota {sim.key} Num=1 200 -1 no code" in rows
    assert f"1 GET /allocate {sim.key} Num=1 200 0 yes" in rows
    assert rows[0] == "One minute of QG.net lasts 60 s."
    assert "<title>QG.net simulator" in done.stdout
    assert not re.search(r"CONSOLE.*(Refused|Error|violates)", done.stderr), done.stderr
    # A look stands in no journal.
    assert journal == ["/allocate", "/info/quota"]
