# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The desired whitelist, and the changes that lead to it. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Set
from dataclasses import dataclass

from .._core.checks import numeric_order
from .._core.errors import OptionError
from .._core.text import format_sample

NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Desired:
    """What the list should be.

    ``present`` and ``absent`` concern only ``ips``, ``exact`` means these and no others. ``replaces`` are removed once
    ``ips`` are listed. At most ``max_removals`` are removed, if that is given.
    """

    state: str
    ips: frozenset[str]
    replaces: frozenset[str] = NONE
    max_removals: int | None = None

    def unwanted(self, listed: Set[str]) -> frozenset[str]:
        """Return the listed addresses that are to be removed."""
        if self.state == "absent":
            return frozenset(listed & self.ips)
        return frozenset((listed if self.state == "exact" else listed & self.replaces) - self.ips)


@dataclass(frozen=True)
class Plan:
    """The changes that lead from a list to the desired one."""

    add: frozenset[str] = NONE
    remove: frozenset[str] = NONE

    def __len__(self) -> int:
        return len(self.add) + len(self.remove)


def plan(listed: Set[str], desired: Desired, refused: Collection[str] = ()) -> Plan:
    """Return the difference, without addresses that QG.net has refused; then the addresses that they replace stay."""
    add = NONE if desired.state == "absent" else desired.ips - listed - frozenset(refused)
    return Plan(add, NONE if refused else desired.unwanted(listed))


def check_removals(found: Plan, desired: Desired) -> None:
    """Raise OptionError, before anything is written, if too many addresses would be removed."""
    limit = desired.max_removals
    if limit is not None and len(found.remove) > limit:
        raise OptionError(
            f"state={desired.state} would remove {len(found.remove)} addresses, more than max_removals={limit}: "
            f"{format_sample(numeric_order(found.remove))}. Add those that must stay to ips, or raise max_removals."
        )
