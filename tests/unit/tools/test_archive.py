# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of the archive: tests, caches and tools do not belong in it, and Galaxy must have nothing to say."""

from __future__ import annotations

import archive
import pytest

SAID = ["Loading module qg_x", "...ansible-lint run complete", "Importer processing completed successfully"]


@pytest.mark.parametrize(
    "name",
    [
        ".cache/home/x",
        ".github/workflows/ci.yml",
        ".pre-commit-config.yaml",
        "Makefile",
        "changelogs/fragments/x.yml",
        "docs/site/conf.py",
        "extensions/molecule/default/molecule.yml",
        "noxfile.py",
        "plugins/modules/x.pyc",
        "pyproject.toml",
        "tests/requirements/lint.in",
        "tests/simulator/x.pyc",
        "tests/unit/test_x.py",
    ],
)
def test_what_does_not_belong_in(name: str) -> None:
    assert archive.unwanted(["README.md", "plugins/modules/qg_x.py", name]) == [name]


def test_what_a_user_would_miss() -> None:
    checkout = ["plugins/modules/qg_x.py", "tests/simulator/classic/keys.py", "tests/unit/test_x.py", "README.md"]
    assert archive.missing(["README.md"], checkout) == ["plugins/modules/qg_x.py", "tests/simulator/classic/keys.py"]


def test_an_import_without_a_word_is_right() -> None:
    assert archive.judge_import(SAID, ["qg_x"]) == []


@pytest.mark.parametrize(
    "line", ["WARNING: No changelog found.", "ERROR: yamllint", "Traceback (most recent call last):"]
)
def test_a_warning_of_galaxy_is_wrong(line: str) -> None:
    assert archive.judge_import([line, *SAID], ["qg_x"]) == [f"galaxy-importer: {line}"]


@pytest.mark.parametrize("left_out", range(3))
def test_what_galaxy_did_not_do_is_wrong(left_out: int) -> None:
    assert len(archive.judge_import([line for place, line in enumerate(SAID) if place != left_out], ["qg_x"])) == 1
