# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release is refused where it would be no proper one, and writes its version everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import release

TAGS = ["1.1.0", "1.10.0-rc1", "other"]


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
    answers = {
        ("git", "status", "--porcelain"): "",
        ("git", "rev-parse", "HEAD:plugins"): "a-tree",
    }
    monkeypatch.setattr(release.support_matrix, "untested", lambda tree: [] if tree == "a-tree" else ["2.16.1"])
    monkeypatch.setattr(release, "ROOT", tmp_path)
    monkeypatch.setattr(release.workspace, "ROOT", tmp_path)
    monkeypatch.setattr(release, "output", lambda *command: answers[command])
    return tmp_path


@pytest.mark.parametrize("version", ["1.2.0", "1.3.0", "2.0.0", "1.10.0"])
def test_a_proper_release(checkout: Path, version: str) -> None:
    assert list(release.reasons(version, TAGS)) == []


@pytest.mark.parametrize("version", ["", "1.2", "v1.3.0", "1.3.0-rc1", "01.2.3", "1.1.0", "1.0.9", "1.1.9", "1.3.0\n"])
def test_no_proper_version(checkout: Path, version: str) -> None:
    assert list(release.reasons(version, TAGS)) != []


def test_nothing_new_is_no_release(checkout: Path) -> None:
    (checkout / "changelogs" / "fragments" / "x.yml").unlink()
    assert list(release.reasons("1.3.0", TAGS)) == ["changelogs/fragments is empty: what would be new?"]


def test_changes_are_committed_first(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release, "output", lambda *command: " M README.md" if "status" in command else "")
    assert "not committed" in next(release.reasons("1.3.0", TAGS))


def test_plugins_that_the_matrix_has_not_tested_are_not_released(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release.support_matrix, "untested", lambda _tree: ["2.16.1", "2.17.1"])
    (refused,) = release.reasons("1.3.0", TAGS)
    assert refused == "make matrix has not passed with these plugins/ on ansible-core 2.16.1, 2.17.1"


@pytest.mark.parametrize("broken", ["a tag that cannot be signed", "no version in galaxy.yml"])
def test_the_way_back_from_a_failure_leads_to_the_commit_before(
    broken: str, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(release, "reasons", lambda _version, _tags: [])
    monkeypatch.setattr(release, "output", lambda *_command: "0123abc")
    monkeypatch.setattr(release, "COMMANDS", [("false",)])
    if broken == "no version in galaxy.yml":
        (checkout / "galaxy.yml").write_text("name: qgnet\n", encoding="utf-8")
    assert release.main(["1.3.0"]) == 1
    assert "git reset --hard 0123abc && " in capsys.readouterr().err


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
    with pytest.raises(ValueError, match=r"galaxy\.yml"):
        release.write_version(checkout, "1.3.0")
