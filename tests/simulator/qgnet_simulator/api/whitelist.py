# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of the whitelist."""

from __future__ import annotations

from typing import Any

from ..exchange import Refusal
from .request import Request


def add(request: Request) -> dict[str, Any]:
    key = request.key
    options = key.options
    requested = request.addresses("ips")
    if any(request.keys.whitelist_owner(ip) not in (None, key) for ip in requested):
        raise Refusal("foreign")
    new = [ip for ip in requested if ip not in key.whitelist]
    if len(new) < len(requested) and options.present_add == "full":
        raise Refusal("whitelist_full")
    free = key.capacity - len(key.whitelist)
    if len(new) > free and options.overflow == "refuse":
        raise Refusal("whitelist_full")
    excluded = new[max(0, free) :]
    accepted = request.without_dropped([ip for ip in requested if ip not in excluded])
    added = [ip for ip in accepted if ip in new]
    key.whitelist += added
    if options.present_add == "zero":
        return _answer(added)
    return _answer(accepted)


def delete(request: Request) -> dict[str, Any]:
    key = request.key
    deleted = request.without_dropped(
        [ip for ip in request.addresses("ips") if ip in key.whitelist]
    )
    key.whitelist[:] = [entry for entry in key.whitelist if entry not in deleted]
    return _answer(deleted)


def query(request: Request) -> dict[str, Any]:
    return {"Data": list(request.key.visible_lists(request.now).whitelist)}


def _answer(changed: list[str]) -> dict[str, Any]:
    """Return the answer to a change of these entries."""
    return {"Data": changed, "Num": len(changed)}
