# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where playbooks are run: on this machine over local connections, or against SSH hosts in network namespaces."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.figures import Figures, counted, failed_hosts
from benchmarks.ways import Way
from simulator.fixture import Simulator, running_simulator

TESTS = Path(__file__).resolve().parents[1]
LAB = TESTS / "lab" / "lab.sh"
#: The address of the simulator in a lab, and of its host number n (lab.sh).
LAB_URL, LAB_PUBLIC = "http://198.18.77.1:8080", "203.0.113."
#: The first hosts of a lab lack Python or curl, and so cannot run what is compared.
LAB_FIRST = 4
#: Longest that one playbook may take; more than any that is not computed instead.
LONGEST = 600.0
CAPACITY = 100_000
#: What was not registered is no fault of ansible-playbook: it ends with 2 when hosts failed.
HOSTS_FAILED = 2


class Broken(Exception):
    """A run did not do what it is to be measured for."""


@dataclass
class Stage:
    """A simulator, hosts, and a directory of its own that holds HOME, state and all else that runs leave."""

    sim: Simulator
    folder: Path
    url: str
    hosts: list[str]
    wished: list[str]
    inventory: Path
    map: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    curl: str = "curl"
    _states: int = 0

    def reset(self) -> None:
        """Nobody is registered, no minute has begun, and this control node remembers nothing."""
        self.sim.reset()
        self.sim.configure(capacity=CAPACITY)
        if self.map:
            self.sim.control("PUT", "/map", self.map)
        self._states += 1

    def forget_calls(self) -> None:
        """The journal and the vendor's minutes begin anew; all else stays."""
        self.sim.control("DELETE", "/journal")
        self.sim.control("DELETE", "/windows")

    def variables(self) -> dict[str, Any]:
        """What the playbooks are reported."""
        return {
            "egress_whitelist_key": self.sim.key,
            "egress_whitelist_api_url": self.url,
            "egress_whitelist_sources": [f"{self.url}/ip", f"{self.url}/json"],
            "egress_whitelist_allow_non_global": True,
            "bench_key": self.sim.key,
            "bench_url": self.url,
            "bench_curl": f"{self.curl} -sS --noproxy '*'",
        }

    def play(
        self, playbook: str, forks: int = 10, strategy: str = "linear", extra: Mapping[str, Any] | None = None
    ) -> tuple[float, subprocess.CompletedProcess[str]]:
        """Run a playbook, its text or its full name; its wall seconds, and what it said."""
        if "\n" in playbook:
            (self.folder / "play.yml").write_text(playbook, encoding="utf-8")
            playbook = "play.yml"
        (self.folder / "vars.json").write_text(json.dumps({**self.variables(), **(extra or {})}), encoding="utf-8")
        command = [*self.prefix, str(Path(sys.executable).parent / "ansible-playbook")]
        command += ["--inventory", str(self.inventory), "--limit", "bench", "--extra-vars", "@vars.json", playbook]
        start = time.monotonic()
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(forks, strategy),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LONGEST,
            check=False,
        )
        return time.monotonic() - start, done

    def measure(self, way: Way, forks: int = 10, strategy: str = "linear") -> Figures:
        """One run of a way, over hosts that are all new, or all registered where the way keeps what it finds."""
        self.forget_calls() if way.keeps else self.reset()
        seconds, done = self.play(way.play, forks, strategy)
        if done.returncode not in (0, HOSTS_FAILED) or "PLAY RECAP" not in done.stdout:
            raise Broken(f"{way.name} ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        figures = Figures(way.name, len(self.hosts), seconds)
        if not way.registers:
            return figures
        counts = counted(self.sim.journal())
        listed = set(self.sim.whitelist())
        missing = {host for host, ip in zip(self.hosts, self.wished, strict=True) if ip not in listed}
        figures.calls, figures.queries, figures.adds = counts["calls"], counts["queries"], counts["adds"]
        figures.refused = counts["refused"]
        figures.registered = len(self.hosts) - len(missing)
        figures.unnoticed = len(missing - failed_hosts(done.stdout))
        return figures

    def _environment(self, forks: int, strategy: str) -> dict[str, str]:
        """Of the caller's environment, only where Ansible finds the collection; Ansible's defaults but for forks."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        settings = self.folder / "ansible.cfg"
        settings.touch()
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": str(home),
            "TMPDIR": str(self.folder),
            "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
            "ANSIBLE_CONFIG": str(settings),
            "ANSIBLE_FORKS": str(forks),
            "ANSIBLE_HOME": str(home / ".ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_STRATEGY": strategy,
            "QG_STATE_DIR": str(self.folder / f"state{self._states}"),
            **({} if self.prefix else {"ANSIBLE_REMOTE_TEMP": str(self.folder / "remote")}),
            **{name: os.environ[name] for name in ("QG_LAB_DIR",) if name in os.environ},
        }


def source(number: int) -> str:
    """The loopback address that a host asks from."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def public(number: int) -> str:
    """The address under which the internet sees it."""
    return f"198.18.{number // 250}.{number % 250 + 1}"


@contextmanager
def local(count: int) -> Iterator[Stage]:
    """So many hosts on this machine, each with a source address of its own."""
    with running_simulator(["--minute", "60"]) as sim, TemporaryDirectory(prefix="qg-") as name:
        folder = Path(name)
        lines = ["[bench]"]
        for number in range(count):
            lines.append(
                f"host{number} ansible_connection=local ansible_python_interpreter={sys.executable} "
                f"egress_whitelist_source_address={source(number)} bench_ip={public(number)}"
            )
        (folder / "hosts").write_text("\n".join(lines) + "\n", encoding="utf-8")
        yield Stage(
            sim,
            folder,
            sim.api_url,
            [f"host{number}" for number in range(count)],
            [public(number) for number in range(count)],
            folder / "hosts",
            {source(number): public(number) for number in range(count)},
        )


def _lab(*arguments: str) -> str:
    done = subprocess.run(["bash", str(LAB), *arguments], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise Broken(done.stderr.strip() or f"lab.sh {arguments[0]} ended with {done.returncode}")
    return done.stdout


@contextmanager
def ssh(count: int) -> Iterator[Stage]:
    """So many hosts that are reached by SSH, each in a network namespace."""
    with TemporaryDirectory(prefix="qg-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        # The hosts hide the home of the account that logs in there.
        changes = {
            "QG_LAB_DIR": f"{name}/lab",
            "QG_LAB_PYTHON": sys.executable,
            "HOME": pwd.getpwuid(os.getuid()).pw_dir,
        }
        former = {variable: os.environ.get(variable) for variable in changes}
        os.environ.update(changes)
        stack.callback(_restore, former)
        stack.callback(_lab, "down")
        _lab("up", str(count + LAB_FIRST - 1))
        ready = json.loads(_lab("simulator", "--minute", "60"))
        door = _lab("door").strip()
        sim = Simulator({**ready, "api_url": door, "control_url": door + "/_sim"}, True)
        numbers = range(LAB_FIRST, LAB_FIRST + count)
        yield Stage(
            sim,
            folder,
            LAB_URL,
            [f"host{number}" for number in numbers],
            [f"{LAB_PUBLIC}{10 + number}" for number in numbers],
            _lab_inventory(folder, numbers),
            {},
            ("bash", str(LAB), "run"),
            "/run/lab/curl",
        )


def _lab_inventory(folder: Path, numbers: Sequence[int]) -> Path:
    reported = json.loads(_lab("inventory"))
    names = [f"host{number}" for number in numbers]
    variables = {"ansible_python_interpreter": "/usr/bin/python3"}
    hosts = {
        host: {**reported["_meta"]["hostvars"].get(host, {}), "bench_ip": f"{LAB_PUBLIC}{10 + int(host[4:])}"}
        for host in names
    }
    inventory = {"bench": {"hosts": hosts, "vars": {**reported["lab"]["vars"], **variables}}}
    path = folder / "lab.json"
    path.write_text(json.dumps(inventory), encoding="utf-8")
    return path


def _restore(former: Mapping[str, str | None]) -> None:
    for variable, value in former.items():
        if value is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = value
