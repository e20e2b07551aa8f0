# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release is refused where it would be no proper one, and writes its version everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import release


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout that is ready for a release."""
    files = {
        "galaxy.yml": "name: qgnet\nversion: 1.2.0\n",
        "plugins/module_utils/_core/version.py": 'VERSION = "1.2.0"\n',
        "README.md": "install dist/qingguo-qgnet-1.2.0.tar.gz\ninstall qingguo.qgnet:==1.2.0\nsince 1.2.0\n",
        "examples/ci/.gitlab-ci.yml": "image: registry.example.com/qgnet-ee:1.2.0\n",
        "examples/ci/requirements.yml": '  - name: qingguo.qgnet\n    version: ">=1.2.0"\n',
        "changelogs/fragments/x.yml": "bugfixes:\n  - x\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    answers = {("git", "tag", "--list"): "1.1.0\n1.10.0-rc1\nother", ("git", "status", "--porcelain"): ""}
    monkeypatch.setattr(release, "ROOT", tmp_path)
    monkeypatch.setattr(release.workspace, "ROOT", tmp_path)
    monkeypatch.setattr(release, "output", lambda *command: answers[command])
    return tmp_path


@pytest.mark.parametrize("version", ["1.2.0", "1.3.0", "2.0.0", "1.10.0"])
def test_a_proper_release(checkout: Path, version: str) -> None:
    release.check(version)


@pytest.mark.parametrize("version", ["", "1.2", "v1.3.0", "1.3.0-rc1", "01.2.3", "1.1.0", "1.0.9", "1.1.9", "1.3.0\n"])
def test_no_proper_version(checkout: Path, version: str) -> None:
    with pytest.raises(release.Refused):
        release.check(version)


def test_nothing_new_is_no_release(checkout: Path) -> None:
    (checkout / "changelogs" / "fragments" / "x.yml").unlink()
    with pytest.raises(release.Refused, match="what would be new"):
        release.check("1.3.0")


def test_changes_are_committed_first(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "output", lambda *command: " M README.md" if "status" in command else "")
    with pytest.raises(release.Refused, match="not committed"):
        release.check("1.3.0")


def test_the_version_is_written_everywhere(checkout: Path) -> None:
    release.write_version(checkout, "1.3.0")
    assert (checkout / "galaxy.yml").read_text(encoding="utf-8") == "name: qgnet\nversion: 1.3.0\n"
    version = checkout / "plugins" / "module_utils" / "_core" / "version.py"
    assert version.read_text(encoding="utf-8") == 'VERSION = "1.3.0"\n'
    text = (checkout / "README.md").read_text(encoding="utf-8")
    assert text == "install dist/qingguo-qgnet-1.3.0.tar.gz\ninstall qingguo.qgnet:==1.3.0\nsince 1.2.0\n"
    image = (checkout / "examples" / "ci" / ".gitlab-ci.yml").read_text(encoding="utf-8")
    assert image == "image: registry.example.com/qgnet-ee:1.3.0\n"
    required = (checkout / "examples" / "ci" / "requirements.yml").read_text(encoding="utf-8")
    assert required == '  - name: qingguo.qgnet\n    version: ">=1.3.0"\n'


def test_a_place_that_is_gone_is_reported(checkout: Path) -> None:
    (checkout / "galaxy.yml").write_text("name: qgnet\n", encoding="utf-8")
    with pytest.raises(release.Refused, match=r"galaxy\.yml"):
        release.write_version(checkout, "1.3.0")
