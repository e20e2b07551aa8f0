# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX runs them: one inventory cut into slices, each run by ansible-runner in a place that shares nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from simulator.fixture import Simulator

BIN = Path(sys.executable).parent
ADD, QUERY = "/whitelist/add", "/whitelist/query"
#: The vendor's limits, calls a minute.
LIMITS = {ADD: 20, QUERY: 60}
REFUSED = -11
#: Longest that all jobs together may take; hanging ones are a failure, not a wait.
PATIENCE = 240.0


def source(number: int) -> str:
    """The loopback address that a host asks from."""
    return f"127.0.{1 + number // 250}.{number % 250 + 1}"


def public(number: int) -> str:
    """The address under which the internet sees a host."""
    return f"198.18.{number // 250}.{number % 250 + 1}"


def sliced(hosts: Sequence[int], number: int, count: int) -> list[int]:
    """Slice ``number`` (from 1) of ``count``, cut as AWX does: every ``count``-th host."""
    return list(hosts[number - 1 :: count])


def play(serial: int = 0) -> str:
    """A playbook of a project: the role for all hosts of the job, in batches of this size if one is given."""
    content: dict[str, Any] = {"name": "Let hosts use the proxies", "hosts": "all", "gather_facts": False}
    if serial:
        content["serial"] = serial
    return yaml.safe_dump([{**content, "roles": ["qingguo.qgnet.egress_whitelist"]}], sort_keys=False)


@dataclass
class Job:
    """One run of ansible-runner: its home and its private data directory are its own, and so is what it remembers."""

    folder: Path
    hosts: list[int]
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def private(self) -> Path:
        return self.folder / "runner"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def prepare(
        self,
        playbook: str,
        sim: Simulator,
        variables: Mapping[str, str],
        collections: str,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Put down what AWX puts into a private data directory."""
        self.home.mkdir(parents=True)
        lines = [f"host{n:03} ansible_connection=local egress_whitelist_source_address={source(n)}" for n in self.hosts]
        settings = {
            # The simulator's public addresses are from a range for tests.
            "egress_whitelist_allow_non_global": True,
            "egress_whitelist_sources": [f"{sim.api_url}/ip", f"{sim.api_url}/json"],
            "ansible_python_interpreter": sys.executable,
            **(extra or {}),
        }
        environment = {
            "HOME": str(self.home),
            "ANSIBLE_HOME": str(self.home / ".ansible"),
            # Over a local connection Ansible would work in the home of the user, whatever HOME says.
            "ANSIBLE_REMOTE_TEMP": str(self.home / "remote"),
            "ANSIBLE_COLLECTIONS_PATH": collections,
            "QG_API_URL": sim.api_url,
            **variables,
        }
        for name, text in {
            "inventory/hosts": "\n".join(lines) + "\n",
            "project/register.yml": playbook,
            "env/envvars": json.dumps(environment),
            "env/extravars": json.dumps(settings),
        }.items():
            path = self.private / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def start(self) -> None:
        """Let ansible-runner begin."""
        environment = {
            "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(self.folder),
        }
        command = [str(BIN / "ansible-runner"), "run", str(self.private), "--playbook", "register.yml"]
        with (self.folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--ident", "job"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text(encoding="utf-8", errors="replace")

    @property
    def rc(self) -> int:
        """What ansible-playbook ended with, as ansible-runner reports it."""
        reported = self.private / "artifacts" / "job" / "rc"
        return int(reported.read_text(encoding="utf-8")) if reported.exists() else -1

    def results(self, action: str) -> dict[str, list[dict[str, Any]]]:
        """The results of a module's tasks by host, from the events that ansible-runner keeps, as AWX shows them."""
        found: dict[str, list[dict[str, Any]]] = {}
        for path in sorted((self.private / "artifacts" / "job" / "job_events").glob("*.json")):
            data = json.loads(path.read_text(encoding="utf-8")).get("event_data", {})
            if str(data.get("task_action")).endswith(action) and isinstance(data.get("res"), dict):
                found.setdefault(data["host"], []).append(data["res"])
        return found

    def waited(self) -> float:
        """The seconds that its writes have waited."""
        results = (result for results in self.results("qg_egress_whitelist").values() for result in results)
        return sum(result.get("summary", {}).get("api", {}).get("waited_seconds", 0.0) for result in results)


def run_all(jobs: Sequence[Job]) -> None:
    """Run all jobs at the same time, and stop those that take too long."""
    try:
        for job in jobs:
            job.start()
        give_up = time.monotonic() + PATIENCE
        for job in jobs:
            assert job.process is not None
            job.process.wait(max(0.1, give_up - time.monotonic()))
    finally:
        for job in jobs:
            if job.process is not None and job.process.poll() is None:
                # ansible-runner then ends the playbook as well.
                job.process.terminate()
                job.process.wait(30)


def refusals(journal: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The calls that the vendor refused for their rate."""
    return [call for call in journal if call["code"] == REFUSED]
