# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A place to run the collection by Ansible, over HTTP against the simulator: one module, or a whole
playbook.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from integration.ansible_launcher import READ_BY_IMPORT, Launcher
from integration.module_launcher import ModuleLauncher
from qgnet_simulator.running import Simulator
from support.invariants import Result, assert_no_secret, assert_one_sentence, text_of

HERE = Path(__file__).resolve().parent
#: Longest that one playbook may take; a hanging one is a failure, not a wait.
PLAY_SECONDS = 240
QUERY = "/whitelist/query"
ADD = "/whitelist/add"
DEL = "/whitelist/del"
QUOTA = "/info/quota"
SECRET_OPTIONS = ("key", "password", "app_key")
LAUNCHER = Launcher()
MODULES = ModuleLauncher()
#: Where Ansible writes its log.
LOG = "ANSIBLE_LOG_PATH"
DEPRECATION = "[DEPRECATION WARNING]"


def lease_elsewhere(sim: Simulator, key: str = "", **parameters: Any) -> list[dict[str, Any]]:
    """Lease as another client does, and forget the call; returns what the key holds then."""
    query = {"Key": key or sim.key, "Num": 1, **parameters}
    answer = requests.get(f"{sim.api_url}/allocate", params=query, timeout=60).json()
    assert answer["Code"] == 0, answer
    sim.control("DELETE", "/journal")
    return sim.leases(key)


def calls(sim: Simulator, *paths: str) -> list[str]:
    """The paths of the vendor calls so far, in their order; of the given paths alone, if any are
    given.
    """
    return [call["path"] for call in sim.journal() if not paths or call["path"] in paths]


def callers(sim: Simulator) -> set[str]:
    """The keys or applications of the vendor calls so far."""
    return {call["key"] for call in sim.journal()}


def numeric(ips: Iterable[str]) -> list[str]:
    """Addresses in numeric order, each once."""
    return sorted(set(ips), key=lambda ip: tuple(int(part) for part in ip.split(".")))


def assert_says(result: Result, *parts: str, **fields: Any) -> None:
    """The message of a result is one sentence that contains these parts; it or its error has these
    fields.
    """
    assert_one_sentence(result["msg"])
    for part in parts:
        assert part in result["msg"], result["msg"]
    whole = {**result.get("error", {}), **result}
    for name, value in fields.items():
        assert whole[name] == value


def assert_task_failed(task: Task, *parts: str, **fields: Any) -> None:
    """A task of a playbook has failed with such a message."""
    assert task.status == "failed", task
    assert_says(task.result, *parts, **fields)


@dataclass(frozen=True)
class Task:
    """What one task did on one host."""

    host: str
    name: str
    status: str
    result: Result


@dataclass
class Run:
    """What a playbook left."""

    rc: int
    stdout: str
    stderr: str
    tasks: list[Task]
    spied: bytes = b""

    @property
    def output(self) -> str:
        """All that a person would have seen."""
        return self.stdout + self.stderr

    def of(self, name: str, host: str | None = None) -> Task:
        """The only task of that name, on that host."""
        found = [task for task in self.tasks if task.name == name and host in (None, task.host)]
        assert len(found) == 1, f"{len(found)} results of {name!r} on {host}:\n{self.output}"
        return found[0]

    def by_host(self, name: str) -> dict[str, Task]:
        """The results of one task, by host."""
        return {task.host: task for task in self.tasks if task.name == name}

    def failed(self, name: str) -> dict[str, Result]:
        """The results of one task on the hosts on which it failed."""
        return {
            host: task.result
            for host, task in self.by_host(name).items()
            if task.status == "failed"
        }

    @property
    def statuses(self) -> dict[str, str]:
        """What became of each task, by its name."""
        return {task.name: task.status for task in self.tasks}

    def ok(self) -> Run:
        """This run, if it ended well."""
        assert self.rc == 0, f"ansible-playbook ended with {self.rc}:\n{self.output}"
        return self


