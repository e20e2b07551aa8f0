# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensure, release and replace leases."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .._api.lease_client import Leases
from .._api.leases import Lease, Terms
from .._core.errors import OptionError, QgError
from .._core.text import counted, format_sample, one_line
from .._paid.ensure import Ensuring, check_room
from .._paid.holdings import Holdings, ListRead
from .._paid.matching import Desired
from .._paid.paying import check_cap, check_drop
from .._paid.reconciling import confirm_again, locked_holdings, make_certain, settle
from .._paid.release import fewest_first, release
from .._paid.replacement import Replacement, forget_replacements
from .._paid.result import Result
from .api import LeaseApi


@dataclass(frozen=True)
class NamedLeases:
    """The leases with one of the ``names``: exit IPs and servers for ``ips``, or ``task_ids``."""

    option: str
    names: frozenset[str]

    def selects(self, lease: Lease) -> bool:
        """Whether one of the names is that of a lease."""
        return not self.names.isdisjoint(self._names_of(lease))

    def missing_from(self, leases: Iterable[Lease]) -> list[str]:
        """Return the names that belong to none of these leases, sorted."""
        return sorted(self.names.difference(*map(self._names_of, leases)))

    def _names_of(self, lease: Lease) -> tuple[str, ...]:
        if self.option == "ips":
            return lease.ip, lease.server
        return (lease.task_id,)


@dataclass(frozen=True)
class Choice:
    """The leases that are chosen: ``named`` ones, so many of QG.net's choice, or by default all."""

    named: NamedLeases | None = None
    count: int | None = None


@dataclass
class LeaseResult(Result[Lease]):
    """The result of a run; ``leases`` are those that match in the end."""

    leases: list[Lease] = field(default_factory=list)
    #: The leases that the run has found to release or to replace, or whose interrupted replacement
    #: it has continued.
    chosen: list[Lease] = field(default_factory=list)


def ensure_leases(
    client: Leases,
    desired: Desired,
    *,
    check: bool,
    cap: int | None,
    ignore_quota: bool,
    earlier: ListRead[Lease] | None = None,
) -> LeaseResult:
    """Allocate only the missing leases and release a surplus; with ``check``, only read.

    ``earlier`` is a list that the run has read lately: it is enough if nothing is to be done.
    """
    with locked_holdings(
        LeaseApi(client),
        cap=cap,
        ignore_quota=ignore_quota,
        await_releases=not check,
        earlier=earlier,
    ) as holdings:
        run = _EnsuringLeases(holdings, desired)
        result = LeaseResult(holdings)
        run.prepare(check=check)
        if check:
            result.released = [holdings.held[name] for name in run.first.surplus]
        else:
            with result.completed():
                run.apply()
        result.missing = run.first.needed
        # A failure to tell must not hide what was paid for.
        with contextlib.suppress(QgError):
            run.warn()
            result.leases = run.usable()
            if not check:
                result.missing = max(0, desired.count - len(result.leases))
                if result.missing and not result.error:
                    result.error = run.shortage(result.missing)
        return result


class _EnsuringLeases(Ensuring[Lease]):
    """A run that ensures a number of leases, of which a surplus may be released."""

    def apply(self) -> None:
        """Buy what is missing, and release the surplus."""
        holdings = self.holdings
        surplus = [*self.first.surplus]
        if surplus:
            # Before anything is bought, since a release that would hit others is refused.
            check_drop(holdings, surplus)
            forget_replacements(holdings)
        # If there are enough channels, allocate before releasing.
        is_short = bool(holdings.quota and surplus and holdings.quota.available < self.first.needed)
        if is_short:
            # The fewest first, since a plan by volume gets no channel back.
            before = holdings.quota
            first, others = fewest_first(holdings, surplus)
            release(holdings, first)
            confirm_again(holdings, self.first.needed)
            check_room(holdings, before, len(others), needed=self.first.needed)
            release(holdings, others)
        self.buy()
        release(holdings, [name for name in surplus if name in holdings.held])
        self.check_new()

    def usable(self) -> list[Lease]:
        """Return the leases that match now, and that a program can use."""
        usable = [lease for lease in self.matching() if self._is_usable(lease)]
        return [lease for lease in usable if not self._is_excluded(lease)]

    def shortage(self, missing: int) -> QgError:
        """Return why so many leases are missing in the end."""
        reason = (
            "leases ended while this task waited. Run it again, or raise keep_alive if the plan "
            "allows it."
        )
        matching = self.matching()
        unusable = [lease for lease in matching if not self._is_usable(lease)]
        excluded = [lease for lease in matching if self._is_excluded(lease)]
        if unusable:
            have = counted(len(unusable), "held lease", "have")
            reason = (
                f"{have} an address that no program can use, or that is not one of the public "
                f"internet: {servers(unusable)}. They count, so that no others are paid for. Ask "
                "QG.net, or release them."
            )
        elif excluded:
            have = counted(len(excluded), "new lease", "have")
            reason = (
                f"{have} an address that exclude_ips contains ({_addresses(excluded)}). To lease "
                "others, which are paid for, too, run it again."
            )
        are = "is" if missing == 1 else "are"
        return QgError(f"{missing} of count={self.desired.count} {are} missing: {reason}")

    def _is_usable(self, lease: Lease) -> bool:
        return lease.is_usable(self.holdings.api.caller.api_host)

    def _is_excluded(self, lease: Lease) -> bool:
        return not self.desired.exclude_ips.isdisjoint((lease.ip, lease.server))


