# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random walks, judged by QG.net's own books: leases in irregular worlds, replacements that go
wrong in regular ones, and reserved lines.

A seed draws a world and what happens in it (``world_walks.py``, ``line_walks.py``); each run is
judged by what the collection promises (``promises.py``). A seed replays exactly.

Each commit walks with fixed seeds, and ``nox -s walks`` with new ones: it fails if one breaks a
promise, and names the promise and the seeds.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from behavior.line_walks import LineWalk
from behavior.promises import Broken, judge, judge_lines
from behavior.world_walks import REPLACEMENTS, Walk


def judge_replacements(seed: int, folder: Path) -> Walk:
    return judge(seed, folder, REPLACEMENTS)


Judge = Callable[[int, Path], Walk | LineWalk]
#: Seeds of walks of each kind: of leases, of each product and many worlds.
SEEDS: dict[Judge, tuple[int, ...]] = {
    judge: (*range(201, 261), 20261206),
    judge_replacements: (*range(40), 233, 304, 336, 349, 352, 363, 578, 612, 621, 746, 921, 959),
    judge_lines: (*range(40), 104, 217, 249, 425, 436, 454, 472, 577, 661, 695, 882, 958),
}
WALKS = [(walk, seed) for walk, seeds in SEEDS.items() for seed in seeds]
#: How many walks of each kind with new seeds, as QGNET_EXPLORE says.
NEW = int(os.environ.get("QGNET_EXPLORE", 0)) * 5


@pytest.mark.parametrize(("walking", "seed"), WALKS)
def test_walks_with_fixed_seeds(walking: Judge, seed: int, folder: Path) -> None:
    walk = walking(seed, folder)
    assert walk.history


@pytest.mark.skipif(not NEW, reason="QGNET_EXPLORE is not set")
@pytest.mark.parametrize("walking", SEEDS)
def test_walks_with_new_seeds(walking: Judge, folder: Path, request: pytest.FixtureRequest) -> None:
    """Walk with the seeds from --hypothesis-seed on, and report the promises that broke, each with
    its seeds.
    """
    first = int(request.config.getoption("--hypothesis-seed") or 0)
    broken: dict[str, list[int]] = defaultdict(list)
    shown: dict[str, str] = {}
    for seed in range(first, first + NEW):
        try:
            walking(seed, folder / str(seed))
        except Broken as error:
            broken[error.promise].append(seed)
            shown.setdefault(error.promise, str(error))
        finally:
            shutil.rmtree(folder / str(seed), ignore_errors=True)
    print("\n\n".join(shown.values()))
    assert broken == {}
