# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook refresh_timer, with a program that does for systemd what it would do with the
units.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from integration.inventory_hosts import with_login
from integration.playground import Playground, Run, calls
from qgnet_simulator.running import Simulator
from support import phrases

TIMER = "qingguo.qgnet.refresh_timer"
REFRESH = "qingguo.qgnet.refresh_proxies"
PLAY = """
- hosts: all
  gather_facts: false
  roles: [qingguo.qgnet.proxy_list]
"""
#: Notes each call, and runs the command of a service that is started, from another directory and
#: without the environment of the caller, as systemd does, unless it is told to refuse.
SYSTEMCTL = """#!{python}
import os, pathlib, shlex, subprocess, sys
root = pathlib.Path({root!r})
with open(root / "calls", "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "start":
    if (root / "refuses").exists():
        sys.exit(1)
    environment = {{"PATH": "/usr/bin:/bin", "HOME": str(root)}}
    for line in (root / "units" / sys.argv[2]).read_text().splitlines():
        name, _equals, value = line.partition("=")
        value = value.replace("%%", "%")
        if name == "Environment":
            environment |= dict(word.split("=", 1) for word in shlex.split(value))
        elif name == "EnvironmentFile":
            file = pathlib.Path(value.removeprefix("-"))
            lines = file.read_text().split() if file.exists() else []
            environment |= dict(word.split("=", 1) for word in lines)
        elif name == "ExecStart":
            command = shlex.split(value.replace("$$", "$"))
    done = subprocess.run(command, cwd="/", env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    (root / "journal").write_bytes(done.stdout)
    sys.exit(done.returncode)
"""
#: Shows what an earlier run has left as well, unless it is told since when.
JOURNALCTL = """#!/bin/sh
case "$*" in *--since=20*) ;; *) echo "fatal: the time before" ;; esac
cat {root}/journal
"""


class ControlNode:
    """A control node that seems to run systemd, with two hosts that can have lists."""

    def __init__(self, sim: Simulator, playground: Playground) -> None:
        self.sim = sim
        self.playground = playground
        #: How hosts are reached, if not as this machine.
        self.connections: dict[str, str] = {}
        self.root = playground.root / "machine"
        self.units = self.root / "units"
        for name in ("units", "keys", "systemd", "bin"):
            (self.root / name).mkdir(parents=True)
        for name, text in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)):
            program = self.root / "bin" / name
            program.write_text(
                text.format(python=sys.executable, root=str(self.root)), encoding="utf-8"
            )
            program.chmod(0o755)
        self.keys = self.root / "keys" / "qg-refresh-all.env"
        self.settings = {
            "QG_KEY": sim.key,
            "QG_API_URL": sim.api_url,
            "QG_STORE": str(playground.store),
            "QG_MINUTE_SECONDS": str(playground.minute),
        }
        self.keys.write_text(
            "".join(f"{name}={value}\n" for name, value in self.settings.items()), encoding="utf-8"
        )

    def play(self, playbook: str, *arguments: str, hosts: str = "one two", **variables: Any) -> Run:
        lines = []
        for number, host in enumerate(hosts.split()):
            options = (
                f"proxy_list_path={self.root}/{host} proxy_list_interval={8 - number} "
                "proxy_list_drain=20"
            )
            python = f"ansible_python_interpreter={self.playground.interpreter}"
            connection = self.connections.get(host, "ansible_connection=local")
            lines.append(f"{host} {connection} {python} {options}\n")
        places = {
            "qg_timer__units": str(self.units),
            "qg_timer__keys": str(self.root / "keys"),
            "qg_timer__systemd": str(self.root / "systemd"),
        }
        environment = self.playground.ansible_environment()
        path = f"{self.root}/bin:{environment['PATH']}"
        return self.playground.play(
            playbook,
            inventory="".join(lines),
            variables={**places, **variables},
            arguments=arguments,
            environment={**self.settings, "PATH": path},
        )

    @property
    def systemctl(self) -> list[str]:
        """The calls of systemctl so far."""
        path = self.root / "calls"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.units.iterdir())


@pytest.fixture
def node(sim: Simulator, playground: Playground) -> ControlNode:
    return ControlNode(sim, playground)


