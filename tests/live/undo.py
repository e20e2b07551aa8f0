# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run holds of the vendor's, and how it gives it back, however the run ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .caller import RATE_LIMITED, Caller, EndOfRun, NoReplyError
from .dialects import Dialect
from .exchange import Lease, Reply, leases_in
from .notations import canonical

#: Seconds after a change at which a list is looked at.
SCHEDULE = (0, 1, 2, 4, 8, 16, 32, 64)
ATTEMPTS = 2


@dataclass
class Holdings:
    """The leases and the entries of the whitelist that a run has caused, and those that were there before."""

    leases: dict[str, str] = field(default_factory=dict)
    """Deadline by address."""
    unknown: int = 0
    """Leases that were asked for by a call without a usable reply."""
    entries: list[str] = field(default_factory=list)
    """Addresses that may be on the whitelist because of this run."""
    earlier_leases: set[str] | None = None
    """None if no list has shown them: then a new lease cannot be distinguished from them."""
    released: set[str] = field(default_factory=set)

    def note_earlier(self, listed: Iterable[Lease]) -> None:
        """Leases that are listed before an allocation, and are not from an earlier one of this run."""
        known = self.released | self.leases.keys()
        self.earlier_leases = {lease.ip for lease in listed} - known | (self.earlier_leases or set())


class Undo:
    """Releases leases and removes entries of the whitelist."""

    def __init__(self, caller: Caller, dialect: Dialect, holdings: Holdings) -> None:
        self._caller = caller
        self._dialect = dialect
        self._holdings = holdings
        self.left: list[str] = []
        """What could not be undone, in sentences."""

    def run(self) -> None:
        self._caller.stop.ignored = True
        for step in (self._find_unknown, self._release, self._remove_entries):
            self._persist(step)
        for ip in self._holdings.entries:
            self.left.append(f"{ip} may still be on the whitelist. Remove it.")
        for ip, deadline in self._holdings.leases.items():
            if self._dialect.release:
                self.left.append(f"The lease {ip} was not released. It ends at {deadline or 'an unknown time'}.")
        if self._holdings.unknown:
            self.left.append(
                f"A call for leases had no usable reply, and no list shows {self._holdings.unknown} of them. Probably "
                "they were not allocated; the console of the vendor shows it."
            )

    def _persist(self, step: Callable[[], bool]) -> None:
        """Carry out one step of the cleanup, again if it is not complete and after an error of any kind."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if step():
                    return
            except EndOfRun as error:
                self.left.append(f"The cleanup was not completed: {error}")
                return
            except Exception as error:
                if attempt == ATTEMPTS:
                    detail = f": {error}" if isinstance(error, NoReplyError) else ""
                    self.left.append(f"The cleanup was not completed after {type(error).__name__}{detail}.")

    def listed(self) -> list[Lease] | None:
        """Return the leases that the vendor lists, or None if it refuses the list."""
        reply = self._caller.read(self._dialect.query)
        return list(leases_in(reply.body)) if reply.succeeded else None

    def whitelist(self) -> list[str] | None:
        reply = self._caller.read("/whitelist/query")
        data = reply.fields.get("Data") or []
        return [str(entry) for entry in data] if reply.succeeded and isinstance(data, list) else None

    def entries_of(self, ip: str) -> list[str] | None:
        """Return the texts with which the whitelist shows an address, or None if the vendor refuses the list."""
        entries = self.whitelist()
        return None if entries is None else [entry for entry in entries if canonical(entry) == ip]

    def wait(self, condition: Callable[[], bool]) -> str | None:
        """Wait until a list shows a change; return when it did, in words, or None."""
        passed = 0
        for place, seconds in enumerate(SCHEDULE):
            self._caller.sleep(seconds - passed)
            passed = seconds
            if condition():
                return "at once" if not seconds else f"after {SCHEDULE[place - 1]} to {seconds} seconds"
        return None

    def _find_unknown(self) -> bool:
        """Find the leases of a call whose reply was lost, if no other client can have caused them."""
        holdings = self._holdings
        if not holdings.unknown:
            return True
        if holdings.earlier_leases is None:
            self.left.append(
                f"A call for {holdings.unknown} leases had no usable reply, and no list has shown the leases that were "
                "there before. None was released; the console of the vendor shows them."
            )
            holdings.unknown = 0
            return True
        known = holdings.earlier_leases | holdings.released | holdings.leases.keys()
        new: list[Lease] = []

        def complete() -> bool:
            new[:] = [lease for lease in self.listed() or [] if lease.ip not in known]
            return len(new) >= holdings.unknown

        self.wait(complete)
        if len(new) > holdings.unknown:
            self.left.append(
                f"A call for {holdings.unknown} leases had no reply, and {len(new)} leases are new: another client "
                "uses the key. None of them was released."
            )
            holdings.unknown = 0
            return True
        holdings.leases |= dict(new)
        holdings.unknown -= len(new)
        return True

    def _release(self) -> bool:
        holdings = self._holdings
        if self._dialect.release and holdings.leases:
            for ip in list(holdings.leases):
                self._insist(self._dialect.release, self._dialect.ip, ip)
            self.wait(lambda: not holdings.leases.keys() & {lease.ip for lease in self.listed() or []})
            listed = self.listed()
            for ip in list(holdings.leases):
                if listed is not None and ip not in {lease.ip for lease in listed}:
                    holdings.released.add(ip)
                    del holdings.leases[ip]
        return not (self._dialect.release and holdings.leases)

    def _remove_entries(self) -> bool:
        for ip in list(self._holdings.entries):
            self._insist("/whitelist/del", "IP", ip)
            if not self.is_removed(ip):
                # The vendor may want entries as it lists them.
                for entry in self.entries_of(ip) or []:
                    self._insist("/whitelist/del", "IP", entry)
                if not self.is_removed(ip):
                    continue
            self._holdings.entries.remove(ip)
        return not self._holdings.entries

    def is_removed(self, ip: str) -> bool:
        """Wait until the whitelist no longer shows an address."""
        return self.wait(lambda: self.entries_of(ip) == []) is not None

    def _insist(self, path: str, name: str, value: str) -> Reply:
        """Make a call that may be repeated until the vendor decides about it."""
        for attempt in range(ATTEMPTS):
            reply = self._caller.read(path, {name: value})
            if reply.code in (*RATE_LIMITED, -105, "DELETE_LIMIT_EXCEEDED") and attempt + 1 < ATTEMPTS:
                self._caller.sleep(self._caller.minute)
            elif reply.code is None:
                self._caller.sleep(2)
            else:
                break
        return reply
