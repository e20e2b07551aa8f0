# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The codes of the two APIs by the reason of a refusal, and their messages: the tables of
``codes.json``.
"""

from __future__ import annotations

import json
from pathlib import Path

OK = 0
SUCCESS = "SUCCESS"
UNKNOWN = -1
_TABLES = json.loads(Path(__file__).with_name("codes.json").read_text(encoding="utf-8"))
CODES: dict[str, tuple[int, str]] = _TABLES["codes"]
"""The code of the classic API, and that of the product hosts."""
CLASSIC_MESSAGES: dict[int | str, str] = {
    int(code): text for code, text in _TABLES["classic_messages"].items()
}
PRODUCT_MESSAGES: dict[int | str, str] = _TABLES["product_messages"]
"""Only that of NO_AVAILABLE_CHANNEL is public; the others have the words of the classic API."""
MESSAGES = {**CLASSIC_MESSAGES, **PRODUCT_MESSAGES}
