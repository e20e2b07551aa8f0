# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensure, release and replace leases."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .._api.lease_client import Leases
from .._api.leases import AllocationParams, Lease, Quota, oldest_first
from .._core.errors import CallError, OptionError, QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._core.text import counted, format_sample
from .._paid.books import Books
from .._paid.caps import Caps
from .._paid.change import ATTEMPTS, Purchase, Replacement, release
from .._paid.leases import (
    LIFETIMES,
    MAX_PER_CALL,
    RELEASE_RULES,
    LeaseKind,
    are_shared,
    check_addresses,
    known_terms,
    lease_books,
)
from .._paid.matching import Desired, Plan, Traits, codes_by_name, plan
from .._store.facts import LIFETIME


@dataclass(frozen=True)
class NamedLeases:
    """The leases that the option ``ips`` (exit IPs and servers) or ``task_ids`` names; call it with a lease."""

    option: str
    names: frozenset[str]

    def __call__(self, lease: Lease) -> bool:
        return not self.names.isdisjoint(self._names_of(lease))

    def missing_from(self, leases: Iterable[Lease]) -> list[str]:
        """Return the names that belong to none of these leases, sorted."""
        return sorted(self.names.difference(*map(self._names_of, leases)))

    def _names_of(self, lease: Lease) -> tuple[str, ...]:
        return (lease.ip, lease.server) if self.option == "ips" else (lease.task_id,)


@dataclass
class LeaseResult:
    """The leases before and after a run, and its changes. With an ``error``, the other fields are still correct.

    ``allocated`` and ``released`` are the effects of this run's own calls. ``missing`` is the number of leases that are
    still missing, or that a run without check mode would allocate.
    """

    before: tuple[Lease, ...] = ()
    after: tuple[Lease, ...] = ()
    leases: tuple[Lease, ...] = ()
    allocated: tuple[Lease, ...] = ()
    released: tuple[Lease, ...] = ()
    missing: int = 0
    warnings: list[str] = field(default_factory=list)
    #: The leases whose interrupted replacement this run continued.
    continued: tuple[Lease, ...] = ()
    error: QgError | None = None

    @classmethod
    def of(cls, books: Books[Lease]) -> LeaseResult:
        """Return the result of a run that has changed nothing yet."""
        before = tuple((books.held if books.first is None else books.first).values())
        return cls(before=before, after=tuple(books.held.values()), warnings=books.warnings)

    @contextlib.contextmanager
    def completed(self, books: Books[Lease], candidates: Collection[Lease]) -> Iterator[None]:
        """Add the effects of the calls in the body, even if they fail; the ``candidates`` may have been released."""
        try:
            yield
        except QgError as error:
            self.error = error
        self.after = tuple(books.held.values())
        self.allocated = tuple(oldest_first(books.bought.values()))
        gone = books.released.difference(books.held)
        self.released = tuple(oldest_first(lease for lease in candidates if lease.name in gone))


def ensure_leases(client: Leases, desired: Desired, *, check: bool = False, caps: Caps | None = None) -> LeaseResult:
    """Allocate only the missing leases and release a surplus; with ``check``, only read."""
    with lease_books(client, caps, releases=not check) as (kind, books):
        return _Ensuring(kind, books, desired).run(check=check)


