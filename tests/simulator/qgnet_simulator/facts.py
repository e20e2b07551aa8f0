# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of each call of QG.net: the rows of ``calls.json``, from which endpoints and README
are made.

``confidence`` says whether the call is documented by QG.net, was observed in programs, or is
assumed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CALLS: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("calls.json").read_text(encoding="utf-8")
)