@pytest.mark.measured
def test_a_timer_from_its_first_run_to_its_removal(node: ControlNode) -> None:
    node.play(PLAY).ok()
    (node.root / "one").write_text("", encoding="utf-8")

    node.play(TIMER, "--check", qg_hosts="all").ok()
    assert node.files == []
    assert node.systemctl == []

    # One whose first run fails is not installed.
    node.sim.fault(path="/query", kind="code", code=-13, times=-1)
    # It has another name than the one that refreshes gateways, too.
    shutil.copy(node.keys, node.keys.with_name("qg-refresh-all-list.env"))
    failed = node.play(TIMER, qg_hosts="all", qg_refresh="list")

    assert failed.rc == 2
    reason = failed.of("Report why it failed").result["msg"]
    assert reason.startswith("The timer qg-refresh-all-list was not installed")
    assert "code -13" in reason
    assert "the time before" not in reason
    assert node.files == []
    assert node.keys.exists()
    assert not any(call.startswith("enable") for call in node.systemctl)

    calls_before = len(node.systemctl)
    node.sim.control("DELETE", "/faults")
    node.play(TIMER, qg_hosts="all").ok()

    assert node.files == ["qg-refresh-all.service", "qg-refresh-all.timer"]
    # The refresh ran, in a directory of its own, and wrote the list that somebody had emptied.
    assert (node.root / "one").read_text(encoding="utf-8") == node.sim.leases()[0]["host"] + "\n"
    assert node.systemctl[calls_before:] == [
        "daemon-reload",
        "start qg-refresh-all.service",
        "enable qg-refresh-all.timer",
        "restart qg-refresh-all.timer",
    ]
    # The smaller one of the two that are declared.
    assert "OnUnitActiveSec=7\n" in (node.units / "qg-refresh-all.timer").read_text(
        encoding="utf-8"
    )
    service = (node.units / "qg-refresh-all.service").read_text(encoding="utf-8")
    mark = service.partition("\n")[0]
    assert json.loads(mark[mark.index("{") :])["hosts"] == ["one", "two"]
    assert node.sim.key not in service

    # A host that does not answer is given up early, and is no reason to leave out another one.
    silent = node.root / "silent"
    node.connections["two"] = with_login(silent, f'echo "$*" >{silent}/words; exit 255')
    (node.root / "one").write_text("", encoding="utf-8")
    assert node.play(TIMER, qg_hosts="all").rc == 2
    words = (silent / "words").read_text(encoding="utf-8")
    assert "ConnectTimeout=2 " in words
    # Also if the host was there a moment ago, and its connection is kept.
    assert words.startswith("-o ServerAliveInterval=1 -o ServerAliveCountMax=2 -C -o ControlMaster")
    assert (node.root / "one").read_text(encoding="utf-8") == node.sim.leases()[0]["host"] + "\n"
    assert effective(service, "DEFAULT_FORKS") == "50"
    node.connections.clear()

    # One that is there goes on, whatever becomes of its run.
    (node.root / "refuses").touch()
    again = node.play(TIMER, qg_hosts="all")
    assert again.rc == 2
    assert again.of("Write the units").result["changed"] is False
    assert len(node.files) == 2

    # Another inventory can have hosts of the same name.
    unnamed = node.play(TIMER, qg_hosts="all", qg_timer_state="absent")
    assert unnamed.rc == 2
    assert phrases.TIMER_WITHOUT_NAME in " ".join(unnamed.output.split())
    assert len(node.files) == 2

    # All hosts have left the inventory.
    node.play(TIMER, hosts="three", qg_timer_name="qg-refresh-all", qg_timer_state="absent").ok()

    assert node.files == []
    assert not node.keys.exists()
    assert "disable --now qg-refresh-all.timer" in node.systemctl
    second = node.play(TIMER, qg_timer_name="qg-refresh-all", qg_timer_state="absent").ok()
    assert second.of("Remove the units and the file with the key").result["changed"] is False


def effective(service: str, setting: str) -> str:
    """The value of a setting of Ansible with the environment of a unit."""
    words = []
    for line in service.splitlines():
        if line.startswith("Environment="):
            words += shlex.split(line.removeprefix("Environment="))
    shown = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-config"), "dump"],
        env={"PATH": "/usr/bin:/bin", **dict(word.split("=", 1) for word in words)},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    line = next(line for line in shown.splitlines() if line.startswith(f"{setting}("))
    return line.rpartition(" = ")[2]


def test_what_cannot_work_is_refused_before_anything_is_written(node: ControlNode) -> None:
    nothing = node.play(TIMER, qg_hosts="all")
    assert nothing.rc == 2
    assert phrases.IS_RECORDED_FOR in nothing.output

    node.play(PLAY, "--limit", "one").ok()
    one_is_missing = node.play(TIMER, qg_hosts="all")
    assert one_is_missing.rc == 2
    assert "recorded for two" in " ".join(one_is_missing.output.split())

    without_systemd = node.play(TIMER, qg_hosts="one", qg_timer__systemd=str(node.root / "none"))
    assert without_systemd.rc == 2
    assert phrases.NO_SYSTEMD_HERE in " ".join(without_systemd.output.split())

    assert node.play(TIMER, "--limit", "one", qg_hosts="one").rc == 2
    assert node.play(TIMER, qg_hosts="one", qg_timer_name="../x").rc == 2
    assert node.files == []

    # What others have written is neither replaced nor removed.
    victim = node.root / "victim"
    victim.write_text("[Timer]\n", encoding="utf-8")
    (node.units / "cron.timer").symlink_to(victim)
    (node.units / "ssh.service").write_text("[Service]\n", encoding="utf-8")
    packages = node.root / "packages"
    packages.mkdir()
    (packages / "nginx.service").write_text("[Service]\n", encoding="utf-8")
    for name, path in (
        ("cron", node.units / "cron.timer"),
        ("ssh", node.units / "ssh.service"),
        ("nginx", packages / "nginx.service"),
    ):
        for state in ("present", "absent"):
            foreign = node.play(
                TIMER,
                qg_hosts="one",
                qg_timer_name=name,
                qg_timer_state=state,
                qg_timer__packages=[str(packages)],
            )
            assert foreign.rc == 2, name
            assert f"would replace or remove {path}" in " ".join(foreign.output.split())
    assert node.files == ["cron.timer", "ssh.service"]
    assert victim.read_text(encoding="utf-8") == "[Timer]\n"

    assert node.systemctl == []
    assert len(calls(node.sim, "/allocate")) == 1


@pytest.mark.measured
def test_a_lost_host_is_forgotten_with_its_list(node: ControlNode) -> None:
    node.play(PLAY).ok()
    (node.root / ".two.qgnet").unlink()
    refreshed = node.play(REFRESH)
    assert refreshed.rc == 2
    assert "qg_forget=two" in " ".join(refreshed.output.split())

    forgotten = node.play("qingguo.qgnet.deregister", qg_forget="two").ok()

    removed = forgotten.of("Record that the gateways and lists of lost hosts are gone").result
    assert [each["name"] for each in removed["removed"]] == [f"{node.root}/two"]
    assert removed["changed"] is True
    node.play(REFRESH).ok()
