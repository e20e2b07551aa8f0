# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source and a rulebook of the collection under ansible-rulebook."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from ansible_rulebook.validators import Validate
from qgnet_simulator.running import Simulator

MINUTE = "2"
INTERVAL = 0.5
#: The rules engine is a Java program that has to start, on a machine that may be busy.
START_SECONDS = 240
STOP_SECONDS = 120
PASSWORD = "p+w/SECRETPWD&9= *"
Event = dict[str, Any]

README = Path(__file__).resolve().parents[3] / "extensions" / "eda" / "README.md"
#: The rulebook of the README, which has a condition for each type of event, and a playbook that
#: gets text of QG.net.
RULEBOOK = re.findall(r"```yaml\n(.*?)```", README.read_text("utf-8"), re.DOTALL)[0]
TELL = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact:
        told: "{{ [text] }}"
    - ansible.builtin.debug:
        var: told
"""
#: It runs a command where it becomes a template.
TRAP = "{{ lookup('ansible.builtin.pipe', 'touch TRAPPED') }}"


class Rulebook:
    """ansible-rulebook in a directory of its own, with nothing of the caller's environment."""

    def __init__(self, root: Path, sim: Simulator) -> None:
        self.root = root
        self.sim = sim
        self.process: subprocess.Popen[bytes] | None = None
        self.variables: dict[str, Any] = {"qg_interval": INTERVAL}
        self.inventory = "localhost ansible_connection=local\n"
        # Apart from all else: ansible-rulebook copies the directory that a playbook stands in.
        self.place = root / "play"
        self.place.mkdir()

    @property
    def output(self) -> str:
        """All that it has printed."""
        return (self.root / "output").read_text(encoding="utf-8", errors="replace")

    @property
    def last_words(self) -> str:
        """The end of it, without what each call of a poll says at the level of debugging."""
        lines = [
            line for line in self.output.splitlines() if "Starting new HTTP connection" not in line
        ]
        return "\n".join(lines[-100:])

    def write(self, name: str, text: str) -> Path:
        path = self.place / name
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, rulebook: str, *arguments: str, **environment: str) -> None:
        """Start it with a rulebook of the collection, or with the path of one."""
        command = [
            str(Path(sys.executable).parent / "ansible-rulebook"),
            *("--rulebook", rulebook),
            *("--inventory", str(self.write("hosts", self.inventory))),
            *("--vars", str(self.write("variables.json", json.dumps(self.variables)))),
            *arguments,
        ]
        java = shutil.which("java") or ""
        settings = {
            "PATH": f"{Path(sys.executable).parent}:{Path(java).parent}:/usr/bin:/bin",
            "HOME": str(self.root),
            "TMPDIR": str(self.root / "tmp"),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": os.environ["ANSIBLE_COLLECTIONS_PATH"],
            "ANSIBLE_CONFIG": str(self.write("ansible.cfg", "")),
            "ANSIBLE_REMOTE_TEMP": str(self.root / "remote"),
            "ANSIBLE_NOCOLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "QG_STORE": str(self.root / "state"),
            "QG_MINUTE_SECONDS": MINUTE,
            "QG_API_URL": self.sim.api_url,
            "QG_ACCOUNT_URL": self.sim.account_url,
            **environment,
        }
        for name in ("tmp", "state"):
            (self.root / name).mkdir(mode=0o700, exist_ok=True)
        with (self.root / "output").open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.place,
                env=settings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def until(self, what: str, condition: Callable[[], Any], seconds: float = START_SECONDS) -> Any:
        """Wait until something is so."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert self.process is not None
            assert self.process.poll() is None, (
                f"ansible-rulebook ended before {what}:\n{self.last_words}"
            )
            assert time.monotonic() < end, f"{what} did not come:\n{self.last_words}"
            time.sleep(0.1)
        return found

    def polls(self, path: str, number: int = 2) -> None:
        """Wait until so many more polls are over."""
        before = len(self.sim.journal(path))
        self.until(f"a call to {path}", lambda: len(self.sim.journal(path)) > before + number)

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """End it, which must not take long."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(sign)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise


@pytest.fixture
def rulebook(sim: Simulator) -> Iterator[Rulebook]:
    with tempfile.TemporaryDirectory(prefix="qg-eda-") as folder:
        running = Rulebook(Path(folder), sim)
        try:
            yield running
        finally:
            if running.process is not None:
                running.stop(signal.SIGKILL)


