# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a process does that a test kills. It is a file of its own, since a fresh process cannot import the tests."""

from __future__ import annotations

import importlib
import os
from typing import Any

from support.playbooks import operate


def ensure_held(options: dict[str, Any], minute: float) -> None:
    """Hold resources."""
    os.environ["QG_MINUTE_SECONDS"] = str(minute)
    module = importlib.import_module("ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.operations")
    operate(module.MONOPOLY, options)
