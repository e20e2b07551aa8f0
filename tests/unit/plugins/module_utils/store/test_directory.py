# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state directory: its permissions, its secrets, and what makes it unusable."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State

KEY = "SECRETKEY1"


def test_the_state_directory_is_private(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "state"
    state = State(str(directory))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for file in directory.iterdir():
        assert not stat.S_IMODE(file.stat().st_mode) & 0o022, file
    digest = state.digest("x", KEY)
    assert digest == State(str(directory)).digest("x", KEY)
    assert digest != State(str(tmp_path / "other")).digest("x", KEY), "digests are salted"
    assert all(KEY.encode() not in file.read_bytes() for file in directory.iterdir())
    state.close()


def test_a_state_directory_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match=r"store .* cannot be used: .*QG_STORE"):
        State(str(tmp_path / "file" / "below"))
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    with pytest.raises(OptionError, match="another user"):
        State(str(loose))
    broken = tmp_path / "broken"
    broken.mkdir(mode=0o700)
    (broken / "state.sqlite3").write_bytes(b"no database, but long enough to be read as one" * 50)
    with pytest.raises(OptionError, match="file is not a database"):
        State(str(broken))


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    state = State(str(tmp_path))
    with pytest.raises(RuntimeError), state.transaction() as database:
        database.execute("INSERT INTO facts VALUES ('k', 'product', '', 'share', 1)")
        raise RuntimeError
    with state.transaction() as database:
        assert database.execute("SELECT count(*) FROM facts").fetchone()[0] == 0


def test_a_lock_is_held_by_one_alone(tmp_path: Path) -> None:
    one, two = State(str(tmp_path)), State(str(tmp_path))
    with one.try_lock("x") as first, two.try_lock("x") as second, two.try_lock("y") as other:
        assert (first, second, other) == (True, False, True)
    with two.try_lock("x") as again:
        assert again


def test_a_tilde_stands_for_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    State("~/.ansible/qgnet")
    assert (tmp_path / ".ansible" / "qgnet").is_dir()
