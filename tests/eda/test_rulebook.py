# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source and the rulebooks of the collection under ansible-rulebook."""

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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from simulator.fixture import Simulator

MINUTE = "2"
INTERVAL = 0.5
#: The rules engine is a Java program that has to start, on a machine that may be busy.
START_SECONDS, STOP_SECONDS = 240, 20
PWD = "p+w/SECRETPWD&9= *"
#: The checkout.
COLLECTION = Path(__file__).resolve().parents[2]
LOCALHOST = "localhost ansible_connection=local\n"
Event = dict[str, Any]

EVERY_EVENT = """
- name: All that is reported
  hosts: localhost
  sources:
    - name: proxies
      qingguo.qgnet.qg_watch:
        quota_below: "{{ below }}"
        lease_expires_within: 10
        whitelist: true
        expected: [203.0.113.5]
        balance_below: 10
        interval: "{{ interval }}"
        key: "{{ secret_key }}"
        password: "{{ secret_pwd }}"
        api_url: "{{ api_url }}"
        app_id: "{{ app_id }}"
        app_key: "{{ secret_app_key }}"
        account_url: "{{ account_url }}"
  rules:
    - name: Whatever it is
      condition: event.type is defined
      action:
        print_event:
"""


#: A playbook that says what it was reported.
TELL = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.debug:
        msg: "{}: {{{{ text | default(balance) }}}}"
