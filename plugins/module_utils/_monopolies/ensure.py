# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensure a minimum number of resources, which are paid for."""

from __future__ import annotations

import contextlib
from typing import Any

from .._api.areas import Area, is_inside
from .._api.leases import Quota
from .._api.monopolies import Monopolies
from .._api.parsing import integer
from .._core.errors import CallError, QgError
from .application import AllocationSession, Application
from .earlier_calls import adopt_shown, wait_for, wait_for_releases, warn_of
from .matching import DesiredMonopolies
from .session import DEFAULT_POLICY, TRANSITIONAL_STATES, MonopolyPolicy, MonopolyResult, sample, summary

#: The advice for quotas that count more than resources.
IGNORE = "Set on_uncertain=ignore if the quota counts something else. "


def ensure_held(
    api: Monopolies,
    desired: DesiredMonopolies,
    *,
    wait: bool = True,
    check: bool = False,
    policy: MonopolyPolicy = DEFAULT_POLICY,
) -> MonopolyResult:
    """Ensure the desired number of resources: apply for the missing ones in one call, and wait until they are online.

    Surplus resources stay. An error before the first list is raised; a later error is part of the result.
    """
    allocator = _Allocator(AllocationSession(api, policy, desired))
    result = allocator.session.result
    try:
        with contextlib.nullcontext() if check else api.caller.key_lock():
            allocator.session.load_initial()
            allocator.allocate(check)
        if wait and not check:
            allocator.wait_online()
    except QgError as error:
        if not allocator.has_list:
            raise
        result.error = error
    result.after = allocator.session.counted
    if others := allocator.session.matcher.others(result.after):
        result.warnings.append(
            f"QG.net lists {sample(others)} in another area or with another ISP than was applied for. They count for "
            "this request, since another resource would be paid for and be no better."
        )
    return result


class _Allocator:
    def __init__(self, session: AllocationSession) -> None:
        self.session = session
        self.has_list = False
        self._has_read_again = False
        self._idle_stock: list[Any] | None = None

    def allocate(self, check: bool) -> None:
        """Determine how many resources are missing, and apply for them."""
        session = self.session
        desired, result, matcher = session.desired, session.result, session.matcher
        self.has_list = True
        if not check:
            wait_for_releases(session)
        unresolved = adopt_shown(session, check=check)
        matcher.add_codes(session.monopolies)
        counted, unknown = matcher.classify(session.monopolies)
        if desired.area_code is not None and unknown and len(counted) < desired.count:
            matcher.add_codes(session.monopolies, self._read_idle_stock())
            counted, unknown = matcher.classify(session.monopolies)
        result.before = counted
        result.undetermined = [monopoly.uuid for monopoly in unknown]
        result.missing = max(0, desired.count - len(counted))
        if not result.missing:
            return
        if unresolved and not check:
            wait_for(session, unresolved)
            self.allocate(check)
            return
        if unknown and desired.on_uncertain == "fail":
            raise QgError(
                f"{result.missing} of {desired.count} resources are missing. Whether {len(unknown)} held resources "
                f"match is unknown: {sample(result.undetermined)}. Set on_uncertain to match if they count, or to "
                "ignore to apply for more."
            )
        known = set(session.held)
        quota = session.quota()
        if session.unlisted(quota):
            ignored = desired.on_uncertain == "ignore"
            if not check and not ignored:
                quota = session.confirm_list(quota, advice=IGNORE)
            elif not self._has_read_again and not (known and ignored):
                self._has_read_again = True
                session.refresh()
            if known != set(session.held):
                self.allocate(check)
                return
        self._check_quota(quota)
        session.journal.check_caps(result.missing)
        if check:
            warn_of(session, unresolved)
            self._check_stock()
        else:
            Application(session).run()

    def _check_quota(self, quota: Quota | None) -> None:
        """Fail if the plan has too few resources free."""
        session = self.session
        missing = session.result.missing
        if quota is None:
            return
        # The quota of a plan without channels counts something else.
        session.balance_before = session.balance(quota) if quota.total else None
        if quota.total and missing > quota.available:
            raise QgError(
                f"{missing} more resources are needed to hold {session.desired.count}, and the plan has "
                f"{quota.available} of {quota.total} free. Ask for less, release some, or extend the plan."
            )

    def _read_idle_stock(self) -> list[Any]:
        if self._idle_stock is None:
            # Its format is not documented, so the run continues without it.
            try:
                self._idle_stock = self.session.api.idle_monopolies()
            except CallError:
                self._idle_stock = []
        return self._idle_stock

    def _check_stock(self) -> None:
        """Add a warning if the idle stock can be read and is too small."""
        desired, result, left = self.session.desired, self.session.result, 0
        for row in self._read_idle_stock():
            fields = {str(name).lower(): value for name, value in row.items()} if isinstance(row, dict) else {}
            number = next((integer(fields[name]) for name in ("num", "count", "number") if name in fields), None)
            area = Area.from_item(fields)
            if number is None or number < 0 or area.code is None or area.isp is None:
                return
            here = desired.area_code is None or is_inside(area.code, desired.area_code)
            left += number if here and desired.isp in (None, area.isp) else 0
        if left < result.missing:
            result.warnings.append(
                f"{result.missing} resources would be applied for, and the vendor's idle stock shows {left}."
            )

    def wait_online(self) -> None:
        """Wait until the new resources are online, and if there are too few, for others that are coming online."""
        session = self.session
        desired, applied = session.desired, session.result.applied

        def unready() -> list[str]:
            waiting = [one for one in session.counted if one.state != "online"]
            if len(session.counted) - len(waiting) >= desired.count:
                return []
            return [one.uuid for one in waiting if one.uuid in applied or one.state in TRANSITIONAL_STATES]

        if applied or unready():
            advice = (
                "They are held and paid for: run the task again to wait longer, raise max_wait, or set wait to false."
            )
            total = max(desired.count, len(session.counted))
            session.wait_until_ready(unready, lambda: summary((one.state for one in session.counted), total), advice)
        gone = set(applied) - set(session.held)
        if gone:
            raise QgError(f"The list no longer contains resources that were applied for: {sample(sorted(gone))}.")
