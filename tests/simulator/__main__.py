# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of ``python tests/simulator`` and of ``python -m simulator``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

if not __package__:
    # Started as a directory: the import path needs the parent of the package, not the package itself.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)


def _missing_package_message(package: str) -> str:
    requirements = Path(__file__).resolve().with_name("requirements.txt")
    install = shlex.join([sys.executable, "-m", "pip", "install", "-r", str(requirements)])
    return (
        f"The simulator needs the package {package}, which {sys.executable} does not have. Install what it needs, best "
        f"in a virtual environment: {install}"
    )


try:
    from simulator.cli import main
except ModuleNotFoundError as error:
    package = (error.name or "").partition(".")[0]
    if package in ("", "simulator") or package in sys.stdlib_module_names:
        raise
    sys.exit(_missing_package_message(package))

sys.exit(main())
