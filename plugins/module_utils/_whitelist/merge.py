# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Merges several desired states into one, and splits the result again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .._api.classic.errors import WHITELIST_FULL
from .._core.errors import QgError
from .plan import NOT_SHOWN, DesiredWhitelist, Plan, WhitelistResult, full_error, plan, refusal_error


def compatible_with_first(desired: Sequence[DesiredWhitelist]) -> list[int]:
    """Return which of these can be reconciled together with the first of them."""
    first = desired[0]
    if first.exclusive:
        return [0]
    return [n for n, other in enumerate(desired) if other.state == first.state and not other.exclusive]


def merge_desired(desired: Sequence[DesiredWhitelist]) -> DesiredWhitelist:
    """Merge desired states that are compatible with each other."""
    if len(desired) == 1:
        return desired[0]
    state = desired[0].state
    ips = {ip: None for own in desired for ip in own.ips if state == "present" or ip not in own.keep}
    return DesiredWhitelist(state, tuple(ips), allow_partial=True)


def split_result(
    result: WhitelistResult,
    desired: Sequence[DesiredWhitelist],
    seen: Sequence[Collection[str]],
    *,
    check: bool = False,
) -> list[WhitelistResult]:
    """Return the result of each of the merged states, as if they had been reconciled one after the other.

    ``seen`` contains, for each state, the addresses that an earlier leader planned to change for it and may have
    changed before it failed or was killed. Each change is reported once, for the first state that requested it.
    """
    if len(desired) == 1 and not seen[0]:
        return [result]
    reported: set[str] = set()
    parts = []
    for own, earlier in zip(desired, seen, strict=True):
        found = plan(result.before, own)
        if check:
            after = result.before.union(found.add).difference(found.remove)
            parts.append(WhitelistResult(own, result.before, after, found))
            continue
        wanted = set() if own.state == "absent" else set(own.ips)
        added = (wanted & {*found.add, *earlier} & result.after) - reported
        removed = {*found.remove, *earlier} - wanted - set(own.keep) - result.after - reported
        reported |= added | removed
        before = (result.after - added) | removed
        part = WhitelistResult(
            own,
            before,
            result.after,
            plan(before, own),
            confirmed=result.confirmed,
            reading=result.reading,
            find_holder=result.find_holder,
        )
        part.refused = {ip: error for ip, error in result.refused.items() if ip in own.ips}
        left = plan(part.after, own)
        if left.changes if result.confirmed else found.changes:
            part.error = result.error if len(desired) == 1 else _own_error(part, left, result.error)
        parts.append(part)
    return parts


def _own_error(part: WhitelistResult, left: Plan, whole: QgError | None) -> QgError:
    """Return the reason why one of several desired states was not reached."""
    full = next((error for error in part.refused.values() if error.details.get("code") == WHITELIST_FULL), None)
    if full:
        return full_error(full, part.after, left.add)
    if part.refused and set(left.add) <= set(part.refused):
        return refusal_error(part)
    return whole or QgError(NOT_SHOWN)
