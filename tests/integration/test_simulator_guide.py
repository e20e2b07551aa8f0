# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guide to the simulator lets a user save and run in CI, taken from the guide."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulator.fixture import PROGRAM, Simulator, running_simulator

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "docsite" / "rst" / "simulator.rst"
INSTALLED = "~/.ansible/collections/ansible_collections/qingguo/qgnet/tests"


def examples(language: str, word: str) -> list[str]:
    """The examples of the guide that have a word in them."""
    text = GUIDE.read_text(encoding="utf-8")
    found = re.findall(rf"^\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    return [re.sub("^   ", "", body, flags=re.MULTILINE).strip() + "\n" for body in found if word in body]


def run(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a program as in CI, with the simulator of this checkout."""
    (playbook,) = examples("yaml", "hosts: localhost")
    (directory / "register.yml").write_text(playbook, encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "SIMULATOR": str(PROGRAM), "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, timeout=240, check=False)


def test_the_script(tmp_path: Path) -> None:
    (script,) = examples("shell", "#!/bin/sh")
    (tmp_path / "ci.sh").write_text(script, encoding="utf-8")
    done = run(tmp_path, "sh", "ci.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("All is well.\n")


@pytest.mark.nightly
def test_the_test(tmp_path: Path) -> None:
    (test,) = examples("python", "running_simulator")
    assert INSTALLED in test
    (tmp_path / "test_playbooks.py").write_text(test.replace(INSTALLED, str(PROGRAM.parent)), encoding="utf-8")
    # The temporary directory may be inside a checkout, whose settings are not meant.
    alone = ("-p", "no:cacheprovider", "-c", os.devnull, "--rootdir=.")
    done = run(tmp_path, sys.executable, "-m", "pytest", "-q", *alone, ".")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("commands", examples("shell", "S=http://127.0.0.1:8080/_sim"))
def test_the_control_calls(sim: Simulator, commands: str) -> None:
    commands = commands.replace("http://127.0.0.1:8080", sim.api_url).replace("curl ", "curl -sSf --noproxy '*' ")
    subprocess.run(["sh", "-ec", commands], check=True, timeout=60)
    assert sim.control("GET", "/health") == {"ok": True}


def commands_with(word: str) -> list[str]:
    """The commands that have a word in them, in the guide and in the readme of the simulator."""
    readme = (PROGRAM / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```shell\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    return [*examples("shell", word), *(block for block in blocks if word in block)]


@pytest.fixture(scope="module")
def with_proxies() -> Iterator[Simulator]:
    ports = [text for name in ("proxy", "tunnel", "tunnel-control") for text in (f"--{name}-port", "0")]
    with running_simulator(ports) as running:
        yield running


def lines_of(sim: Simulator, directory: Path, commands: str) -> list[str]:
    """Run commands of curl with a simulator and return what they print."""
    places = {
        "127.0.0.1:8081": str(sim.proxy_url).removeprefix("http://"),
        "127.0.0.1:3434": str(sim.tunnel_url).removeprefix("http://"),
        "http://127.0.0.1:9090": sim.tunnel_control_url,
        "http://127.0.0.1:8080": sim.api_url,
        "curl ": "curl -sSf --noproxy '' ",
    }
    for example, actual in places.items():
        commands = commands.replace(example, actual)
    done = subprocess.run(
        ["sh", "-ec", commands], cwd=directory, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("commands", commands_with("-S-job1"), ids=["guide", "readme"])
def test_the_commands_for_a_tunnel(with_proxies: Simulator, tmp_path: Path, commands: str) -> None:
    *exits, changed = lines_of(with_proxies, tmp_path, commands)
    assert len(exits) == commands.count("d.qg.net/ip")
    assert all(address.startswith("198.19.1") for address in [*exits, changed.rpartition('"proxyip":"')[2]])


@pytest.mark.parametrize("commands", commands_with("@127.0.0.1:8081"), ids=["guide", "readme"])
def test_the_commands_for_a_proxy(with_proxies: Simulator, tmp_path: Path, commands: str) -> None:
    with_proxies.reset()
    with_proxies.configure(whitelist=["127.0.0.1"])
    commands = commands.replace("$PROXY_URL", str(with_proxies.proxy_url))
    assert lines_of(with_proxies, tmp_path, commands) == ["198.51.100.1"] * (commands.count("curl ") - 1)
