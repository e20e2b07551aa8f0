# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Matches leases of a product host in different responses, which may contain different fields.

The response to an extraction may contain the task, the exit and the deadline of a lease, while the list omits some of
them or writes them differently. Without a match, one lease would count as two: too few would be allocated, and with
``exact`` a paid lease would be released as surplus.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .._api.leases import Lease, is_same


def indistinct_names(lease: Lease) -> list[str]:
    """Return the names of a lease in lists without task and deadline, which earlier leases of the server share."""
    bare = replace(lease, task_id="", deadline=None)
    return [bare.name, replace(bare, ip="").name]


class Names:
    """The names that this process uses for leases: a lease keeps its first name until the process ends."""

    def __init__(self) -> None:
        self._known: dict[str, Lease] = {}
        #: The name in the vendor's list, for each lease whose first name is another one.
        self._listed: dict[str, str] = {}

    def keep(self, leases: Iterable[Lease]) -> None:
        """Store the names of these leases."""
        for lease in leases:
            # The later of two leases that match an entry of the list is the right one.
            self._known.pop(lease.name, None)
            self._known[lease.name] = lease

    def with_known_names(self, listed: Iterable[Lease]) -> list[Lease]:
        """Return the vendor's list with the first names of known leases."""
        listed = list(listed)
        free = {name: lease for name, lease in self._known.items() if name not in {lease.name for lease in listed}}
        found = []
        for lease in listed:
            known = None
            if lease.name not in self._known:
                known = next((one for one in reversed(free.values()) if is_same(one, lease)), None)
            if known:
                del free[known.name]
                self._listed[known.name] = lease.name
                lease = _merged(known, lease)
            found.append(lease)
        return found

    def with_listed_names(self, names: Iterable[str]) -> set[str]:
        """Return these names, and the names of the same leases in the vendor's list."""
        names = set(names)
        return names | {self._listed[name] for name in names if name in self._listed}


def _merged(known: Lease, listed: Lease) -> Lease:
    """Return the listed lease with the additional fields, and the name, of the known one."""
    naming = {name: known.vendor[name] for name in (*Lease.NAMING_FIELDS, "deadline") if name in known.vendor}
    return Lease.from_item({**known.vendor, **listed.vendor, **naming}, known.task_id)