def release_leases(
    client: Leases, named: NamedLeases | None, *, check: bool = False
) -> LeaseResult:
    """Release the held leases that are ``named``, or all."""
    with locked_holdings(LeaseApi(client)) as holdings:
        if not check:
            _find(holdings, Choice(named))
        leases = _chosen(holdings, named)
        check_drop(holdings, leases)
        result = LeaseResult(holdings, chosen=[*leases.values()])
        if check:
            result.released = [*leases.values()]
        else:
            forget_replacements(holdings)
            with result.completed():
                release(holdings, [*leases])
        return result


def _find(holdings: Holdings[Lease], choice: Choice) -> None:
    """Make certain which leases are held that are chosen; unless they are named, what calls without
    a result have done, too.
    """
    named = choice.named
    count = choice.count or math.inf
    if named is None:
        settle(holdings)
        make_certain(holdings, lambda _lease: True, lambda leases: len(leases) >= count)
    else:
        make_certain(holdings, named.selects, lambda leases: not named.missing_from(leases))


def _chosen(holdings: Holdings[Lease], named: NamedLeases | None) -> dict[str, Lease]:
    """Return the held leases that are named, or all."""
    if named is None:
        return holdings.certain
    return {name: lease for name, lease in holdings.certain.items() if named.selects(lease)}


def replace_leases(
    client: Leases,
    choice: Choice,
    terms: Terms,
    *,
    check: bool,
    cap: int | None,
    ignore_quota: bool,
) -> LeaseResult:
    """Replace named leases by release and allocation, or let QG.net replace leases of its choice.

    Afterwards the key holds as many leases as before, and the new ones are as the old ones in what
    ``terms`` leave open.
    """
    named = choice.named
    with locked_holdings(
        LeaseApi(client), cap=cap, ignore_quota=ignore_quota, await_releases=not check
    ) as holdings:
        if not check:
            # What an earlier replacement has done decides which leases there are, and how many.
            settle(holdings)
            _find(holdings, choice)
        chosen = _chosen(holdings, named)
        names = sorted(named.names) if named else None
        request = {"names": names, "count": choice.count, "terms": terms.as_json()}
        work = Replacement.begin(holdings, request, chosen, choice.count, terms)
        result = LeaseResult(holdings, missing=work.number, chosen=[*chosen.values()])
        if work.continues:
            before = [holdings.api.from_item(item) for item in work.before.values()]
            result.chosen += [lease for lease in before if lease.name in work.old]
        else:
            if work.number > len(chosen):
                leases = counted(work.number, "lease")
                problem = f"={leases} cannot be replaced, since the key holds {len(chosen)}"
                raise OptionError("count", problem, "lower count")
            work.terms = successor_terms(holdings.terms(), [*chosen.values()], terms)
        # Before the first release: a lease must not be released if its successor must not be
        # bought.
        still_old = work.still_named() if named else work.still_old()
        check_cap(holdings, work.needed() + len(still_old))
        if named:
            check_drop(holdings, chosen)
        if check:
            if work.number == len(chosen):
                result.released = [*chosen.values()]
            return result
        with result.completed():
            if named:
                work.by_name()
            else:
                work.by_vendor()
        result.missing = work.needed()
        return result


def successor_terms(requested: Mapping[str, Terms], leases: Sequence[Lease], terms: Terms) -> Terms:
    """Return the terms for the successors of leases.

    What ``terms`` leave open is as ``requested`` for the leases, by their names. Raises QgError for
    leases whose successors would have different ones.
    """
    groups = dict[Terms, list[Lease]]()
    for lease in leases:
        groups.setdefault(_inherited(terms, requested.get(lease.name, Terms())), []).append(lease)
    if len(groups) > 1:
        named = " and ".join(_addresses(group) for group in groups.values())
        raise QgError(
            f"The leases were requested with different areas, isp or keep_alive: {named}. Replace "
            "each group by a task of its own with ips, or give all three for the new leases."
        )
    return next(iter(groups), terms)


def _inherited(terms: Terms, old: Terms) -> Terms:
    # A duration is at least a minute.
    keep_alive = terms.keep_alive or old.keep_alive
    new = dataclasses.replace(terms, keep_alive=keep_alive, isp=terms.isp or old.isp)
    if terms.areas or terms.exclude_areas:
        return new
    return dataclasses.replace(new, areas=old.areas, exclude_areas=old.exclude_areas)


def servers(leases: Iterable[Lease]) -> str:
    """Return the servers of leases that no program can use, for a message."""
    return format_sample([repr(one_line(lease.server)[:80]) for lease in leases])


def _addresses(leases: Sequence[Lease]) -> str:
    return format_sample([lease.ip for lease in leases])
