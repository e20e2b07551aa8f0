# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every path of the vendor, those of the proxy API and those of its accounts."""

from __future__ import annotations

from .account import endpoints as services
from .account.endpoints import Service
from .classic import endpoints
from .classic.endpoints import Endpoint

PATHS: dict[str, tuple[Endpoint | Service, ...]] = {**endpoints.PATHS, **services.PATHS}


def reads_body(method: str, path: str) -> bool:
    """Whether a call's parameters stand in its body. The account calls have theirs in the URL always."""
    return method == "POST" and not services.belongs(path)