class _Ensuring:
    """The changes of one run."""

    def __init__(self, kind: LeaseKind, books: Books[Lease], desired: Desired) -> None:
        self._kind = kind
        self._books = books
        self._desired = desired = applicable(kind, desired)
        self._ignore_quota = desired.on_uncertain == "ignore"
        self._purchase = _purchase(kind, books, desired.params, ignore_quota=self._ignore_quota)

    def run(self, *, check: bool) -> LeaseResult:
        """Make the changes, unless this is a ``check``."""
        books, first = self._books, self._plan()
        result = LeaseResult.of(books)
        if first.missing:
            self._check_lifetime()
            first = self._predicted() if check else self._confirmed(first)
            self._check_channels(first)
            books.journal.check_caps(first.missing)
        surplus = [books.held[name] for name in first.surplus]
        result.missing = first.missing
        if check:
            result.released = tuple(oldest_first(surplus))
        else:
            with result.completed(books, surplus):
                self._apply(first)
        self._complete(result, first, check)
        return result

    def _plan(self) -> Plan:
        live = {name: lease for name, lease in self._books.held.items() if not self._kind.has_ended(lease)}
        return planned(self._kind, self._books, live, self._desired)

    def _missing(self) -> int:
        """Return how many are missing; what this run has bought is not bought again, even if it has ended since."""
        found = self._plan()
        return max(0, found.missing - len(self._books.bought.keys() - found.keep))

    def _predicted(self) -> Plan:
        books = self._books
        books.quota = self._kind.quota()
        if books.excess() and not (books.held and self._ignore_quota):
            books.look()
            books.settle(purchases=False, releases=False)
        return self._plan()

    def _confirmed(self, first: Plan) -> Plan:
        """Return what has to change once list and quota agree; report a lack of channels rather than a difference."""
        try:
            self._books.confirm(ignore_quota=self._ignore_quota)
        except UncertainOutcomeError:
            self._check_channels(first)
            raise
        return self._plan()

    def _check_lifetime(self) -> None:
        """Refuse a min_remaining that new leases cannot meet: each run would pay for further leases."""
        least, keep_alive, client = self._desired.min_remaining, self._desired.params.keep_alive, self._kind.client
        known = client.caller.host_facts.get(LIFETIME, str(keep_alive or 0))
        lasts, source = None if known is None else float(known), "the last new lease of this key had"
        if lasts is None and keep_alive is None and client.product in LIFETIMES:
            # A new lease has less left as soon as the response arrives.
            lasts, source = LIFETIMES[client.product] - 1, "a new lease of this product has"
        if least and lasts is not None and lasts < least * 60:
            raise OptionError(
                f"min_remaining of {_duration(least)} cannot be met: {source} {_lifetime(lasts)} left. "
                "Lower min_remaining, or raise keep_alive if the plan allows it."
            )

    def _check_channels(self, first: Plan) -> None:
        """Raise QgError, before the first change, if the plan has too few channels for the missing leases."""
        books, quota = self._books, self._books.quota
        if quota is None:
            return
        if quota.balance is None:
            free = quota.available + len(first.surplus)
            limit = (
                f"only {free} of the plan's {counted(quota.total, 'channel')} can be had. Lower count, release leases "
                "that are not needed, or buy channels."
            )
        else:
            free = quota.balance
            limit = f"only {free} more can be leased within the plan's volume. Lower count, or buy more volume."
        if first.missing > free:
            raise QgError(
                f"count={self._desired.count} needs {counted(first.missing, 'more lease')} ({len(first.keep)} of the "
                f"{len(books.held)} held ones match), but {limit}",
                quota=quota.described(),
                held=len(books.held),
                missing=first.missing,
            )

    def _apply(self, first: Plan) -> None:
        books, surplus = self._books, list(first.surplus)
        # If there are enough channels, allocate before releasing.
        is_short = bool(books.quota and surplus and books.quota.available < first.missing)
        if is_short:
            self._make_room(surplus)
        self._purchase.buy_missing(self._missing, is_confirmed=not is_short)
        _release(self._kind, books, [name for name in surplus if name in books.held])
        self._check_lifetimes()

    def _make_room(self, surplus: Sequence[str]) -> None:
        """Release leases to free their channels; one first, since a plan by volume gets no channel back."""
        books, before = self._books, self._books.quota
        _release(self._kind, books, surplus[:1])
        books.confirm(ignore_quota=self._ignore_quota)
        if before and books.quota and books.quota.available <= before.available:
            raise QgError(
                "A surplus lease was released, but no channel came free for it, so the others were kept. A plan that "
                f"is billed by volume pays for every new lease: it has {books.quota.available} left.",
                quota=books.quota.described(),
            )
        _release(self._kind, books, surplus[1:])

    def _check_lifetimes(self) -> None:
        """Raise QgError if new leases end too soon."""
        least, now = self._desired.min_remaining, self._kind.caller.vendor_clock.now()
        new = [lease for name, lease in self._books.held.items() if name in self._books.bought]
        short = [lease for lease in new if (left := lease.remaining(now)) is not None and left < least * 60]
        # Without min_remaining, any lifetime is accepted, even one that seems over by the clock of this control node.
        if least and short:
            raise QgError(
                f"{counted(len(short), 'new lease', 'have')} less than min_remaining={_duration(least)} left: "
                f"{_addresses(short)}. Lower min_remaining, or raise keep_alive if the plan allows it."
            )

    def _complete(self, result: LeaseResult, first: Plan, check: bool) -> None:
        """Add the leases that match in the end; a failure to tell must not hide what was paid for."""
        books, desired, last = self._books, self._desired, first
        with contextlib.suppress(QgError):
            last = first if check else self._plan()
        kept = [books.held[name] for name in last.keep if name in books.held]
        others = [lease for lease in kept if lease.name in last.elsewhere]
        excluded = [lease for lease in kept if desired.excludes(self._kind.traits(lease, None))]
        result.leases = tuple(oldest_first(lease for lease in kept if lease not in excluded))
        if others:
            result.warnings.append(
                f"QG.net lists {_addresses(others)} in another area or with another ISP than was requested. They count "
                "for this request until they end, since another lease would be paid for and be no better."
            )
        if check:
            return
        result.missing = max(0, desired.count - len(result.leases))
        if result.missing and not result.error:
            are_missing = (
                f"so {result.missing} of count={desired.count} {'is' if result.missing == 1 else 'are'} missing."
            )
            text = (
                f"Leases ended while this task waited, {are_missing} Run it again, or raise keep_alive if the plan "
                "allows it."
            )
            if excluded:
                text = (
                    f"{counted(len(excluded), 'new lease', 'have')} an address that exclude_ips contains or that no "
                    f"program can use ({_addresses(excluded)}), {are_missing} To lease others, which are paid for, "
                    "too, run it again."
                )
            result.error = QgError(text)


