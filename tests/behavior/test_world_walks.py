# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random walks through irregular worlds, judged by QG.net's own books.

A seed draws a world and what happens in it (``world_walks.py``); each run is judged by what the collection promises
(``promises.py``). A seed replays exactly.

As long as ``test_known_defects.py`` has a defect, one walk in five meets one. Therefore the walks of each commit leave
those seeds out, and ``nox -s walks`` reports the new seeds that break a promise, by promise, without a failure. When
the last defect there is mended, take :data:`BROKEN` away, so that each commit draws all worlds, and let
``test_walks_with_new_seeds`` fail rather than expect to.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from behavior.promises import Broken, judge

#: Seeds of walks that meet a known defect, and of those that keep all promises, of each product and many worlds.
BROKEN = (205, 208, 215, 216, 221, 228, 233, 236, 237, 245, 252)
KEPT = [seed for seed in range(201, 261) if seed not in BROKEN]
#: How many walks with new seeds, as QGNET_EXPLORE says.
NEW = int(os.environ.get("QGNET_EXPLORE", 0)) * 5


@pytest.mark.parametrize("seed", KEPT)
def test_walks_with_fixed_seeds(seed: int, folder: Path) -> None:
    walk = judge(seed, folder)
    assert len(walk.history) > 4


@pytest.mark.skipif(not NEW, reason="QGNET_EXPLORE is not set")
def test_walks_with_new_seeds(folder: Path, request: pytest.FixtureRequest) -> None:
    """Walk with the seeds from --hypothesis-seed on, and report the promises that broke, each with its seeds."""
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
    report = [f"{promise} in {len(seeds)} of {NEW} walks: {seeds}" for promise, seeds in broken.items()]
    if report:
        print("\n\n".join(shown.values()))
        pytest.xfail("; ".join(sorted(report)))
