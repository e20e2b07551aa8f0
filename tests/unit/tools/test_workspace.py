# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions install from where the machine does, but what the locks say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import workspace

#: What pip says of the settings of a machine.
SETTINGS = """
global.constraint='/etc/constraints.txt'
global.index-url='https://packages.example.com/simple'
install.find-links='/srv/wheels\\n/srv/more'
:env:.default-timeout='90'
"""


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of the sessions on a machine with these settings of pip."""
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "pip.py").write_text(f"print({SETTINGS.strip()!r})", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workspace, "HOME", tmp_path)
    workspace.pip_settings.cache_clear()
    yield workspace.environment()
    workspace.pip_settings.cache_clear()


def test_uv_installs_from_where_pip_does(made: dict[str, str]) -> None:
    assert made["UV_DEFAULT_INDEX"] == "https://packages.example.com/simple"
    assert made["UV_FIND_LINKS"] == "/srv/wheels,/srv/more"


def test_pip_of_ansible_test_installs_from_there_too(made: dict[str, str]) -> None:
    workspace.prepare_home()
    written = (workspace.HOME / ".config" / "pip" / "pip.conf").read_text(encoding="utf-8")
    assert {"index-url = https://packages.example.com/simple", "timeout = 90"} <= set(written.splitlines())


def test_constraints_of_the_machine_do_not_reach_the_locks(made: dict[str, str]) -> None:
    assert "/etc/constraints.txt" not in {*made.values(), *workspace.pip_settings().values()}
