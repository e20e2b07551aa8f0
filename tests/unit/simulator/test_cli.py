# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator as a program: options, start and stop."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from simulator import cli
from simulator.fixture import PROGRAM, running_simulator
from support.http_sessions import new_session
from support.parameters import mostly_slow
from support.processes import wait_for

RUN = "runpy.run_path(sys.argv[0], run_name='__main__')"
PROCESS = [sys.executable, str(PROGRAM), "--port", "0"]


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run the program after this code, in a process of its own."""
    command = [PROCESS[0], "-c", f"import runpy, sys\n{code}\nsys.argv = sys.argv[1:]\n{RUN}", *PROCESS[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("number", mostly_slow([signal.SIGTERM, signal.SIGINT]))
def test_it_prints_instructions_and_stops_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready.json"
    arguments = ["--proxy-port", "0", "--tunnel-port", "0", "--minute", "3", "--ready-file", str(ready)]
    command = [*PROCESS, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_for(ready.exists)
        information = json.loads(ready.read_text(encoding="utf-8"))
        assert information["pid"] == process.pid
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    url, block = information["api_url"], output.split("\n\n")[1]
    script = f"{block}\nenv"
    pasted = subprocess.run(["bash", "-ec", script], env={}, capture_output=True, text=True, timeout=60, check=True)
    assert {line for line in pasted.stdout.splitlines() if line.startswith("QG_")} == {
        "QG_KEY=QGDEMO01",
        f"QG_API_URL={url}",
        f"QG_ACCOUNT_URL={information['account_url']}",
        "QG_APP_ID=qgdemo01",
        "QG_APP_KEY=0123456789abcdef0123",
        f"QG_SOURCES={url}/ip,{url}/json,{url}/origin",
        "QG_MINUTE_SECONDS=3",
    }
    assert f"Forward proxy of QGDEMO01:  {information['proxy_url']}\n" in output
    assert f"Tunnel of QGDEMO01:  {information['tunnel_url']}\n" in output
    assert f"Page:  {information['api_url']}/_sim/\n" in output
    assert list(tmp_path.iterdir()) == [ready]


@pytest.mark.parametrize("number", mostly_slow([signal.SIGTERM, signal.SIGINT]))
def test_a_signal_during_the_start_stops_it(number: signal.Signals) -> None:
    done = run_python(
        "import os, uvicorn\nrun = uvicorn.Server.run\n"
        f"uvicorn.Server.run = lambda *rest, **named: (os.kill(os.getpid(), {number.value}), run(*rest, **named))"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "QG_API_URL=" in done.stdout


def test_it_stops_while_a_call_is_pending() -> None:
    with running_simulator() as one:
        one.fault(path="/info/quota", kind="delay", seconds=3600)

        def hang() -> None:
            with pytest.raises(requests.RequestException):
                new_session().get(f"{one.api_url}/info/quota?Key={one.key}", timeout=3600).json()

        waiting = threading.Thread(target=hang)
        waiting.start()
        wait_for(lambda: bool(one.journal()))
    waiting.join(60)
    assert not waiting.is_alive()


@pytest.mark.parametrize("option", ["--port", "--proxy-port"])
def test_a_port_in_use_is_an_error(capsys: pytest.CaptureFixture[str], option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert cli.main(["--port", "0", option, port]) == 1
    assert capsys.readouterr().err == f"Cannot listen on 127.0.0.1 port {port}: Address already in use.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--map", "127.0.0.1"], ["--map", "a=b"], ["--minute", "0"], ["--minute", "x"], ["--port", "70000"]),
        ["--tls-cert", "x"],
    ],
)
def test_an_invalid_option_is_an_error(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert (ended.value.code, "error:" in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", True), ("127.0.0.2", False)])
def test_it_warns_if_it_does_not_listen_on_loopback(tmp_path: Path, host: str, warned: bool) -> None:
    ready, errors = tmp_path / "ready.json", tmp_path / "errors"
    command = [*PROCESS, "--host", host, "--ready-file", str(ready)]
    with errors.open("wb") as output, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=output) as process:
        wait_for(lambda: ready.exists() or process.poll() is not None)
        process.terminate()
    lines = errors.read_text(encoding="utf-8").splitlines()
    assert len(lines) == int(warned)
    if warned:
        port = urlsplit(json.loads(ready.read_text(encoding="utf-8"))["api_url"]).port
        assert f" listens on {host} " in lines[0]
        assert f" port {port} can control it " in lines[0]


@pytest.mark.parametrize("package", mostly_slow(["starlette", "uvicorn", "proxy", "anyio", "trustme"]))
def test_a_missing_package_is_reported_with_the_installation(package: str) -> None:
    done = run_python(f"sys.modules[{package!r}] = None")
    assert (done.returncode, done.stdout) == (1, "")
    [sentence] = done.stderr.splitlines()
    assert f"needs the package {package}," in sentence
    assert f"-m pip install -r {PROGRAM / 'requirements.txt'}" in sentence


def test_the_fixture_reports_a_failed_start() -> None:
    with (
        pytest.raises(RuntimeError, match=r"(?s)ended with 2: .*unrecognized arguments"),
        running_simulator(["--no-such-option"]),
    ):
        pass