@dataclass
class Playground:
    """A directory of its own for playbooks: HOME, state directory, and all temporary files are
    inside.
    """

    root: Path
    minute: float
    #: What each module of :meth:`run` has.
    options: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    #: Whether the output of each run is searched for its secrets.
    is_checked: bool = True

    def __post_init__(self) -> None:
        for name in ("home", "tmp", "play"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        # A store that is named has to exist; an empty directory is a new one.
        self.store.mkdir(mode=0o700, exist_ok=True)
        self._written: set[Path] = set()
        self._runs = 0

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def store(self) -> Path:
        return self.root / "state"

    @property
    def interpreter(self) -> str:
        """A Python for hosts. Where the coverage is measured, it has to start anew."""
        is_measured = "COVERAGE_PROCESS_CONFIG" in os.environ
        return sys.executable if is_measured else MODULES.interpreter

    def write(self, name: str, text: str) -> Path:
        """A file that the test itself puts down, such as a playbook or its variables."""
        path = self.root / "play" / name
        path.write_text(text, encoding="utf-8")
        self._written.add(path)
        return path

    def left_behind(self) -> list[Path]:
        """All files that are not the test's own."""
        return [
            path for path in self.root.rglob("*") if path.is_file() and path not in self._written
        ]

    def run(
        self, module: str, *, check: bool = False, diff: bool = False, **options: Any
    ) -> Result:
        """Run a module as the only task of a playbook, and return its result, also of a failure."""
        given = {**self.options, **options}
        task = {"name": module, f"qingguo.qgnet.{module}": given, "check_mode": check, "diff": diff}
        whole = {
            "hosts": "localhost",
            "gather_facts": False,
            "ignore_errors": True,
            "tasks": [task],
        }
        done = self.play(json.dumps([whole], indent=1)).of(module)
        return {**done.result, "failed": True} if done.status == "failed" else done.result

    def play(
        self,
        playbook: str | Path,
        *,
        inventory: str | None = "localhost ansible_connection=local\n",
        variables: Mapping[str, Any] | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Run:
        """Run a playbook: text of one, or the path or full name of one that exists; None stands for
        no inventory.
        """
        self._runs += 1
        record = self.root / f"record{self._runs}.jsonl"
        spy = self.root / f"spy{self._runs}"
        if isinstance(playbook, str) and "\n" in playbook:
            playbook = self.write(f"playbook{self._runs}.yml", playbook)
        own = {**self.environment, **(environment or {})}
        # The server of an environment has imported Ansible with it, and opens its log again for
        # each run. One for a single run would take longer than the run.
        is_fresh = any(
            name.startswith(READ_BY_IMPORT) and name != LOG for name in environment or {}
        )
        python = sys.executable if is_fresh else self.interpreter
        command = [
            str(Path(sys.executable).parent / "ansible-playbook"),
            *(["-i", str(self.write("hosts", inventory))] if inventory is not None else []),
            *("-e", f"ansible_python_interpreter={python}"),
            *(
                "-e",
                f"@{self.write(f'variables{self._runs}.json', json.dumps(dict(variables or {})))}",
            ),
            *arguments,
            str(playbook),
        ]
        outcome = LAUNCHER.run(
            command,
            self.root / "play",
            self.ansible_environment(record, spy) | own,
            PLAY_SECONDS,
            fresh=is_fresh,
        )
        assert LOG not in own or Path(own[LOG]).stat().st_size, "Ansible has not written its log"
        # What ansible-core deprecates, it says in every run, unless its settings forbid it.
        shown = outcome.stdout + outcome.stderr
        assert DEPRECATION not in shown, (
            f"the playbook uses what a later ansible-core will not have:\n{shown}"
        )
        self.assert_silent(
            {**own, **(variables or {})}, shown, Path(own[LOG]) if LOG in own else ""
        )
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
        parts = [json.loads(line) for line in lines]
        tasks = [Task(part["host"], part["task"], part["status"], part["result"]) for part in parts]
        spied = spy.read_bytes() if spy.exists() else b""
        return Run(outcome.returncode, outcome.stdout, outcome.stderr, tasks, spied)

    def assert_silent(self, given: Mapping[str, Any], *places: object) -> None:
        """What a person sees has neither a stack of Python nor a key or password of the run, nor
        has the store.
        """
        if not self.is_checked:
            return
        secrets = []
        for name, value in given.items():
            if name.lower().removeprefix("qg_") in SECRET_OPTIONS and len(str(value)) > 5:
                secrets.append(str(value))
        assert "Traceback (most recent call last)" not in "".join(map(text_of, places))
        assert_no_secret(secrets, *places, self.store)

    def assert_nowhere(self, words: Iterable[str], run: Run, *, but: tuple[str, ...] = ()) -> None:
        """No word, plain or in base64, is in the output or in a file that is left, but in files
        with such names.
        """
        files = [path for path in self.left_behind() if not path.name.startswith(but or "\0")]
        assert files
        places = {
            "the output": run.output.encode(),
            **{str(path): path.read_bytes() for path in files},
        }
        for word in words:
            # The first and the last group of signs depend on what stands beside the word.
            shifted = [base64.b64encode(b"x" * shift + word.encode())[4:-4] for shift in range(3)]
            for where, text in places.items():
                for form in (word.encode(), *shifted):
                    position = text.find(form)
                    assert position < 0, (
                        f"{where} holds {word}: "
                        f"...{text[max(0, position - 200) : position + 100]!r}..."
                    )

    def ansible_environment(
        self, record: Path | None = None, spy: Path | None = None
    ) -> dict[str, str]:
        """The variables of a run.

        Of the caller's environment it has nothing but where Ansible finds the collection and
        compiled files, and what measures coverage.
        """
        passed = (
            "ANSIBLE_COLLECTIONS_PATH",
            "ANSIBLE_WORKER_",
            "COVERAGE_",
            "PYTHONP",
            "QGNET_CHECKOUT",
        )
        return {
            **{name: value for name, value in os.environ.items() if name.startswith(passed)},
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.home),
            "TMPDIR": str(self.root / "tmp"),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_CONFIG": str(self.write("ansible.cfg", "")),
            # Over a local connection Ansible would work in the home of the user, whatever HOME
            # says.
            "ANSIBLE_REMOTE_TEMP": str(self.root / "remote"),
            "ANSIBLE_HOME": str(self.home / ".ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_RETRY_FILES_ENABLED": "0",
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "ansible_plugins" / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "qg_record",
            "ANSIBLE_CONNECTION_PLUGINS": str(HERE / "ansible_plugins" / "connection"),
            "QGNET_TEST_RECORD": str(record or self.root / "record"),
            "QGNET_TEST_SPY": str(spy or self.root / "spy"),
            "QG_MINUTE_SECONDS": str(self.minute),
            "QG_STORE": str(self.store),
            **self.environment,
        }