"""


class Rulebook:
    """ansible-rulebook in a directory of its own, with nothing of the caller's environment."""

    def __init__(self, root: Path, sim: Simulator) -> None:
        self.root = root
        self.sim = sim
        self.process: subprocess.Popen[bytes] | None = None
        self.variables: dict[str, Any] = {"qg_interval": INTERVAL}
        self.inventory = LOCALHOST
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
        lines = [line for line in self.output.splitlines() if "Starting new HTTP connection" not in line]
        return "\n".join(lines[-100:])

    def write(self, name: str, text: str) -> Path:
        path = self.place / name
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, rulebook: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
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
            "QG_STATE_DIR": str(self.root / "state"),
            "QG_MINUTE_SECONDS": MINUTE,
            **(environment or {}),
        }
        (self.root / "tmp").mkdir(exist_ok=True)
        with (self.root / "output").open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=self.place, env=settings, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def start_own(self, rulebook: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """Start one of the collection's rulebooks, with the key in the environment."""
        named = {"QG_KEY": self.sim.key, "QG_API_URL": self.sim.api_url, **(environment or {})}
        self.start(f"qingguo.qgnet.{rulebook}", "--print-events", *arguments, environment=named)

    def until(self, what: str, condition: Callable[[], Any], seconds: float = START_SECONDS) -> Any:
        """Wait until something is so."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert self.process is not None
            assert self.process.poll() is None, f"ansible-rulebook ended before {what}:\n{self.last_words}"
            assert time.monotonic() < end, f"{what} did not come:\n{self.last_words}"
            time.sleep(0.1)
        return found

    def polls(self, path: str, number: int = 2) -> None:
        """Wait until so many more polls are over."""
        before = len(self.sim.journal(path))
        self.until(f"a call to {path}", lambda: len(self.sim.journal(path)) > before + number)

    def ended(self) -> int:
        """Wait until it has ended by itself; its return code."""
        assert self.process is not None
        return self.process.wait(START_SECONDS)

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


def allocate(sim: Simulator, number: int, **parameters: Any) -> list[dict[str, Any]]:
    query = {"Key": sim.key, "Num": number, **parameters}
    answer = requests.get(sim.api_url + "/allocate", params=query, timeout=5).json()
    assert answer["Code"] == 0, answer
    sim.control("DELETE", "/journal")
    data: list[dict[str, Any]] = answer["Data"]
    return data


def runs(rulebook: Rulebook) -> int:
    """How many playbooks have run to their end."""
    return len(re.findall(r"^PLAY RECAP", rulebook.output, re.MULTILINE))


def test_every_kind_of_event_reaches_the_rules_and_no_secret_reaches_the_log(
    sim: Simulator, rulebook: Rulebook
) -> None:
    sim.configure(pwd=PWD, api_auth=True, whitelist=["203.0.113.5"])
    # The clock of the vendor alone is moved on below.
    sim.agent(tolerance=3600)
    rulebook.variables = {
        "below": 2,
        "interval": INTERVAL,
        "secret_key": sim.key,
        "secret_pwd": PWD,
        "api_url": sim.api_url,
        "app_id": sim.app_id,
        "secret_app_key": sim.app_key,
        "account_url": sim.account_url,
    }
    events: list[Event] = []

    def reported(*kinds: str) -> bool:
        lines = re.findall(r"\[event\] \*+\n(\{.*\})\n", rulebook.output)
        events[:] = map(ast.literal_eval, lines)
        return set(kinds) <= {event["type"] for event in events}

    rulebook.start(str(rulebook.write("rulebook.yml", EVERY_EVENT)), "-vv")
    rulebook.polls("/api/merchant/getBalance")
    sim.configure(used=4, whitelist=["203.0.113.6"])
    sim.agent(balance="1.00")
    rulebook.until("what is wrong", lambda: reported("quota_low", "whitelist_drift", "balance_low"))
    sim.configure(used=0, whitelist=["203.0.113.5"])
    sim.agent(balance="99.00")
    parameters = {"Key": sim.key, "Pwd": PWD, "KeepAlive": 5}
    lease = requests.get(sim.api_url + "/allocate", params=parameters, timeout=5).json()["Data"][0]
    rulebook.until(
        "what is right again", lambda: reported("quota_recovered", "whitelist_recovered", "balance_recovered")
    )
    rulebook.until("the lease", lambda: reported("lease_new", "lease_expiring"))
    sim.advance(600)
    rulebook.until("its end", lambda: reported("lease_gone"))
    sim.fault(path="/info/quota", kind="code", code=-13, msg=f"{sim.key} {PWD}")
    rulebook.until(
        "a failure", lambda: reported("watch_failed", "watch_recovered", "whitelist_added", "whitelist_removed")
    )
    rulebook.polls("/info/quota", 6)
    rulebook.stop()
    assert reported()
    kinds = [event["type"] for event in events]
    assert len(set(kinds)) == 14
    assert {event["meta"]["source"]["name"] for event in events} == {"proxies"}
    assert {event["meta"]["source"]["type"] for event in events} == {"qingguo.qgnet.qg_watch"}
    assert all(event["meta"]["uuid"] and event["meta"]["received_at"] for event in events)
    gone = next(event for event in events if event["type"] == "lease_gone")
    assert gone["server"] == lease["host"]
    assert next(event for event in events if event["type"] == "watch_failed")["code"] == -13
    # Each change was one event, whatever the number of polls.
    for kind in ("quota_low", "quota_recovered", "lease_new", "lease_expiring", "lease_gone", "watch_failed"):
        assert kinds.count(kind) == 1, kind
    assert kinds.count("watch_started") == 2
    assert len(sim.journal("/info/quota")) > 10
    assert {call["code"] for call in sim.journal()} <= {0, None, -13}
    # -vv is the level of debugging, for all libraries in the process.
    assert "Starting new HTTP connection" in rulebook.output
    signs = {call["params"]["sign"] for call in sim.journal("/api/merchant/getBalance")}
    for secret in (PWD, "SECRETPWD", *signs):
        assert secret not in rulebook.output
    # ansible-rulebook itself prints the path of --vars and the names of variables, not what is in them.
    assert sim.key not in rulebook.output
    assert sim.app_key not in rulebook.output


def test_leases_that_end_soon_are_rotated(sim: Simulator, rulebook: Rulebook) -> None:
    old = {lease["IP"] for lease in allocate(sim, 2, KeepAlive=9)}
    rulebook.variables |= {"qg_lease_count": 2, "qg_expires_within": 10, "qg_keep_alive": 60}
    rulebook.start_own("rotate_leases")
    rulebook.until("the new leases", lambda: len(sim.leases()) == 4)
    rulebook.until("the end of the playbook", lambda: runs(rulebook))
    rulebook.polls("/query")
    assert {lease["ip"] for lease in sim.leases()} > old
    # Two leases, two events, one run.
    assert rulebook.output.count("'type': 'lease_expiring'") == 2
    assert [call["params"]["Num"] for call in sim.journal("/allocate")] == ["2"]
    # When they are gone there is nothing left to do.
    sim.advance(9 * 60 + 1)
    rulebook.until("the end of the old leases", lambda: rulebook.output.count("'type': 'lease_gone'") == 2)
    rulebook.until("a second run", lambda: runs(rulebook) == 2)
    assert len(sim.journal("/allocate")) == 1
    assert len(sim.leases()) == 2
    assert sim.key not in rulebook.output


def test_levels_are_kept_and_a_low_balance_is_printed(sim: Simulator, rulebook: Rulebook) -> None:
    rulebook.variables |= {"qg_lease_count": 2, "qg_balance_below": 50}
    account = {"QG_APP_ID": sim.app_id, "QG_APP_KEY": sim.app_key, "QG_ACCOUNT_URL": sim.account_url}
    rulebook.start_own("keep_levels", environment=account)
    rulebook.until("the leases", lambda: len(sim.leases()) == 2)
    rulebook.until("the end of the playbook", lambda: runs(rulebook))
    rulebook.until("the balance", lambda: "'type': 'balance_low'" in rulebook.output)
    assert [call["params"]["Num"] for call in sim.journal("/allocate")] == ["2"]


def test_a_reached_cap_is_printed(sim: Simulator, rulebook: Rulebook) -> None:
    rulebook.variables |= {"qg_lease_count": 2}
    rulebook.start_own("keep_levels", environment={"QG_MAX_NEW_PER_DAY": "1"})
    rulebook.until("the event", lambda: "'type': 'cap_reached'" in rulebook.output)
    rulebook.until("its rule", lambda: re.search(r"\[event\] \*+\n\{'bought': 0,\s+[^}]*'limit': 1,", rulebook.output))
    assert sim.journal("/allocate") == []


def test_leases_that_are_missing_at_the_start_are_allocated_also_if_a_run_fails(
    sim: Simulator, rulebook: Rulebook
) -> None:
    path = COLLECTION / "extensions" / "eda" / "rulebooks" / "rotate_leases.yml"
    hasty, changes = re.subn(r"delay: \d+", "delay: 1", path.read_text(encoding="utf-8"))
    assert changes == 1
    sim.fault(path="/allocate", kind="code", code=-100)
    rulebook.variables |= {"qg_lease_count": 2}
    environment = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    rulebook.start(str(rulebook.write("hasty.yml", hasty)), "--print-events", environment=environment)
    rulebook.until("the leases", lambda: len(sim.leases()) == 2)
    rulebook.until("the end of the second run", lambda: runs(rulebook) == 2)
    assert [call["code"] for call in sim.journal("/allocate")] == [-100, 0]
    # After a failure of the polls, too, leases may be missing.
    sim.fault(path="/query", kind="code", code=-13)
    rulebook.until("a third run", lambda: runs(rulebook) == 3)
    assert "'type': 'lease_gone'" not in rulebook.output


def test_leases_in_lists_are_refreshed_with_the_playbook_of_gateways(sim: Simulator, rulebook: Rulebook) -> None:
    old = {lease["IP"] for lease in allocate(sim, 2, KeepAlive=9)}
    path = rulebook.root / "proxies"
    rulebook.inventory = f"""crawler ansible_connection=local
[all:vars]
ansible_python_interpreter={sys.executable}
qg_refresh=list
proxy_list_path={path}
proxy_list_count=2
proxy_list_drain=600
"""
    rulebook.variables |= {"qg_expires_within": 10}
    rulebook.start_own("refresh_proxies")
    rulebook.until("the new leases", lambda: len(sim.leases()) == 4)
    rulebook.until("the list", path.exists)
    rulebook.until("the end of the playbook", lambda: runs(rulebook))
    rulebook.polls("/query")
    assert path.read_text().splitlines() == sorted(lease["host"] for lease in sim.leases() if lease["ip"] not in old)
    # Two leases, two events, one run.
    assert rulebook.output.count("'type': 'lease_expiring'") == 2
    assert [call["params"]["Num"] for call in sim.journal("/allocate")] == ["2"]
    sim.advance(9 * 60 + 1)
    rulebook.until("a second run, when the old leases have ended", lambda: runs(rulebook) == 2)
    assert len(sim.journal("/allocate")) == 1
    assert sim.key not in rulebook.output


def test_leases_of_a_product_host_are_rotated_in_their_areas(sim: Simulator, rulebook: Rulebook) -> None:
    sim.configure(plan={"kind": "exclusive", "channels": 5})
    terms = {"key": sim.key, "num": 1, "area": "440100", "keep_alive": 9}
    assert requests.get(sim.api_url + "/exclusive/get", params=terms, timeout=5).json()["code"] == "SUCCESS"
    sim.control("DELETE", "/journal")
    rulebook.variables |= {"qg_expires_within": 10, "qg_keep_alive": 60, "qg_areas": ["440100", "350500"]}
    product = {"QG_PRODUCT": "exclusive", "QG_PRODUCT_URL": sim.api_url + "/{product}"}
    rulebook.start_own("rotate_leases", environment=product)
    rulebook.until("the new lease", lambda: len(sim.leases()) == 2)
    rulebook.until("the end of the playbook", lambda: runs(rulebook))
    assert [call["params"]["area"] for call in sim.journal("/exclusive/get")] == ["350500,440100"]


def fleet(sim: Simulator, *numbers: int) -> str:
    """The inventory of hosts whose public addresses are 203.0.113.11 and so on."""
    hosts = (f"h{n} ansible_connection=local egress_whitelist_source_address=127.0.0.{n}\n" for n in numbers)
    return f"""{"".join(hosts)}[all:vars]
ansible_python_interpreter={sys.executable}
egress_whitelist_sources=['{sim.api_url}/ip', '{sim.api_url}/json']
egress_whitelist_allow_non_global=true
"""


def test_an_entry_that_disappears_is_registered_again(sim: Simulator, rulebook: Rulebook) -> None:
    own = ["203.0.113.11", "203.0.113.12"]
    sim.configure(whitelist=[*own, "203.0.113.99"])
    rulebook.inventory = fleet(sim, 11, 12)
    rulebook.start_own("repair_drift")
    rulebook.until("the run of the start", lambda: runs(rulebook))
    assert sim.journal("/whitelist/add") == []
    rulebook.polls("/whitelist/query")
    sim.configure(whitelist=["203.0.113.99"])
    rulebook.until("the repair", lambda: set(own) <= set(sim.whitelist()))
    rulebook.until("the end of the playbook", lambda: runs(rulebook) == 2)
    rulebook.polls("/whitelist/query")
    # Two entries, two events, one run; and what it adds sets off no other.
    assert rulebook.output.count("'type': 'whitelist_removed'") == 2
    assert len(sim.journal("/whitelist/add")) == 1
    assert runs(rulebook) == 2
    # What is not the fleet's is not put back.
    sim.configure(whitelist=own)
    rulebook.until("a third run", lambda: runs(rulebook) == 3)
    assert sorted(sim.whitelist()) == own
    assert len(sim.journal("/whitelist/add")) == 1


def test_entries_that_are_missing_at_the_start_are_registered(sim: Simulator, rulebook: Rulebook) -> None:
    rulebook.inventory = fleet(sim, 11)
    rulebook.start_own("repair_drift")
    rulebook.until("the repair", lambda: sim.whitelist() == ["203.0.113.11"])
    rulebook.until("the end of the playbook", lambda: runs(rulebook))


def guides_rulebooks() -> list[str]:
    """The rulebooks of the guide, with the times and the addresses of a simulator."""
    text = (COLLECTION / "docs" / "docsite" / "rst" / "events.rst").read_text(encoding="utf-8")
    found = re.findall(r"^\.\. code-block:: yaml\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    changes = {
        r"interval: \d+": f"interval: {INTERVAL}",
        "( +)(expected: .*)": rf"\1\2\n\1interval: {INTERVAL}",
        "1 minute": "1 second",
        "( +)(ips: .*)": r"\1\2\n\1allow_non_global: true",
    }
    for pattern, replacement in changes.items():
        found = [re.sub(pattern, replacement, body) for body in found]
    return found


def test_the_first_rulebook_of_the_guide(sim: Simulator, rulebook: Rulebook) -> None:
    path = rulebook.write("watch.yml", guides_rulebooks()[0])
    rulebook.start(str(path), environment={"QG_KEY": sim.key, "QG_API_URL": sim.api_url})
    rulebook.polls("/whitelist/query")
    sim.configure(used=4)
    rulebook.until("the event", lambda: "'type': 'quota_low'" in rulebook.output)
    assert "ERROR" not in rulebook.output


def test_the_rules_of_the_guide(sim: Simulator, rulebook: Rulebook) -> None:
    # With an interpreter of its own, since run_module takes no option for it.
    rulebook.inventory = f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n"
    path = rulebook.write("own.yml", guides_rulebooks()[1])
    for name in ("pay", "notify"):
        rulebook.write(f"{name}.yml", TELL.format(name))
    named = {"QG_KEY": sim.key, "QG_API_URL": sim.api_url}
    named |= {"QG_APP_ID": sim.app_id, "QG_APP_KEY": sim.app_key, "QG_ACCOUNT_URL": sim.account_url}
    rulebook.start(str(path), environment=named)
    rulebook.until("the repair", lambda: sorted(sim.whitelist()) == ["203.0.113.5", "203.0.113.6"])
    rulebook.until("the ends of both", lambda: runs(rulebook) == 2)
    # One was for the balance of 12.34, one for the two entries. What is merely too much does not meet the condition.
    sim.configure(whitelist=["203.0.113.5", "203.0.113.6", "203.0.113.9"])
    rulebook.polls("/whitelist/query", 6)
    assert runs(rulebook) == 2
    sim.fault(path="/whitelist/query", kind="code", code=-13)
    rulebook.until("a word on the failure", lambda: "notify: whitelist: /whitelist/query was" in rulebook.output)


def test_a_wrong_option_ends_it_with_a_sentence(sim: Simulator, rulebook: Rulebook) -> None:
    rulebook.variables |= {"qg_expires_within": "soon"}
    rulebook.start_own("rotate_leases")
    assert rulebook.ended() != 0
    assert "lease_expires_within='soon' cannot be used: give a number of minutes" in rulebook.output
    assert sim.journal() == []
    assert sim.key not in rulebook.output


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_in_the_middle_of_a_call(sim: Simulator, rulebook: Rulebook, sign: signal.Signals) -> None:
    rulebook.start_own("repair_drift")
    rulebook.polls("/whitelist/query")
    sim.fault(path="/whitelist/query", kind="hang_after", seconds=60, times=-1)
    rulebook.polls("/whitelist/query", 0)
    # Before the call ends.
    rulebook.stop(sign)
