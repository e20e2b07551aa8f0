# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All endpoints of the vendor's APIs by path."""

from __future__ import annotations

from dataclasses import dataclass

from .account import calls as account_calls
from .account.calls import is_account_path
from .api import endpoints, tunnel_control
from .api.endpoints import is_product_path


@dataclass(frozen=True)
class Route:
    methods: tuple[str, ...]
    takes_addresses: bool = False
    """Whether a call can be executed for a part of its addresses."""


ROUTES: dict[str, list[Route]] = {
    tunnel_control.PATH: [Route(tunnel_control.METHODS)],
    **{path: [Route(account_calls.METHODS)] for path in account_calls.ENDPOINTS},
}
for _endpoint in endpoints.ENDPOINTS:
    ROUTES.setdefault(_endpoint.path, []).append(Route(_endpoint.methods, _endpoint.takes_addresses))


def is_tunnel_path(path: str) -> bool:
    """Return whether a path belongs to the control port of a tunnel."""
    return path == tunnel_control.PATH


def reads_body(method: str, path: str) -> bool:
    """Return whether the parameters of a call are in its body. Those of account and product calls are in the URL."""
    if is_tunnel_path(path):
        return method == "PUT"
    return method == "POST" and not is_account_path(path) and not is_product_path(path)
