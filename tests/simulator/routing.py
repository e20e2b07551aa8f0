# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All endpoints of the vendor's APIs by path."""

from __future__ import annotations

from .account import endpoints as account_endpoints
from .account.endpoints import AccountEndpoint, is_account_path
from .classic import endpoints as classic_endpoints
from .classic.endpoints import ClassicEndpoint
from .product import endpoints as product_endpoints
from .product.endpoints import ProductEndpoint, is_product_path
from .tunnels import endpoints as tunnel_endpoints
from .tunnels.endpoints import TunnelEndpoint

Endpoint = ClassicEndpoint | AccountEndpoint | ProductEndpoint | TunnelEndpoint
ENDPOINTS_BY_PATH: dict[str, tuple[Endpoint, ...]] = {
    **classic_endpoints.ENDPOINTS_BY_PATH,
    **product_endpoints.ENDPOINTS_BY_PATH,
    **tunnel_endpoints.ENDPOINTS_BY_PATH,
    **account_endpoints.ENDPOINTS_BY_PATH,
}


def is_tunnel_path(path: str) -> bool:
    """Return whether a path belongs to the control port of a tunnel."""
    return path in tunnel_endpoints.ENDPOINTS_BY_PATH


def has_text_codes(path: str) -> bool:
    """Return whether the codes of an API can be text."""
    return is_account_path(path) or is_product_path(path)


def reads_body(method: str, path: str) -> bool:
    """Return whether the parameters of a call are in its body. Those of account and product calls are in the URL."""
    if is_tunnel_path(path):
        return method == "PUT"
    return method == "POST" and not is_account_path(path) and not is_product_path(path)
