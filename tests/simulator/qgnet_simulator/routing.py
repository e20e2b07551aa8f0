# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All endpoints of QG.net's APIs by path."""

from __future__ import annotations

from .account import calls as account_calls
from .account.calls import is_account_path
from .api import endpoints, tunnel_control
from .api.endpoints import is_product_path

ROUTES: dict[str, tuple[str, ...]] = {
    tunnel_control.PATH: tunnel_control.METHODS,
    **dict.fromkeys(account_calls.ENDPOINTS, account_calls.METHODS),
}
"""The methods of each path."""
for _endpoint in endpoints.ENDPOINTS:
    ROUTES[_endpoint.path] = (*ROUTES.get(_endpoint.path, ()), *_endpoint.methods)


def is_tunnel_path(path: str) -> bool:
    """Return whether a path belongs to the control port of a tunnel."""
    return path == tunnel_control.PATH


def reads_body(method: str, path: str) -> bool:
    """Return whether the parameters of a call are in its body.

    Those of account and product calls are in the URL.
    """
    if is_tunnel_path(path):
        return method == "PUT"
    return method == "POST" and not is_account_path(path) and not is_product_path(path)
