# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program over HTTP: what it prints, its exit codes, and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import workspace
from live.cli import main
from live.exchange import Call, Reply
from live.questions import QUESTIONS
from live.transports import Http
from simulator.fixture import Simulator, running_simulator
from support.processes import wait_for

pytestmark = pytest.mark.thorough

PROGRAM = workspace.ROOT / "tests" / "live"
#: Options that change the answers of a vendor without making it slower.
CHANGED = {
    "present_add": "full",
    "absent_del": "error",
    "error_status": 418,
    "msg": False,
    "numbers": "string",
    "whitelist_notation": "full_width",
    "whitelist_answer": "number",
    "absent_release": "error",
    "release_answer": "list",
    "address_reuse": "first",
    "area_fields": "product",
    "deadline_zone": 0,
    "empty_data": "absent",
    "post": "ignore_body",
    "list_lag": 0.5,
}


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator(["--minute", "1"]) as simulator:
        yield simulator


@pytest.fixture
def sim(running: Simulator) -> Simulator:
    running.reset()
    return running


def environment(sim: Simulator) -> dict[str, str]:
    account = {"QG_APP_ID": sim.app_id, "QG_APP_KEY": sim.app_key, "QG_ACCOUNT_URL": sim.account_url}
    return os.environ | account | {"QG_KEY": sim.key, "QG_API_URL": sim.api_url, "QG_MINUTE_SECONDS": "1"}


def start(sim: Simulator, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), "--output", str(folder), *arguments]
    return subprocess.Popen(command, env=environment(sim), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_vendor_that_differs_in_many_ways(sim: Simulator, tmp_path: Path) -> None:
    sim.configure(options=CHANGED, channels=2)
    sim.control("PUT", f"/agents/{sim.app_id}", {"tolerance": 90})
    process = start(sim, tmp_path, "--paid", "2")
    output, _errors = process.communicate(timeout=60)
    assert process.returncode == 3, output
    different = [line for line in output.splitlines() if line.startswith("Different:")]
    unnamed = [option for option in CHANGED if not any(f"options.{option}=" in line for line in different)]
    assert unnamed == []
    assert any("agent.tolerance=90" in line for line in different), different
    assert "2 of at most 2 leases were asked for." in output
    assert (sim.leases(), sim.whitelist()) == ([], [])
    (path,) = tmp_path.glob("live-*.json")
    text = path.read_text("utf-8")
    secrets = {sim.key, sim.app_id, sim.app_key, *(paid["ip"] for paid in sim.state()["keys"][sim.key]["paid"])}
    assert {secret for secret in secrets if secret in text} == set()


def test_a_vendor_that_does_not_differ(
    sim: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(sim).items():
        monkeypatch.setenv(name, value)
    sim.configure(options={"list_lag": 0.5}, channels=2)
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"options": {"list_lag": 0.5}}))
    assert main(["--output", str(tmp_path), "--write", "--settings", str(settings)]) == 0
    assert ", 0 differently from the simulator" in capsys.readouterr().out
    (path,) = tmp_path.glob("live-*.json")
    calls = len(sim.journal())
    assert main(["--replay", str(path)]) == 0
    assert len(sim.journal()) == calls


@pytest.mark.parametrize(
    "number",
    [signal.SIGHUP, *(pytest.param(number, marks=pytest.mark.thorough) for number in (signal.SIGINT, signal.SIGTERM))],
    ids=lambda number: number.name,
)
def test_a_signal(sim: Simulator, tmp_path: Path, number: signal.Signals) -> None:
    """The other tests interrupt at each call; here, a process gets the signal while it waits for the lagging list."""
    sim.configure(options={"list_lag": 1.5}, channels=2)
    process = start(sim, tmp_path, "--paid", "2")
    wait_for(lambda: bool(sim.journal("/allocate")))
    time.sleep(0.3)
    process.send_signal(number)
    time.sleep(0.3)
    process.send_signal(number)
    output, _errors = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert f"Interrupted by {number.name}." in output
    assert len(sim.journal("/allocate")) == 1
    assert (sim.leases(), sim.whitelist()) == ([], [])
    assert list(tmp_path.glob("live-*.json")) != []


def test_an_error_of_the_program_shows_what_is_left(
    sim: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(sim).items():
        monkeypatch.setenv(name, value)
    send = Http.send

    def fail(self: Http, call: Call) -> Reply:
        if call.path == "/whitelist/del":
            raise RuntimeError("an error of the program")
        return send(self, call)

    monkeypatch.setattr(Http, "send", fail)
    with pytest.raises(RuntimeError):
        main(["--output", str(tmp_path), "--write"])
    assert "203.0.113.201 may still be on the whitelist. Remove it." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "key", "part"),
    [
        ([], "", "QG_KEY is not set"),
        (["--paid", "3"], "K", "--paid"),
        (["--address", "203.0.113.1", "x"], "K", "'x' is not an IPv4 address"),
        ([], "K", "QG_APP_ID and QG_APP_KEY belong together"),
    ],
)
def test_a_mistake_is_named(
    arguments: list[str], key: str, part: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QG_KEY", key)
    monkeypatch.setenv("QG_APP_ID", "qgdemo01" if "QG_APP_ID" in part else "")
    monkeypatch.delenv("QG_APP_KEY", raising=False)
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert part in capsys.readouterr().err


def test_a_vendor_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QG_KEY", "8Q2LW0ZX")
    monkeypatch.setenv("QG_MINUTE_SECONDS", "1")
    assert main(["--api-url", "http://127.0.0.1:1", "--output", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "No response: /whitelist/query: ConnectionError" in printed.out
    assert "8Q2LW0ZX" not in printed.out + printed.err
    assert all(question.text in printed.out for question in QUESTIONS)
