# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Paths in options that name no file: one sentence each, and nothing is made in the current directory."""

from __future__ import annotations

import pwd
from pathlib import Path
from typing import NoReturn

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.directory import DEFAULT_STATE_DIR
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import check_authorities

FIX = "Set state_dir (environment QG_STATE_DIR) to a directory on a local disk that this user owns."


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("directory", ["", " "])
def test_an_empty_state_directory_is_not_the_current_one(directory: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as refusal:
        State(directory)
    assert refusal.value.message == f"state_dir {directory!r} cannot be used: it is empty. {FIX}"
    assert list(tmp_path.iterdir()) == []


def test_a_state_directory_with_a_nul_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as refusal:
        State("state\0dir")
    assert (
        refusal.value.message
        == r"state_dir 'state\x00dir' cannot be used: it contains a NUL character. Give another path."
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("directory", [DEFAULT_STATE_DIR, "~no-such-user/state"])
def test_a_user_without_a_home_directory_must_set_the_state_directory(
    monkeypatch: pytest.MonkeyPatch, directory: str, tmp_path: Path
) -> None:
    def unknown(_user: object) -> NoReturn:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    with pytest.raises(OptionError) as refusal:
        State(directory)
    assert refusal.value.message == f"state_dir {directory} cannot be used: the home directory is not known. {FIX}"
    assert list(tmp_path.iterdir()) == []


def test_authorities_in_a_path_with_a_nul_character_are_refused() -> None:
    with pytest.raises(OptionError, match=r"^ca_path 'ca\\x00\.pem' cannot be used: it contains a NUL character\. "):
        check_authorities("ca\0.pem")
