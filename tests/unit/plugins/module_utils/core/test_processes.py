# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity of a run of Ansible, and whether it is over."""

from __future__ import annotations

import os

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core import processes
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.processes import is_run_finished, run_id


def test_a_finished_run_is_detected() -> None:
    own = run_id()
    assert not is_run_finished(own)
    process, start, namespace = own.split(" ", 2)
    assert is_run_finished(f"{process} {start}0 {namespace}"), "the number was given to another process"
    assert is_run_finished(f"99999999 {start} {namespace}")
    assert not is_run_finished(f"99999999 {start} another-container"), "that cannot be seen from here"


def test_a_finished_run_is_detected_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_arguments: object, **_named: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(processes, "open", missing, raising=False)
    monkeypatch.setattr(os.path, "exists", lambda _path: False)
    own = run_id()
    assert own.split()[0] == str(os.getppid())
    assert not is_run_finished(own)
    assert is_run_finished(f"99999999 x {own.split(' ', 2)[2]}")
