# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed for a session, and what its packages may do meanwhile."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import packages
import pytest


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Directories in the place of those of this machine."""
    for name in ("POLICY", "CLUSTERS", "POSTGRESQL"):
        monkeypatch.setattr(packages, name, tmp_path / name.lower() / "of" / "debian")
    packages.POLICY.parent.mkdir(parents=True)
    packages.CLUSTERS.parent.parent.mkdir()
    return tmp_path


def files(machine: Path) -> set[str]:
    return {str(path.relative_to(machine)) for path in machine.rglob("*") if path.is_file()}


def test_packages_start_nothing_while_they_are_installed_and_nothing_stays(machine: Path) -> None:
    with packages.only_programs():
        assert subprocess.run([packages.POLICY], check=False).returncode == 101
        assert (packages.CLUSTERS / "qgnet.conf").read_text(encoding="ascii") == "create_main_cluster = false\n"
    assert files(machine) == set()
    assert not packages.CLUSTERS.parent.exists()


def test_a_policy_left_by_a_process_that_was_killed_allows_all(machine: Path) -> None:
    with packages.only_programs():
        left = packages.POLICY.read_text(encoding="ascii")
    ended = subprocess.Popen(["true"])
    ended.wait()
    packages.POLICY.write_text(left.replace(str(os.getpid()), str(ended.pid)), encoding="ascii")
    packages.POLICY.chmod(0o755)
    assert subprocess.run([packages.POLICY], check=False).returncode == 0


def test_the_policy_of_the_machine_and_the_configuration_of_postgresql_stay(machine: Path) -> None:
    packages.POLICY.write_text("of the machine", encoding="ascii")
    packages.CLUSTERS.mkdir(parents=True)
    (packages.CLUSTERS / "own.conf").write_text("ssl = on\n", encoding="ascii")
    with pytest.raises(RuntimeError), packages.only_programs():
        raise RuntimeError
    assert packages.POLICY.read_text(encoding="ascii") == "of the machine"
    assert [path.name for path in packages.CLUSTERS.iterdir()] == ["own.conf"]
