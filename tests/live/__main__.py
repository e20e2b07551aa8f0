# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of ``python tests/live`` and of ``python -m live``."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if not __package__:
    # Started as a directory: the import path needs the parent of the package, not the package itself.
    sys.path[0] = str(ROOT / "tests")
if ROOT.parents[1].name == "ansible_collections":
    # An installed collection. A clone is found through PYTHONPATH, which "make live" sets.
    sys.path.append(str(ROOT.parents[2]))

try:
    from live.cli import main
except ModuleNotFoundError as error:
    missing = (error.name or "").partition(".")[0]
    if missing not in ("ansible_collections", "requests"):
        raise
    install = {
        "requests": f"Install it: {sys.executable} -m pip install requests",
        "ansible_collections": 'Run it in an installed collection, or as "make live" in a clone.',
    }
    sys.exit(f"The Python package {missing} was not found. {install[missing]}")

sys.exit(main())
