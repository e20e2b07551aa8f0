# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a change of the whitelist as a task returns it, and its summary for many hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.addresses import numeric_order
from .._core.text import format_sample
from .plan import WhitelistResult

#: The API usage of a task that made no call.
NO_USAGE = {"calls": 0, "retries": 0, "waited_seconds": 0.0}


def task_result(result: WhitelistResult, usage: Mapping[str, Any] | None = None, *, diff: bool) -> dict[str, Any]:
    """Return the result of a task; ``changed`` is true if anything changed, even if the task fails."""
    warnings = unreadable_warnings(result)
    returned: dict[str, Any] = {
        "changed": bool(result.added or result.removed),
        "added": result.added,
        "removed": result.removed,
        "already_present": [] if result.desired.state == "absent" else list(result.first.unchanged),
        "refused": [
            {
                "ip": ip,
                "code": result.refused[ip].details.get("code"),
                "reason": result.refused[ip].message,
            }
            for ip in numeric_order(result.refused)
        ],
        "whitelist": numeric_order(result.after),
        "count": len(result.after),
        "unreadable": list(result.reading.unreadable),
        "api": dict(usage or NO_USAGE),
    }
    if warnings:
        returned["warnings"] = warnings
    if diff:
        returned["diff"] = {
            "before_header": "whitelist",
            "before": "".join(f"{ip}\n" for ip in numeric_order(result.before)),
            "after_header": "whitelist",
            "after": "".join(f"{ip}\n" for ip in numeric_order(result.after)),
        }
    if result.error:
        returned |= {"failed": True, **result.error.as_result()}
    return returned


def summary_of(result: WhitelistResult, usage: Mapping[str, Any], *, diff: bool) -> dict[str, Any]:
    """Return the part of a result that one host reports for all hosts of its run."""
    whole = task_result(result, usage, diff=diff)
    return {name: whole[name] for name in ("added", "removed", "refused", "count", "api", "diff") if name in whole}


def unreadable_warnings(result: WhitelistResult) -> list[str]:
    """Return a warning if an address to be removed may be in an entry that cannot be read."""
    entries = result.reading.unreadable
    if not entries or (result.desired.state == "present" and not result.desired.replaces):
        return []
    shown = format_sample([repr(text) for text in entries], 5)
    text = f"{len(entries)} entries of the whitelist are not one IPv4 address and were left as they are: {shown}."
    return [f"{text} If they are not needed, remove them in the vendor's user centre."]
