# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Desired states and results as the JSON that the write queue keeps.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from .._core.errors import QgError
from .plan import DesiredWhitelist, Plan, WhitelistResult


def serialize_desired(desired: DesiredWhitelist, *, detected: bool = False) -> dict[str, Any]:
    """Return the payload of a request. ``detected`` says that the host itself reported its addresses."""
    return {
        "state": desired.state,
        "ips": list(desired.ips),
        "keep": list(desired.keep),
        "replaces": list(desired.replaces),
        "max_removals": desired.max_removals,
        "capacity": desired.capacity,
        "detected": detected,
    }


def deserialize_desired(payload: Mapping[str, Any]) -> DesiredWhitelist:
    """Return the desired state of a request."""
    return DesiredWhitelist(
        payload["state"],
        tuple(payload["ips"]),
        keep=tuple(payload["keep"]),
        replaces=tuple(payload["replaces"]),
        max_removals=payload["max_removals"],
        capacity=payload["capacity"],
    )


def serialize_result(result: WhitelistResult) -> dict[str, Any]:
    """Return the result of a task without the whole whitelist."""
    return {
        "added": result.added,
        "removed": result.removed,
        "unchanged": list(result.first.unchanged),
        "refused": {ip: error.as_result() for ip, error in result.refused.items()},
        **({"error": result.error.as_result()} if result.error else {}),
    }


def deserialize_result(
    kept: Mapping[str, Any], desired: DesiredWhitelist, whitelist: Collection[str], *, check: bool
) -> WhitelistResult:
    """Return the result of a task, with the whitelist as it was read last; raise the error that left no result."""
    if "added" not in kept:
        raise _error({name: value for name, value in kept.items() if name not in ("failed", "changed")})
    added, removed, read = kept["added"], kept["removed"], frozenset(whitelist)
    return WhitelistResult(
        desired,
        before=read if check else read.difference(added).union(removed),
        after=read.union(added).difference(removed) if check else read,
        first=Plan(tuple(added), tuple(removed), tuple(kept["unchanged"]), len(read)),
        refused={ip: _error(reason) for ip, reason in kept["refused"].items()},
        error=_error(kept["error"]) if "error" in kept else None,
    )


def _error(result: Mapping[str, Any]) -> QgError:
    details = dict(result)
    return QgError(details.pop("msg"), **details)
