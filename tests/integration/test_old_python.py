# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A task that is delegated to a host whose Python is too old for the collection."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible.release import __version__
from simulator.fixture import Simulator
from support.playbooks import Playground, assert_one_sentence

INVENTORY = "app ansible_connection=local\nbastion ansible_connection=local\n"
PLAY = """
- hosts: app
  gather_facts: false
  module_defaults:
    group/qingguo.qgnet.qg:
      key: "{{ key }}"
      api_url: "{{ api_url }}"
  tasks:
    - name: here
      qingguo.qgnet.qg_whitelist_info:
    - name: there
      qingguo.qgnet.qg_whitelist_info:
      delegate_to: bastion
"""
#: Each old Python, and the last ansible-core that sends modules to a host with it.
OLD = {"3.8": (2, 19), "3.9": (2, 21)}
CORE = tuple(map(int, __version__.split(".")[:2]))


def interpreter(version: str) -> str:
    """A Python of this version, from the path or from pyenv."""
    home = Path(os.environ.get("PYENV_ROOT") or Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".pyenv")
    found = [shutil.which(f"python{version}"), *map(str, home.glob(f"versions/{version}.*/bin/python"))]
    for path in filter(None, found):
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    pytest.skip(f"there is no Python {version} on this machine")


@pytest.mark.parametrize("version", OLD)
def test_a_host_with_an_old_python_is_named_in_one_sentence(
    sim: Simulator, playground: Playground, version: str
) -> None:
    if OLD[version] < CORE:
        pytest.skip(f"ansible-core {__version__} itself refuses Python {version} on a host")
    run = playground.play(
        PLAY,
        inventory=INVENTORY,
        variables={"key": sim.key, "api_url": sim.api_url},
        arguments=["-e", f"ansible_python_interpreter={interpreter(version)}"],
    )
    # On the control node, the interpreter of the host plays no part.
    assert run.of("here").status == "ok"
    there = run.of("there")
    assert there.status == "failed"
    assert_one_sentence(there.result["msg"])
    assert there.result["msg"].startswith("qingguo.qgnet needs Python 3.10 or newer on the host")
    assert f"is Python {version}:" in there.result["msg"]
    assert "Traceback" not in run.output
