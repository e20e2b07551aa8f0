# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that a host runs for a gateway."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.plugin_utils import _gateway_host


@pytest.mark.parametrize("language", ["perl", "python3"])
def test_a_process_that_does_not_answer_is_told_from_one_that_does_not_run(
    tmp_path: Path, language: str
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in ("sh", "cat", "mv", language):
        path = sys.executable if program == "python3" else shutil.which(program)
        assert path is not None, program
        (programs / program).symlink_to(path)
    gateway = {"file": str(tmp_path / "gw"), "run": str(tmp_path / "gw"), "text": "leases\n"}
    script = _gateway_host.leases_script(gateway, "end", asks=True)

    def code() -> int:
        command = [str(programs / "sh"), "-c", script]
        done = subprocess.run(command, env={"PATH": str(programs)}, check=False)
        return done.returncode

    with socket.socket(socket.AF_UNIX) as stopped:
        stopped.bind(str(tmp_path / "gw.sock"))
        stopped.listen()
        assert code() == _gateway_host.NO_ANSWER
    assert code() not in (0, _gateway_host.NO_ANSWER)
