# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the simulator in Chromium, and the examples in its README as they stand."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests
from qgnet_simulator.running import Simulator, running_simulator

pytestmark = pytest.mark.newest

README = Path(__file__).parents[1] / "simulator" / "README.md"
BLOCKS = dict[str, list[str]]()
for _language, _text in re.findall(r"^```(\w+)\n(.*?)^```", README.read_text("utf-8"), re.M | re.S):
    BLOCKS.setdefault(_language, []).append(_text)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running_simulator(["--proxy-port", "0", "--tunnel-port", "0"]) as running:
        yield running


def run(directory: Path, *command: str, **environment: str) -> str:
    """Run a program as in CI, with the simulator of this checkout, and return what it prints."""
    (directory / "register.yml").write_text(BLOCKS["yaml"][0], encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {name: value for name, value in os.environ.items() if not name.startswith("QG_")}
    settings = {
        **own,
        "PATH": path,
        "ANSIBLE_NOCOLOR": "1",
        "QG_STORE": str(directory),
        **environment,
    }
    done = subprocess.run(
        command,
        cwd=directory,
        env=settings,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("block", BLOCKS["shell"][1:])
def test_the_calls(sim: Simulator, tmp_path: Path, block: str) -> None:
    for example, actual in (
        ("127.0.0.1:8081", str(sim.proxy_url).removeprefix("http://")),
        ("127.0.0.1:3434", str(sim.tunnel_url).removeprefix("http://")),
        ("http://127.0.0.1:8080", sim.api_url),
        ("curl ", "curl -sSf "),
    ):
        block = block.replace(example, actual)
    shown = run(tmp_path, "sh", "-ec", block)
    exits = re.findall(r"^(?:198\.(?:51\.100|19)|127\.64)\.[0-9.]+$", shown, re.MULTILINE)
    assert len(exits) == len(re.findall(r"/ip\"", block))


def test_the_script(tmp_path: Path) -> None:
    run(tmp_path, "sh", "-c", BLOCKS["sh"][0])


@pytest.mark.parametrize("language", ["python", "js"])
def test_the_first_lease(sim: Simulator, tmp_path: Path, language: str) -> None:
    program = tmp_path / "first.mjs"
    program.write_text(
        BLOCKS[language][0].replace("http://127.0.0.1:8080", sim.api_url), encoding="utf-8"
    )
    interpreter = sys.executable
    if language == "js":
        node = shutil.which("node")
        if node is None:
            pytest.skip("needs node")
        interpreter = node
    shown = run(tmp_path, interpreter, str(program))
    assert [shown.strip()] == [lease["ip"] for lease in sim.leases()]


def test_both_readmes_have_the_same_examples() -> None:
    chinese = (README.parent / "README.zh-CN.md").read_text("utf-8")
    for language, examples in BLOCKS.items():
        for example in examples:
            assert f"```{language}\n{example}```" in chinese


@pytest.mark.slow
def test_the_python(tmp_path: Path) -> None:
    _first, with_pytest, without_network = BLOCKS["python"]
    (tmp_path / "test_register.py").write_text(with_pytest, encoding="utf-8")
    alone = ("-p", "no:cacheprovider", "-c", os.devnull, "--rootdir=.")
    assert "1 passed" in run(tmp_path, sys.executable, "-m", "pytest", "-q", *alone, ".")
    run(tmp_path, sys.executable, "-c", without_network)


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
            requests.get(sim.api_url + path, params={"Key": sim.key, "Num": "1"}, timeout=60)
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
