# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of ``python -m qgnet_simulator``."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
