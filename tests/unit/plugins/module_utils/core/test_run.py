# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a run of Ansible began, and on which boot of which machine."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core import runtime

MODULE = "ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime"


def test_a_run_began_when_its_process_did_and_not_when_it_loaded_the_file(tmp_path: Path) -> None:
    """A directory with spaces and a parenthesis in the name of the process changes nothing."""
    program = tmp_path / "a) b"
    program.symlink_to(sys.executable)
    script = f"""
        import os, time
        time.sleep(0.5)
        from {MODULE} import run_began
        loaded = time.time()
        if os.fork() == 0:
            print(loaded - run_began())
    """
    before = time.time()

    done = subprocess.run(
        [program, "-c", textwrap.dedent(script)],
        env={"PYTHONPATH": ":".join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    # The kernel counts the start in hundredths of a second.
    assert 0.48 <= float(done.stdout) <= time.time() - before + 0.02


def test_a_clock_that_is_set_during_a_run_moves_its_beginning_with_it() -> None:
    ago = time.time() - runtime.run_began()
    clock = runtime.Clock(wall=lambda: time.time() + 3600)

    with runtime.use(runtime.Runtime(clock=clock)):
        assert time.time() + 3600 - runtime.run_began() < ago + 60


def test_a_container_with_a_time_of_its_own_has_another_boot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its seconds since the boot are no measure for those of the machine."""
    boots = set()
    for namespace in ("time:[4026531834]", "time:[4026532834]"):
        monkeypatch.setattr(os, "readlink", {"/proc/self/ns/time": namespace}.__getitem__)
        # Past the cache, since a process reads it once.
        boots.add(runtime._boot_id.__wrapped__())

    assert len(boots) == 2
