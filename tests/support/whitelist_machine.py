# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the state machines of the whitelist share: the vendor, a transport, and a directory for the state."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant
from support import state_machines
from support.whitelist import WhitelistTransport, new_core, use_transport


class WhitelistMachine(RuleBasedStateMachine):
    """A machine whose tasks call the vendor through ``wire``."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self.core = new_core()
        self.wire = self.transport()
        self.runs = 0

    def transport(self) -> WhitelistTransport:
        return WhitelistTransport(self.core)

    def teardown(self) -> None:
        # A database that is no longer used removes files of its own whenever Python finalizes it.
        shutil.rmtree(self.directory, ignore_errors=True)

    def next_run(self) -> str:
        """The identity of a new run, whose end cannot be seen from here."""
        self.runs += 1
        return f"{self.runs} 1 elsewhere"

    @invariant()
    def count_the_step(self) -> None:
        self.steps += 1


def run_machine(machine: type[WhitelistMachine], runs: int, patch: pytest.MonkeyPatch) -> None:
    current: list[Any] = []
    use_transport(patch, lambda: current[-1].wire)

    class Current(machine):  # type: ignore[valid-type, misc]
        def __init__(self) -> None:
            super().__init__()
            current[:] = [self]

    state_machines.run_counted(Current, runs)