def planned(
    kind: LeaseKind, books: Books[Lease], held: Mapping[str, Lease], desired: Desired, *, every: bool = False
) -> Plan:
    """Return what has to change for the desired state, with these leases."""
    terms = known_terms(books)

    def areas() -> dict[str, str]:
        try:
            return codes_by_name(kind.client.named_areas())
        except (CallError, WaitBudgetExceeded):
            # Without the names, the leases stay undetermined.
            return {}

    traits: dict[str, Traits] = {
        lease.name: kind.traits(lease, terms.get(lease.name)) for lease in oldest_first(held.values())
    }
    return plan(traits, desired, areas, bought=books.bought, every=every)


def applicable(kind: LeaseKind, desired: Desired) -> Desired:
    """Leave out ``min_remaining`` where the deadline of a lease is not its end."""
    return desired if kind.ends_at_deadline else dataclasses.replace(desired, min_remaining=0)


def release_leases(client: Leases, chosen: NamedLeases | None, *, check: bool = False) -> LeaseResult:
    """Release the held leases that are ``chosen``, or all."""
    with lease_books(client, releases=False) as (kind, books):
        leases = [lease for lease in books.held.values() if chosen is None or chosen(lease)]
        kind.by_task = _check_release(books, leases, chosen)
        result = LeaseResult.of(books)
        if check:
            result.released = tuple(oldest_first(leases))
        else:
            with result.completed(books, leases):
                _release(kind, books, [lease.name for lease in leases])
        return result


def _check_release(books: Books[Lease], leases: Collection[Lease], chosen: NamedLeases | None) -> bool:
    """Refuse a release that could hit other leases; returns whether the leases must be released by task."""
    check_addresses(leases)
    return are_shared(leases, books.held.values(), by_task=chosen is not None and chosen.option == "task_ids")


def _release(kind: LeaseKind, books: Books[Lease], names: Collection[str]) -> None:
    if not names:
        return
    # Oldest first, since the vendor may refuse to release young leases.
    ordered = [lease.name for lease in oldest_first(books.held[name] for name in names)]
    if len(ordered) > kind.client.release_batch():
        # The limit depends on the channels of the plan. Reading the quota stores their number.
        books.quota = kind.quota()
    rules = RELEASE_RULES.get(kind.client.product, "")
    release(books, ordered, size=kind.client.release_batch(), attempts=_attempts(kind), rules=rules)


def replace_leases(
    client: Leases,
    chosen: NamedLeases | None,
    number: int | None,
    params: AllocationParams,
    *,
    check: bool = False,
    caps: Caps | None = None,
) -> LeaseResult:
    """Replace the ``chosen`` leases by release and allocation, or let the vendor replace ``number`` of its choice.

    With neither, replace all. Afterwards the key holds as many leases as before, and the new ones are as the old ones
    in what ``params`` leave open.
    """
    with lease_books(client, caps, releases=not check) as (kind, books):
        named = oldest_first(lease for lease in books.held.values() if chosen is None or chosen(lease))
        names = sorted(chosen.names) if chosen else None
        request = json.dumps([names, number, params.as_json()], sort_keys=True)
        old = [lease.name for lease in named]
        work = Replacement.begin(books, client.caller.facts, request, old, params.as_json())
        count = len(work.old) if number is None else number
        result = LeaseResult.of(books)
        result.missing = count
        if work.continues:
            params = AllocationParams.from_json(work.terms)
            before = (Lease.from_item(item.data[1], item.data[0]) for item in work.before.values())
            result.continued = tuple(lease for lease in before if lease.name in work.old)
        else:
            if count > len(named):
                raise OptionError(
                    f"count={counted(count, 'lease')} cannot be replaced: the key holds {len(named)}. Lower count."
                )
            params = successor_terms(known_terms(books), named, params)
            work.terms = params.as_json()
            # Before the first release: a lease must not be released if its successor must not be bought.
            books.journal.check_caps(count)
        if chosen:
            kind.by_task = _check_release(books, named, chosen)
        if check:
            result.released = tuple(named) if count == len(named) else ()
            return result
        with result.completed(books, result.before):
            _replace(kind, books, work, _purchase(kind, books, params), by_vendor=None if chosen else count)
        result.missing = work.missing()
        return result


