# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the vendor documents of each call: path, limit per minute, and whether it may be repeated after a lost response.

This file is private to the collection. Limits: the vendor's page on limits, and docs 174 to 181 and 297. The calls for
exclusive occupancy have no known numbers, and their limits are documented for only some of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..._core.errors import Effect
from .errors import ALLOCATION_FAILED, UNKNOWN

#: The limit of plans that are billed by volume, and of the calls that do not depend on channels.
COMMON_LIMIT = 60


@dataclass(frozen=True)
class Endpoint:
    """One call of the vendor.

    ``per_minute`` is its limit per key, to which ``per_channel`` is added for each channel of the plan. ``repeatable``
    says whether a call whose response was lost may simply be sent again; otherwise the caller must first read what was
    done. ``by_status`` marks the calls that report success by HTTP status instead of a ``Code``.
    ``unknown_effect`` are the codes (or statuses) of refusals after which the call may have been carried out.
    """

    path: str
    per_minute: int
    repeatable: bool
    doc: int | None
    per_channel: int = 0
    method: str = "GET"
    by_status: bool = False
    unknown_effect: tuple[int, ...] = (UNKNOWN, 500)

    def effect(self, code: int) -> Effect:
        """Return what a call did that was refused with this code or status."""
        return Effect.UNKNOWN if code in self.unknown_effect else Effect.REJECTED

    @property
    def name(self) -> str:
        """The name in messages and limits: the path, after the method if that is not GET."""
        return self.path if self.method == "GET" else f"{self.method} {self.path}"

    def limit(self, channels: int | None) -> int:
        """Calls a minute.

        Without the number of channels, the limit is that of one channel. Plans by volume have the common limit, and the
        API does not show which plans those are, so the limit is never higher.
        """
        if not self.per_channel:
            return self.per_minute
        return min(COMMON_LIMIT, self.per_minute + self.per_channel * (channels or 1))


#: The codes of refusals after which a change of the whitelist, or of leases, may have been carried out.
_WHITELIST, _LEASES = (UNKNOWN,), (UNKNOWN, ALLOCATION_FAILED)

WHITELIST_QUERY = Endpoint("/whitelist/query", 60, repeatable=True, doc=180)
WHITELIST_ADD = Endpoint("/whitelist/add", 20, repeatable=False, doc=178, unknown_effect=_WHITELIST)
WHITELIST_DEL = Endpoint("/whitelist/del", 20, repeatable=False, doc=179, unknown_effect=_WHITELIST)
QUOTA = Endpoint("/info/quota", 60, repeatable=True, doc=181)
AREAS = Endpoint("/resources", 60, repeatable=True, doc=177)
QUERY = Endpoint("/query", 10, repeatable=True, doc=175, per_channel=5)
EXTRACT = Endpoint("/extract", 45, repeatable=True, doc=None)
ALLOCATE = Endpoint("/allocate", 10, repeatable=False, doc=174, per_channel=5, unknown_effect=_LEASES)
REPLACE = Endpoint("/replace", 10, repeatable=False, doc=297, per_channel=5, unknown_effect=_LEASES)
RELEASE = Endpoint("/release", 0, repeatable=False, doc=176, per_channel=5, unknown_effect=_LEASES)
#: Not a call: the addresses that may be released in a minute.
RELEASED_ADDRESSES = Endpoint("/release addresses", 0, repeatable=False, doc=176, per_channel=2)
MONOPOLIES = Endpoint("/monopolies", 60, repeatable=True, doc=None, by_status=True)
MONOPOLIES_IDLE = Endpoint("/monopolies/idle", 60, repeatable=True, doc=None, by_status=True)
MONOPOLIES_APPLY = Endpoint("/monopolies", 10, False, None, per_channel=5, method="POST", by_status=True)
MONOPOLIES_REDIAL = Endpoint("/monopolies/ips", 10, False, None, per_channel=5, method="PUT", by_status=True)
MONOPOLIES_RELEASE = Endpoint("/monopolies", 10, False, None, per_channel=5, method="DELETE", by_status=True)
