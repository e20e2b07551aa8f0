# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions install from where the machine does, but what the locks say."""

from __future__ import annotations

import os

import pytest
import workspace

SETTINGS = {
    "index-url": "https://packages.example.com/simple",
    "find-links": "/srv/wheels /srv/more",
    "constraint": "/etc/constraints.txt",
}


@pytest.fixture(autouse=True)
def _settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(workspace, "pip_settings", lambda: SETTINGS)


def test_uv_installs_from_where_pip_does() -> None:
    made = workspace.environment()
    assert made["UV_DEFAULT_INDEX"] == "https://packages.example.com/simple"
    assert made["UV_FIND_LINKS"] == "/srv/wheels,/srv/more"


def test_constraints_of_the_machine_do_not_reach_the_locks() -> None:
    assert "/etc/constraints.txt" not in workspace.environment().values()
