# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulator in a process of its own, for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

START_SECONDS = 60.0
STOP_SECONDS = 10.0


class Simulator:
    """A running simulator."""

    def __init__(self, ready: dict[str, Any]) -> None:
        #: The environment variables with which the collection uses this simulator and nothing else.
        self.environment: dict[str, str] = ready["environment"]
        self.api_url: str = ready["api_url"]
        self.account_url: str = ready["account_url"]
        self.control_url: str = ready["control_url"]
        self.proxy_url: str | None = ready["proxy_url"]
        self.tunnel_url: str | None = ready["tunnel_url"]
        #: The same API by HTTPS, if the simulator has --tls-port.
        self.tls_url: str | None = ready["tls_url"]
        self.tunnel_control_url: str = ready["tunnel_control_url"]
        self.pid: int = ready["pid"]
        # The proxies of the machine do not lead to the simulator.
        self._opener = build_opener(ProxyHandler({}))
        state = self.state()
        self.key: str = next(iter(state["keys"]))
        agent = next(iter(state["agents"].values()))
        self.app_id: str = agent["appid"]
        self.app_key: str = agent["appkey"]

    def control(self, method: str, path: str, values: Any = None) -> Any:
        """Make a control call, for example ``control("PUT", "/keys/QGDEMO01", {"capacity":
        3})``.
        """
        path = "/" + path.removeprefix("/_sim").lstrip("/")
        data = None
        if values is not None:
            data = json.dumps(values).encode()
        request = Request(self.control_url + path, data, method=method)
        try:
            with self._opener.open(request, timeout=10) as response:
                return json.load(response)
        except HTTPError as error:
            text = error.read().decode("utf-8", "replace")
            raise AssertionError(f"{method} {path}: HTTP {error.code}: {text}") from None

    def reset(self) -> None:
        self.control("POST", "/reset")

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.control("GET", "/state")
        return state

    def whitelist(self, key: str | None = None) -> list[str]:
        addresses: list[str] = self.state()["keys"][key or self.key]["whitelist"]
        return addresses

    def leases(self, key: str | None = None) -> list[dict[str, Any]]:
        """Return the leases of a key, oldest first."""
        leases: list[dict[str, Any]] = self.state()["keys"][key or self.key]["leases"]
        return leases

    def advance(self, seconds: float) -> None:
        """Advance the simulator's clock."""
        self.control("PUT", "/clock", {"advance": seconds})

    def hold_clock(self, held: bool = True) -> None:
        """Stop the simulator's clock, or start it again, so that a test does not depend on the
        speed of the machine.
        """
        self.control("PUT", "/clock", {"running": not held})

    def journal(self, path: str | None = None) -> list[dict[str, Any]]:
        """Return the recorded calls to one path or to all paths."""
        calls: list[dict[str, Any]] = self.control("GET", "/journal")["calls"]
        return [call for call in calls if path is None or call["path"] == path]

    def fault(self, **fields: Any) -> None:
        """Plan a fault, for example ``fault(path="/whitelist/add", kind="reset_after")``."""
        self.control("POST", "/faults", fields)

    def configure(self, key: str | None = None, **fields: Any) -> dict[str, Any]:
        """Create or change a key; by default, the first one."""
        answer: dict[str, Any] = self.control("PUT", f"/keys/{key or self.key}", fields)
        return answer

    def agent(self, appid: str | None = None, **fields: Any) -> dict[str, Any]:
        """Create or change an agent, by default the first one, and return its state with all
        instances.
        """
        answer: dict[str, Any] = self.control("PUT", f"/agents/{appid or self.app_id}", fields)
        return answer


def _wait(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> dict[str, Any]:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if ready_file.exists():
            ready: dict[str, Any] = json.loads(ready_file.read_text(encoding="utf-8"))
            return ready
        if process.poll() is not None:
            raise RuntimeError(
                f"the simulator ended with {process.returncode}: {log.read_text(errors='replace')}"
            )
        time.sleep(0.02)
    raise RuntimeError(
        f"the simulator is not up after {START_SECONDS} s: {log.read_text(errors='replace')}"
    )


@contextmanager
def running_simulator(arguments: Sequence[str] = ()) -> Iterator[Simulator]:
    """Run a simulator on a free port, unless an argument names one."""
    with tempfile.TemporaryDirectory() as folder:
        ready_file = Path(folder, "ready.json")
        log = Path(folder, "log")
        program = [sys.executable, "-m", "qgnet_simulator"]
        command = [*program, "--port", "0", "--ready-file", str(ready_file), *arguments]
        # It runs no code of the plugins, so measuring their coverage would only slow it down.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            yield Simulator(_wait(process, ready_file, log))
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
