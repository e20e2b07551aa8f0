# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of the archive: tests, caches and tools do not belong in it, and Galaxy must have nothing to say."""

from __future__ import annotations

import archive
import pytest

SAID = ["Loading module qg_x", "...ansible-lint run complete", "Importer processing completed successfully"]


CHECKOUT = [
    "README.md",
    "plugins/modules/qg_x.py",
    "tests/simulator/classic/keys.py",
    "tests/unit/test_x.py",
    "Makefile",
]


@pytest.mark.parametrize(
    "name",
    [
        ".github/workflows/ci.yml",
        "Makefile",
        "changelogs/fragments/x.yml",
        "docs/site/conf.py",
        "plugins/modules/x.pyc",
        "tests/simulator/x.pyc",
        "tests/unit/test_x.py",
    ],
)
def test_what_does_not_belong_in(name: str) -> None:
    wrong = archive.judge_names([*CHECKOUT[:3], *archive.MADE, name], [*CHECKOUT, name])
    assert wrong == [f"{name} does not belong in the archive"]


def test_what_a_user_would_miss() -> None:
    wrong = archive.judge_names(["README.md", *archive.MADE], CHECKOUT)
    assert wrong == [f"{name} is missing in the archive" for name in CHECKOUT[1:3]]


@pytest.mark.parametrize(
    "line", ["WARNING: No changelog found.", "ERROR: yamllint", "Traceback (most recent call last):"]
)
def test_a_warning_of_galaxy_is_wrong(line: str) -> None:
    assert archive.judge_import([line, *SAID], ["qg_x"]) == [f"galaxy-importer: {line}"]


@pytest.mark.parametrize("left_out", range(3))
def test_what_galaxy_did_not_do_is_wrong(left_out: int) -> None:
    assert len(archive.judge_import([line for place, line in enumerate(SAID) if place != left_out], ["qg_x"])) == 1
