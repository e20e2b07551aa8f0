# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of a claim. Pure functions of the claim, what a leader found in the end, and what the journal attributes.

Each process computes the results of its own claim, whether it was the leader or has waited for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from .._api.classic.errors import WHITELIST_FULL
from .._core.errors import QgError
from .._reconcile.held_whitelist import ADD, REMOVE, WhitelistReading
from .plan import NOT_SHOWN, DesiredWhitelist, Plan, WhitelistResult, full_error, plan, refusal_error

if TYPE_CHECKING:
    from .._store.claims import Claim
    from .._store.journal_rows import JournalRow

#: The ids of the claims for which the last call changed an address, by operation and address.
Attributions = Mapping[tuple[str, str], Sequence[str]]


def attributions(rows: Iterable[JournalRow]) -> dict[tuple[str, str], Sequence[str]]:
    """Return for which claims the calls in the journal changed each address, or may have."""
    return {(row.operation, ip): ids for row in rows for ip, ids in row.request.get("claims", {}).items()}


class Changed(NamedTuple):
    """The addresses that were sent, or are planned, to be ``added`` and ``removed`` for some claims."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Round:
    """What a leader found in the end, for all claims that it worked for.

    ``add`` and ``remove`` are the changes that it planned. In check mode they are only ``predicted``, and ``after`` is
    the list with them. ``withheld`` addresses stayed because more than ``limit`` would have been removed. The state was
    ``shared`` if the claims had several owners: an error then concerns only those whose claims are not fulfilled.
    ``reporters`` are the claims whose results contain the summary of their group, and ``shown`` those with its diff.
    Nothing was changed, and only the ``error`` counts, unless the list ``is_known``.
    """

    after: frozenset[str] = frozenset()
    add: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()
    withheld: frozenset[str] = frozenset()
    limit: int | None = None
    refused: Mapping[str, QgError] = field(default_factory=dict)
    error: QgError | None = None
    unreadable: tuple[str, ...] = ()
    confirmed: bool = True
    predicted: bool = False
    shared: bool = False
    is_known: bool = True
    reporters: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    @classmethod
    def of(cls, merged: WhitelistResult, *, predicted: bool, shared: bool) -> Round:
        """Return what a leader found."""
        return cls(
            merged.after,
            add=frozenset(merged.first.add),
            remove=frozenset(merged.first.remove),
            withheld=frozenset(merged.first.withheld),
            limit=merged.desired.max_removals,
            refused=merged.refused,
            error=merged.error,
            unreadable=merged.reading.unreadable,
            confirmed=merged.confirmed,
            predicted=predicted,
            shared=shared,
        )

    def as_json(self) -> dict[str, Any]:
        """Return it for the store."""
        found = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in vars(self).items()}
        refused = {ip: error.as_result() for ip, error in self.refused.items()}
        return {**found, "refused": refused, "error": self.error and self.error.as_result()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Round:
        """Return what another process has stored."""
        sets = {name: frozenset(content[name]) for name in ("after", "add", "remove", "withheld")}
        rest = {name: tuple(content[name]) for name in ("unreadable", "reporters", "shown")}
        refused = {ip: _error_of(error) for ip, error in content["refused"].items()}
        error = _error_of(content["error"]) if content["error"] else None
        return cls(**{**content, **sets, **rest, "refused": refused, "error": error})

    def failure(self) -> dict[str, Any]:
        """Return the result of each claim if the list is not known."""
        return {"failed": True, "changed": False, **(self.error.as_result() if self.error else {})}

    @property
    def before(self) -> frozenset[str]:
        """The list as it is, after a prediction."""
        return self.after.difference(self.add).union(self.remove)

    def changed(self, claims: Iterable[Claim], made: Attributions) -> Changed:
        """Return the changes for some claims of hosts."""
        if self.predicted:
            relevant = {ip for claim in claims for ip in relevant_ips(claim.wanted)}
            return Changed(self.add & relevant, self.remove & relevant)
        names = {claim.id for claim in claims}
        sent = [change for change, ids in made.items() if not names.isdisjoint(ids)]
        added, removed = (frozenset(ip for kind, ip in sent if kind == operation) for operation in (ADD, REMOVE))
        return Changed(added, removed)

    def first_changed(self, claims: Sequence[Claim], made: Attributions) -> str:
        """Return the first of these claims with a change, or the first: Ansible shows a diff only of changed hosts."""
        for claim in claims:
            changed = self.changed([claim], made)
            if (changed.added & self.after) or (changed.removed - self.after):
                return claim.id
        return claims[0].id

    def part(self, own: DesiredWhitelist, changed: Changed) -> WhitelistResult:
        """Return the result of a task, for which these addresses were changed.

        Each change counts for one owner of claims. Predictions do not depend on each other.
        """
        reading = WhitelistReading(self.after, unreadable=self.unreadable)
        if self.predicted:
            found = plan(self.before, own)
            after = self.before.union(found.add).difference(found.remove)
            return WhitelistResult(self.before, after, found, reading)
        wanted = set() if own.state == "absent" else set(own.ips)
        added = wanted.intersection(changed.added, self.after)
        removed = changed.removed.difference(wanted, own.keep, self.after)
        before = self.after.difference(added).union(removed)
        refused = {ip: error for ip, error in self.refused.items() if ip in own.ips}
        first = plan(before, own)
        part = WhitelistResult(before, self.after, first, reading, refused, self.error, self.confirmed)
        if self.shared:
            left = plan(part.after, own)
            is_reached = not (left.changes if self.confirmed else first.changes)
            part.error = None if is_reached else _own_error(part, left, self.error)
        return part

    def whole(self, claims: Sequence[Claim], made: Attributions) -> WhitelistResult:
        """Return the common result of a group of claims of hosts."""
        changed = self.changed(claims, made)
        added, removed = changed.added & self.after, changed.removed - self.after
        is_present = not claims or claims[0].wanted["state"] == "present"
        ips = {ip for claim in claims for ip in claim.wanted["ips"]}
        own = DesiredWhitelist(
            "present" if is_present else "absent",
            tuple(added if is_present else removed),
            replaces=tuple(removed | self.remove | self.withheld if is_present else ()),
        )
        return WhitelistResult(
            *(self.after.difference(added).union(removed), self.after),
            Plan(own, tuple(added), tuple(removed)),
            WhitelistReading(self.after, unreadable=self.unreadable),
            {ip: error for ip, error in self.refused.items() if not self.shared or ip in ips},
            # That of another group shows in the results of its hosts.
            None if self.shared else self.error,
        )

    def is_fulfilled(self, wanted: Mapping[str, Any]) -> bool:
        """Whether the list is as a claim wants it."""
        needed = set(wanted["ips"] if wanted["state"] == "present" else ())
        unwanted = (self.remove | self.withheld) & relevant_ips(wanted) - needed
        return self.is_known and needed <= self.after and self.after.isdisjoint(unwanted)


def relevant_ips(wanted: Mapping[str, Any]) -> set[str]:
    """Return all addresses that a claim may change."""
    return {*wanted["ips"], *wanted["former"], *(ip for ips in wanted["gone"].values() for ip in ips)}


def _error_of(result: Mapping[str, Any]) -> QgError:
    details = {name: value for name, value in result.items() if name != "msg"}
    return QgError(str(result["msg"]), **details)


def _own_error(part: WhitelistResult, left: Plan, whole: QgError | None) -> QgError:
    """Return the reason why one of several desired states was not reached."""
    full = next((error for error in part.refused.values() if error.details.get("code") == WHITELIST_FULL), None)
    if full:
        return full_error(full, part.after, left.add)
    if part.refused and set(left.add) <= set(part.refused):
        return refusal_error(part)
    return whole or QgError(NOT_SHOWN)