def test_conditions_see_each_change_and_text_of_the_vendor_stays_text(
    sim: Simulator, rulebook: Rulebook
) -> None:
    sim.configure(pwd=PASSWORD, api_auth=True, whitelist=["203.0.113.5"])
    # The clock of the vendor alone is moved on below.
    sim.agent(balance="12.34", tolerance=3600)
    own = {
        "interval": INTERVAL,
        "key": sim.key,
        "password": PASSWORD,
        "app_id": sim.app_id,
        "app_key": sim.app_key,
    }
    rulebook.variables |= {f"secret_{name}": value for name, value in own.items()}
    options = "\n        ".join(f'{name}: "{{{{ secret_{name} }}}}"' for name in own)
    rulebook.write("notify.yml", TELL)

    def events(kind: str = "") -> list[Event]:
        found = map(ast.literal_eval, re.findall(r"\[event\] \*+\n(\{.*\})\n", rulebook.output))
        return [event for event in found if kind in ("", event["type"])]

    def count(kind: str, number: int) -> Callable[[], bool]:
        return lambda: len(events(kind)) == number

    def said() -> list[str]:
        messages = re.findall(r"msg: ([A-Z][^}]*)", RULEBOOK)
        return re.findall(rf"^({'|'.join(messages)})$", rulebook.output, re.MULTILINE)

    rulebook.start(
        str(rulebook.write("rulebook.yml", RULEBOOK.replace("interval: 60", options))), "-vv"
    )
    rulebook.until("the first poll", lambda: len(events()) == 4)
    rulebook.until("what is so at the start", lambda: said() == ["Too few leases"])
    parameters: dict[str, Any] = {"Key": sim.key, "Pwd": PASSWORD, "KeepAlive": 60}
    lease = requests.get(sim.api_url + "/allocate", params=parameters, timeout=60).json()["Data"][0]
    rulebook.until("the lease", lambda: len(events("leases")) == 2)
    # Below 2 at once, within it, above it, and again.
    for used in (4, 3, 1, 3):
        before = len(events("quota"))
        sim.configure(used=used)
        rulebook.until("the quota", count("quota", before + 1))
    sim.configure(whitelist=["203.0.113.6"])
    sim.agent(balance="1.00")
    rulebook.until("what is wrong", lambda: {"No office", "Low balance"} <= set(said()))
    sim.advance(51 * 60)
    rulebook.until("a lease that ends in 9 minutes", lambda: len(events("leases")) == 3)
    hostile = json.dumps({"Code": -13, "Msg": f"{TRAP} {sim.key} {PASSWORD}"})
    sim.fault(path="/info/quota", kind="garbage", body=hostile, times=1)
    rulebook.until("the end of the playbook", lambda: "PLAY RECAP" in rulebook.output)
    rulebook.until(
        "the end of the failure",
        lambda: events("quota")[-1]["current"] == events("quota")[-1]["previous"],
    )
    rulebook.stop()
    assert {event["meta"]["source"]["name"] for event in events()} == {"qg"}
    expected = ["Few channels"] * 2 + ["Low balance", "No office"] + ["Too few leases"] * 3
    assert sorted(said()) == expected
    assert [item["server"] for item in events("leases")[2]["removed"]] == [lease["host"]]
    (failed,) = events("failed")
    assert failed["current"]["watched"] == "quota"
    assert failed["current"]["error"]["code"] == -13
    assert "touch TRAPPED" in failed["current"]["msg"]
    assert not list(rulebook.root.rglob("TRAPPED"))
    # -vv is the level of debugging.
    assert " - DEBUG - " in rulebook.output
    signs = {call["params"]["sign"] for call in sim.journal("/api/merchant/getBalance")}
    for secret in (sim.key, PASSWORD, "SECRETPWD", sim.app_key, *signs):
        assert secret not in rulebook.output


def test_rulebooks_of_the_readme_and_of_the_collection_are_valid() -> None:
    """As ansible-rulebook checks each rulebook that is a file of the user."""
    shipped = [path.read_text("utf-8") for path in (README.parent / "rulebooks").glob("*.yml")]
    assert len(shipped) == 3
    for text in [RULEBOOK, *shipped]:
        Validate.rulebook(yaml.safe_load(text))


def test_an_entry_that_disappears_is_registered_again(sim: Simulator, rulebook: Rulebook) -> None:
    own = ["203.0.113.11", "203.0.113.12"]
    sim.configure(whitelist=["203.0.113.11", "203.0.113.99"])
    hosts = "".join(
        f"h{ip[-2:]} ansible_connection=local egress_whitelist_ips={ip}\n" for ip in own
    )
    rulebook.inventory = f"{hosts}[all:vars]\nansible_python_interpreter={sys.executable}\n"

    def runs() -> int:
        return len(re.findall(r"^PLAY RECAP", rulebook.output, re.MULTILINE))

    rulebook.start("qingguo.qgnet.repair_drift", "--print-events", QG_KEY=sim.key)
    rulebook.until("what is missing at the start", lambda: set(own) <= set(sim.whitelist()))
    rulebook.until("the end of the playbook", lambda: runs() == 1)
    rulebook.polls("/whitelist/query")
    sim.configure(whitelist=["203.0.113.99"])
    rulebook.until("the repair", lambda: set(own) <= set(sim.whitelist()))
    rulebook.until("the end of the second run", lambda: runs() == 2)
    rulebook.polls("/whitelist/query", 4)
    # What a run adds sets off no other, and what is not the fleet's is not put back.
    assert len(sim.journal("/whitelist/add")) == 2
    sim.configure(whitelist=own)
    rulebook.until("a third run", lambda: runs() == 3)
    assert sorted(sim.whitelist()) == own
    assert len(sim.journal("/whitelist/add")) == 2
    # It stops at once in the middle of a call.
    sim.fault(path="/whitelist/query", kind="hang_after", seconds=240, times=-1)
    rulebook.polls("/whitelist/query", 0)
    rulebook.stop()
    assert sim.key not in rulebook.output
