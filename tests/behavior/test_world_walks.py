# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random walks through irregular worlds, judged by QG.net's own books.

A seed draws a world and what happens in it (``world_walks.py``); each run is judged by what the
collection promises (``promises.py``). A seed replays exactly.

Each commit walks with fixed seeds, and ``nox -s walks`` with new ones: it fails if one breaks a
promise, and names the promise and the seeds.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from behavior.promises import Broken, judge

#: Seeds of walks of each product and many worlds.
SEEDS = (*range(201, 261), 20261206)
#: How many walks with new seeds, as QGNET_EXPLORE says.
NEW = int(os.environ.get("QGNET_EXPLORE", 0)) * 5


@pytest.mark.parametrize("seed", SEEDS)
def test_walks_with_fixed_seeds(seed: int, folder: Path) -> None:
    walk = judge(seed, folder)
    assert walk.history


@pytest.mark.skipif(not NEW, reason="QGNET_EXPLORE is not set")
def test_walks_with_new_seeds(folder: Path, request: pytest.FixtureRequest) -> None:
    """Walk with the seeds from --hypothesis-seed on, and report the promises that broke, each with
    its seeds.
    """
    first = int(request.config.getoption("--hypothesis-seed") or 0)
    broken: dict[str, list[int]] = defaultdict(list)
    shown: dict[str, str] = {}
    for seed in range(first, first + NEW):
        try:
            judge(seed, folder / str(seed))
        except Broken as error:
            broken[error.promise].append(seed)
            shown.setdefault(error.promise, str(error))
        finally:
            shutil.rmtree(folder / str(seed), ignore_errors=True)
    print("\n\n".join(shown.values()))
    assert broken == {}
