# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of ``python tests/simulator`` and of ``python -m simulator``."""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:
    # Started by directory: put the package's parent, not its inside, on the path.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from simulator.cli import main

sys.exit(main())