def _replace(
    kind: LeaseKind, books: Books[Lease], work: Replacement[Lease], purchase: Purchase[Lease], by_vendor: int | None
) -> None:
    books.settle()
    if by_vendor is None and not work.continues:
        # Others may use channels, too: a release must not wait for those to become free.
        books.quota = kind.quota()
        work.tolerated = books.tolerated = books.excess()
    work.store()
    try:
        if by_vendor is None:
            _replace_named(kind, books, work, purchase)
        else:
            work.swap(purchase, by_vendor)
    except QgError:
        work.give_up()
        raise
    work.finish()


def _replace_named(kind: LeaseKind, books: Books[Lease], work: Replacement[Lease], purchase: Purchase[Lease]) -> None:
    """Release leases, and buy successors; one first, so that the others are kept if there is no successor."""
    old, quota = [name for name in work.old if name in books.held], books.quota
    is_short = quota is not None and quota.available < len(old)
    for batch in ([], old[:1], old[1:]):
        try:
            _release(kind, books, [name for name in batch if name in books.held])
        except UncertainOutcomeError:
            raise
        except QgError:
            # Allocate successors for the released ones, even if not all could be released.
            purchase.buy_missing(work.missing)
            raise
        # List and quota have been compared before the release, which was reported.
        purchase.buy_missing(work.missing, is_confirmed=bool(batch) and not books.open and not is_short)
        if batch == old[:1] and is_short and len(old) > 1:
            _check_channel_returned(books, quota, len(old) - 1)


def _check_channel_returned(books: Books[Lease], before: Quota | None, others: int) -> None:
    """Keep the other leases if the channel of the first one has not come free, as with a plan by volume."""
    quota = books.quota
    if before and quota and quota.available <= before.available and quota.available - 1 < others:
        raise QgError(
            f"One lease was replaced, but its channel did not come free, so the other {counted(others, 'lease')} were "
            f"kept. A plan that is billed by volume pays for every new lease: it has {quota.available - 1} left.",
            quota=quota.described(),
        )


def successor_terms(
    known: Mapping[str, AllocationParams], leases: Sequence[Lease], params: AllocationParams
) -> AllocationParams:
    """Return the parameters for the successors of these leases: of what ``params`` leave open, those of the leases.

    Raises OptionError for leases whose successors would have different ones.
    """
    groups = dict[AllocationParams, list[Lease]]()
    for lease in leases:
        groups.setdefault(_inherited(params, known.get(lease.name, AllocationParams())), []).append(lease)
    if len(groups) > 1:
        named = " and ".join(_addresses(group) for group in groups.values())
        raise OptionError(
            f"The leases were requested with different areas, isp or keep_alive: {named}. Replace each group by a task "
            "of its own with ips, or give all three for the new leases."
        )
    return next(iter(groups), params)


def _inherited(params: AllocationParams, old: AllocationParams) -> AllocationParams:
    is_placed = params.areas or params.exclude_areas
    return dataclasses.replace(
        params,
        keep_alive=old.keep_alive if params.keep_alive is None else params.keep_alive,
        isp=params.isp or old.isp,
        areas=params.areas if is_placed else old.areas,
        exclude_areas=params.exclude_areas if is_placed else old.exclude_areas,
    )


def _purchase(
    kind: LeaseKind, books: Books[Lease], params: AllocationParams, *, ignore_quota: bool = False
) -> Purchase[Lease]:
    request = {"terms": params.as_json()}
    return Purchase(books, params, request, MAX_PER_CALL, _attempts(kind), ignore_quota)


def _attempts(kind: LeaseKind) -> int:
    return min(ATTEMPTS, kind.caller.max_attempts)


def _addresses(leases: Sequence[Lease]) -> str:
    return format_sample([lease.ip for lease in leases])


def _duration(minutes: float) -> str:
    return counted(minutes, "minute") if isinstance(minutes, int) else counted(minutes * 60, "second")


def _lifetime(seconds: float) -> str:
    """Return a lifetime for a message; rounded down, so that it never equals the requested one."""
    return counted(int(seconds), "second") if seconds < 120 else counted(int(seconds // 60), "minute")
