# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of ``python tests/live`` and of ``python -m live``."""

from __future__ import annotations

import sys
from itertools import accumulate
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
if not __package__:
    # Started as a directory: the import path needs the parent of the package, not the package itself.
    sys.path[0] = str(ROOT / "tests")
# The collection that this file belongs to, wherever it is: a clone and a symbolic link are not below the folder
# ansible_collections.
for name in accumulate(["ansible_collections", "qingguo", "qgnet"], "{}.{}".format):
    package = sys.modules[name] = ModuleType(name)
    package.__path__ = [str(ROOT)]

try:
    from live.cli import main
except ModuleNotFoundError as error:
    if error.name != "requests":
        raise
    sys.exit(f"The Python package requests was not found. Install it: {sys.executable} -m pip install requests")

sys.exit(main())
