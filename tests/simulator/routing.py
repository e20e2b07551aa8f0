# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All endpoints of the vendor's APIs by path."""

from __future__ import annotations

from .account import endpoints as account_endpoints
from .account.endpoints import AccountEndpoint, is_account_path
from .classic import endpoints as classic_endpoints
from .classic.endpoints import ClassicEndpoint

ENDPOINTS_BY_PATH: dict[str, tuple[ClassicEndpoint | AccountEndpoint, ...]] = {
    **classic_endpoints.ENDPOINTS_BY_PATH,
    **account_endpoints.ENDPOINTS_BY_PATH,
}


def reads_body(method: str, path: str) -> bool:
    """Return whether the parameters of a call are in its body. Account calls always have them in the URL."""
    return method == "POST" and not is_account_path(path)
