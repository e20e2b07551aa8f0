# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which leases of a product host are the same, although one response says less about them than another.

An extraction may name the task, the exit and the deadline of a lease, and the list omit some of them, or write them
otherwise. Without a match, one lease would count as two: too few would be leased, and with ``exact`` a paid one be
released as a surplus.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..leases import Lease, is_same


def indistinct_names(lease: Lease) -> list[str]:
    """The names of a lease in lists without task and deadline: an earlier lease of the server has them, too."""
    bare = replace(lease, task_id="", deadline=None)
    return [bare.name, replace(bare, ip="").name]


class Names:
    """The names that this process has used for leases: a lease keeps its name until the process ends."""

    def __init__(self) -> None:
        self._known: dict[str, Lease] = {}
        #: The names in the vendor's list of leases with another name.
        self._listed: dict[str, str] = {}

    def keep(self, leases: Iterable[Lease]) -> None:
        """Keep the names of these leases."""
        for lease in leases:
            # Of two that match an entry of the list, the later one is meant.
            self._known.pop(lease.name, None)
            self._known[lease.name] = lease

    def with_known_names(self, listed: Iterable[Lease]) -> list[Lease]:
        """Return the vendor's list with the names that were used before."""
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
        """Return these names, and those that the vendor's list has for the same leases."""
        names = set(names)
        return names | {self._listed[name] for name in names if name in self._listed}


def _merged(known: Lease, listed: Lease) -> Lease:
    """Return the listed lease with what only the known one says, and with its name."""
    naming = {name: known.vendor[name] for name in (*Lease.NAMING_FIELDS, "deadline") if name in known.vendor}
    return Lease.from_item({**known.vendor, **listed.vendor, **naming}, known.task_id)
