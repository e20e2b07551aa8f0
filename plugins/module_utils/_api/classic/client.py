# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The classic proxy API (``https://proxy.qg.net``), a method per call of the vendor.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..._core.errors import CallError, Effect, QgError, TransportError
from ..._core.waiting import WaitBudget
from ..._store.directory import StateError
from ..._store.rate_limiter import RateLimiter
from ..._store.reported import (
    LEASES,
    MONOPOLIES,
    WHITELIST,
    ReportedChanges,
)
from ..._store.whitelist_writes import (
    WhitelistWrite,
    WhitelistWrites,
)
from ..parsing import ResponseShapeError
from ..retry import Client, T, unreadable
from ..transport import Transport, encode, service_of
from . import endpoints
from .endpoints import Endpoint
from .errors import RATE_LIMITED, ApiError
from .models import (
    ISP_NUMBERS,
    Area,
    Lease,
    Monopoly,
    Quota,
    addresses,
    all_leases,
    areas,
    idle_stock,
    monopolies,
    new_leases,
    released_addresses,
    released_monopolies,
    task_leases,
)
from .responses import ClassicResponseParser

#: How an answer's JSON becomes what the caller gets; raises ResponseShapeError.
Reader = Callable[[dict[str, Any]], T]
#: Entered around each request of a call, from the moment that it is sent.
Sending = Callable[[], contextlib.AbstractContextManager[None]]

#: Longest query, in characters, that is sent by GET. The vendor wants POST "when the parameters are too long"
#: without a figure; servers commonly take a request line of 8 kB.
MAX_QUERY = 4000
#: Seconds between looks whether another run has let go of the key.
LOCK_POLL_INTERVAL = 0.2


class PostRejected(CallError):
    """The call was sent by POST and refused, though the same key was served by GET before."""


@dataclass(frozen=True)
class WhitelistReading:
    """The whitelist as the vendor ``listed`` it, and what was reported to this control node but is not listed yet.

    ``missing`` addresses were added, and ``gone`` ones removed. ``complete`` is False if the response held no list.
    """

    listed: frozenset[str]
    missing: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    complete: bool = True

    @property
    def ips(self) -> frozenset[str]:
        """The addresses that are on the whitelist."""
        return self.listed.union(self.missing).difference(self.gone)

    @property
    def late(self) -> frozenset[str]:
        """The addresses whose change the list does not show yet."""
        return self.missing.union(self.gone)

    def without(self, ips: Collection[str]) -> WhitelistReading:
        """The reading if the reports about these addresses are not believed."""
        missing, gone = self.missing.difference(ips), self.gone.difference(ips)
        return WhitelistReading(self.listed, missing, gone, self.complete)


class ProxyApi(Client):
    """The calls of one key.

    A method raises ApiError if the vendor refuses, TransportError without a usable response, and WaitBudgetExceeded
    if the wait for the rate limit exceeds the budget.
    """

    def __init__(
        self,
        transport: Transport,
        rate_limiter: RateLimiter,
        budget: WaitBudget,
        *,
        api_url: str,
        key: str,
        pwd: str | None = None,
    ) -> None:
        super().__init__(transport, budget)
        self.rate_limiter = rate_limiter
        self._api_url = api_url.rstrip("/")
        self._credentials = {"Key": key, **({"Pwd": pwd} if pwd else {})}
        self._listener = ClassicResponseParser(self._credentials.values())
        #: The name of the key in the state directory.
        self.key_digest = rate_limiter.state.digest("pacing", service_of(api_url), key)
        self._forms = True
        self._reported_leases = ReportedChanges(rate_limiter.state, self.key_digest, LEASES, rate_limiter.now)
        #: Whether addresses of this control node should be on the whitelist, so that an empty one is read once more.
        self.expects_addresses: Callable[[], bool] = lambda: False
        self._reported = ReportedChanges(rate_limiter.state, self.key_digest, WHITELIST, rate_limiter.now)
        self._writes = WhitelistWrites(rate_limiter.state, self.key_digest, rate_limiter.now)

    def whitelist(self) -> list[str]:
        """All addresses on the key's whitelist, also those that were added a moment ago and are not listed yet."""
        return sorted(self.read_whitelist().ips)

    def read_whitelist(self, *, may_be_empty: bool = False) -> WhitelistReading:
        """The whitelist, with what the vendor reported to this control node and does not list yet.

        An empty one is read once more, unless it ``may_be_empty``, if addresses of this control node should be on it.
        """
        reading = self._read_whitelist()
        if reading.listed or may_be_empty:
            return reading
        # An empty list that lags is no surprise after a report; one that is not there at all is.
        if self.expects_addresses() or (reading.missing and not reading.complete):
            reading = self._read_whitelist()
        return reading

    def _read_whitelist(self) -> WhitelistReading:
        listed, complete = self._call(endpoints.WHITELIST_QUERY, {}, _listing)
        correction = self._reported.correct(listed, complete=complete)
        reading = WhitelistReading(frozenset(listed), frozenset(correction.missing), correction.gone, complete)
        if complete:
            self._writes.observe(reading.ips)
        return reading

    def distrust(self, ips: Collection[str]) -> None:
        """Believe the list again for addresses whose reported change it has not shown in time."""
        self._reported.forget(ips)

    def add(self, ips: Sequence[str]) -> list[str]:
        """Put addresses on the whitelist; the answer names those that the vendor says it added."""
        return self._change_whitelist(endpoints.WHITELIST_ADD, ips, present=True)

    def remove(self, ips: Sequence[str]) -> list[str]:
        """Take addresses off the whitelist; the answer names those that the vendor says it removed."""
        return self._change_whitelist(endpoints.WHITELIST_DEL, ips, present=False)

    def unresolved_writes(self) -> list[WhitelistWrite]:
        """Changes of the whitelist whose result is not known, whichever process sent them."""
        return self._writes.unresolved()

    def settles_in(self, conflicts: Callable[[WhitelistWrite], bool]) -> float:
        """Seconds until no unresolved change of the whitelist that ``conflicts`` can be under way any more."""
        now = self.rate_limiter.now()
        return max([0.0, *(write.settles_in(now) for write in self._writes.unresolved() if conflicts(write))])

    def _change_whitelist(self, endpoint: Endpoint, ips: Sequence[str], *, present: bool) -> list[str]:
        sent: list[int] = []

        @contextlib.contextmanager
        def recorded() -> Iterator[None]:
            number = self._writes.record(ips, present=present, timeout=self.timeout)
            try:
                yield
            except CallError as problem:
                with contextlib.suppress(StateError):
                    if problem.may_have_effect:
                        self._writes.keep(number, over=problem.effect is not Effect.IN_FLIGHT)
                    else:
                        self._writes.resolve(number)
                raise
            sent.append(number)

        done = self._call(endpoint, {"IP": ",".join(ips)}, addresses, recorded)
        # If this cannot be recorded, the call stays unresolved, and later runs wait until it is settled.
        with contextlib.suppress(StateError):
            named = set(done).intersection(ips)
            self._reported.record(dict.fromkeys(named) if present else {}, () if present else named)
            self._writes.acknowledge(sent[-1], named)
        return done

    def whitelist_batch_delay(self) -> float:
        """Seconds by which to put off a change of the whitelist, so that it is made for more at once."""
        calls = (endpoints.WHITELIST_QUERY, endpoints.WHITELIST_ADD, endpoints.WHITELIST_DEL)
        return max(self.rate_limiter.batch_delay(self.key_digest, call.name, call.per_minute) for call in calls)

    def quota(self) -> Quota:
        """The plan's channels; of a plan by volume, the addresses that are left."""
        quota = self._call(endpoints.QUOTA, {}, Quota.from_answer)
        self.rate_limiter.learn_channels(self.key_digest, quota.total)
        return quota

    def quota_or_none(self, *refusals: int) -> Quota | None:
        """The same; None where the vendor refuses with one of these codes, as it does for plans that have none."""
        try:
            return self.quota()
        except ApiError as problem:
            if problem.code in refusals:
                return None
            raise

    def leases(self, task_ids: Sequence[str] = (), *, doubted: Collection[str] = ()) -> list[Lease]:
        """What the key holds, of these tasks or of all: the vendor's list, with what it does not show yet.

        For ``doubted`` leases (names), whose release was reported, the list alone decides.
        """
        tasks = {"TaskID": ",".join(task_ids)} if task_ids else {}
        listed = self._without_secrets(self._call(endpoints.QUERY, {**tasks, "Detail": "1"}, all_leases))
        late = self._reported_leases.correct(
            {lease.name for lease in listed},
            lambda name: not task_ids or json.loads(name)[0] in task_ids,
        )
        gone = late.gone.difference(doubted)
        missing = [Lease.from_item(item, task) for task, item in late.missing.values()]
        now = self.rate_limiter.now()
        return [
            *(lease for lease in listed if lease.name not in gone),
            *(lease for lease in missing if (lease.remaining(now) or 1) > 0),
        ]

    def _without_secrets(self, leases: Iterable[Lease]) -> list[Lease]:
        """Leases with fields of the vendor as they may be kept in the state directory; what names a lease stays."""

        def clean(vendor: Mapping[str, Any]) -> Mapping[str, Any]:
            cleaned: Mapping[str, Any] = self._listener.redactor.tree({"vendor": vendor})["vendor"]
            named = {name: vendor[name] for name in ("IP", "port", "host") if name in vendor}
            return vendor if cleaned is vendor else {**cleaned, **named}

        return [replace(lease, vendor=clean(lease.vendor)) for lease in leases]

    def allocate(
        self,
        number: int,
        *,
        keep_alive: int | None = None,
        area_id: int | None = None,
        isp: str | None = None,
        distinct: bool = False,
        sending: Sending = contextlib.nullcontext,
    ) -> list[Lease]:
        """Lease up to 100 addresses, for ``keep_alive`` minutes; the response names them."""
        parameters = _lease_parameters(number, keep_alive, area_id, isp, distinct)
        return self._report(self._call(endpoints.ALLOCATE, parameters, new_leases, sending))

    def replace(
        self,
        number: int,
        *,
        keep_alive: int | None = None,
        area_id: int | None = None,
        isp: str | None = None,
        distinct: bool = False,
        sending: Sending = contextlib.nullcontext,
    ) -> list[Lease]:
        """Let the vendor release N leases of its own choice and lease as many anew; the response names those."""
        parameters = _lease_parameters(number, keep_alive, area_id, isp, distinct)
        return self._report(self._call(endpoints.REPLACE, parameters, new_leases, sending))

    def forget_leases(self, names: Collection[str]) -> None:
        """Discard what was reported about these leases, so that the list alone decides."""
        self._reported_leases.forget(names)

    def report_released(self, names: Collection[str]) -> None:
        """Keep that these leases are gone, whatever the list shows."""
        self._reported_leases.record(gone=names)

    def _report(self, leases: Iterable[Lease]) -> list[Lease]:
        leases = self._without_secrets(leases)
        # What was paid for must be returned, also if it cannot be recorded.
        with contextlib.suppress(StateError):
            self._reported_leases.record({lease.name: [lease.task_id, dict(lease.vendor)] for lease in leases})
        return leases

    def release(
        self, leases: Sequence[Lease], *, by_task: bool = False, sending: Sending = contextlib.nullcontext
    ) -> list[Lease]:
        """Release leases, named by their addresses or by their tasks, never both; returns those reported as released.

        The response may name them; where it reports a success alone, it is taken for all.
        """
        names = dict.fromkeys(lease.task_id if by_task else lease.ip for lease in leases)
        # The vendor counts the addresses as well as the calls.
        limit = endpoints.RELEASED_ADDRESSES.limit(self._channels)
        with self._place(endpoints.RELEASED_ADDRESSES.name, limit, len(leases)):
            parameters = {"TaskID" if by_task else "IP": ",".join(names)}
            reported = self._call(endpoints.RELEASE, parameters, released_addresses, sending)
        released = [lease for lease in leases if reported is None or lease.ip in reported]
        with contextlib.suppress(StateError):
            self._reported_leases.record(gone=[lease.name for lease in released])
        return released

    def release_batch(self) -> int:
        """How many addresses may be released in one minute."""
        return endpoints.RELEASED_ADDRESSES.limit(self._channels)

    def released_recently(self) -> bool:
        """Whether a channel may be about to come free: within a minute after a release or a replacement from here."""
        names = (endpoints.RELEASED_ADDRESSES.name, endpoints.REPLACE.name)
        return any(self.rate_limiter.called_recently(self.key_digest, name) for name in names)

    def pool(
        self, number: int | None, *, area_id: int | None = None, isp: str | None = None, pool: int | None = None
    ) -> list[Lease]:
        """Addresses of the shared pool, which take no channel."""
        parameters = {"Num": number, "AreaId": area_id, "ISP": ISP_NUMBERS.get(isp or ""), "Pool": pool, "Detail": 1}
        return self._call(endpoints.EXTRACT, _texts(parameters), task_leases)

    def areas(self, area_id: int | None = None, isp: str | None = None, available: bool | None = None) -> list[Area]:
        """The areas that the vendor offers addresses in."""
        status = None if available is None else int(available)
        parameters = {"AreaId": area_id, "Isp": ISP_NUMBERS.get(isp or ""), "Status": status}
        return self._call(endpoints.AREAS, _texts(parameters), areas)

    def monopolies(self, uuids: Sequence[str] = ()) -> list[Monopoly]:
        """The exclusive-occupancy resources of the key, these or all.

        Resources that the vendor reported as released to this control node are left out for as long as the list may
        lag.
        """
        listed = self.listed_monopolies(uuids)
        gone = self.reported_monopolies.gone()
        return [monopoly for monopoly in listed if monopoly.uuid not in gone]

    @property
    def reported_monopolies(self) -> ReportedChanges:
        """What the vendor reported about the exclusive-occupancy resources of the key."""
        return ReportedChanges(self.rate_limiter.state, self.key_digest, MONOPOLIES, self.rate_limiter.now)

    def listed_monopolies(self, uuids: Sequence[str] = ()) -> list[Monopoly]:
        """The same as the vendor's list shows them."""
        named = {"UUIDs": ",".join(uuids)} if uuids else {}
        return self._call(endpoints.MONOPOLIES, named, monopolies)

    def idle_monopolies(self) -> list[Any]:
        """What could be applied for, as the vendor tells it."""
        return self._call(endpoints.MONOPOLIES_IDLE, {}, idle_stock)

    def apply_for_monopolies(
        self,
        number: int,
        *,
        area_code: int | None = None,
        isp: str | None = None,
        sending: Sending = contextlib.nullcontext,
    ) -> None:
        """Apply for so many; what was given shows in the list, and its address some time later."""
        parameters = {"Num": number, "AreaCode": area_code, "Operator": ISP_NUMBERS.get(isp or "")}
        self._call(endpoints.MONOPOLIES_APPLY, _texts(parameters), lambda _body: None, sending=sending)

    def redial_monopolies(self, uuids: Sequence[str]) -> None:
        """Give them new addresses; the list shows when that is done."""
        self._call(endpoints.MONOPOLIES_REDIAL, {"UUIDs": ",".join(uuids)}, lambda _body: None)

    def release_monopolies(self, uuids: Sequence[str]) -> list[str] | None:
        """Release them, and record what the vendor reports as released.

        Returns the names in the response; None if it is a success without names.
        """
        named = self._call(endpoints.MONOPOLIES_RELEASE, {"UUIDs": ",".join(uuids)}, released_monopolies)
        released = list(uuids) if named is None else [uuid for uuid in uuids if uuid in named]
        self.reported_monopolies.record(gone=released)
        return None if named is None else released

    def batches(self, ips: Sequence[str], most: int | None = None) -> list[list[str]]:
        """Split addresses into the fewest calls: one (by POST if it is long), or as many as fit a query each."""
        size = len(ips)
        if not self._forms:
            credentials = len(encode(self._credentials))
            # An address has at most 15 characters, and a comma.
            size = max(1, (MAX_QUERY - credentials - len("&IP=")) // 16)
        size = max(1, min(size, most or size))
        return [list(ips[start : start + size]) for start in range(0, len(ips), size)]

    @contextlib.contextmanager
    def alone(self, work: str = "changing") -> Iterator[None]:
        """Keep every other run of this control node from changing (or else reading) what the key holds."""
        while True:
            with self.rate_limiter.state.try_lock(f"{work}.{self.key_digest}") as alone:
                if alone:
                    yield
                    return
            self.budget.wait(LOCK_POLL_INTERVAL, f"another run is {work} what this key holds", endpoints.QUERY.path)

    @property
    def _channels(self) -> int | None:
        return self.rate_limiter.channels(self.key_digest)

    def _call(
        self,
        endpoint: Endpoint,
        parameters: Mapping[str, str],
        read: Reader[T],
        sending: Sending = contextlib.nullcontext,
    ) -> T:
        """Send a call until it is answered. ``sending`` is entered around each time that it is really sent."""

        def attempt() -> T:
            limit = endpoint.limit(self._channels if endpoint.per_channel else None)
            with self._place(endpoint.name, limit), sending():
                return self._once(endpoint, parameters, read)

        return self._call_with_retries(endpoint.name, attempt, repeatable=endpoint.repeatable)

    @contextlib.contextmanager
    def _place(self, name: str, limit: int, amount: int = 1) -> Iterator[None]:
        """A place under the vendor's limit, from before the call until a minute after it."""
        place = self.rate_limiter.acquire(self.key_digest, name, limit, self._transport.timeout, self.budget, amount)
        try:
            yield
        finally:
            # If it cannot be recorded, the place is taken for longer. That must not hide what the call did.
            with contextlib.suppress(StateError):
                self.rate_limiter.complete(place)

    def _counts(self, problem: CallError) -> bool:
        """A refusal for the rate costs a minute each time, so that max_wait ends these tries, and nothing else does."""
        return not _for_the_rate(problem) or problem.retry_after is not None

    def _rest(self, problem: CallError, tries: int, name: str) -> None:
        """After a refusal for the rate, all who share the key wait."""
        if _for_the_rate(problem):
            self.rate_limiter.block(self.key_digest, name, problem.retry_after)
        else:
            super()._rest(problem, tries, name)

    def _once(self, endpoint: Endpoint, parameters: Mapping[str, str], read: Reader[T]) -> T:
        everything = {**self._credentials, **parameters}
        by_form = endpoint.method == "GET" and self._forms and len(encode(everything)) > MAX_QUERY
        method = "POST" if by_form else endpoint.method
        self.calls += 1
        try:
            answer = self._transport.send(method, self._api_url + endpoint.path, everything, endpoint.name)
            try:
                return read(self._listener.body(answer, endpoint))
            except QgError:
                raise
            except ResponseShapeError as problem:
                raise TransportError(
                    f"{endpoint.name}: the answer cannot be read: {problem}.",
                    endpoint=endpoint.name,
                    effect=Effect.UNKNOWN,
                ) from None
            except Exception as problem:
                raise unreadable(problem, endpoint.name) from problem
        except CallError as problem:
            if by_form and _refuses_forms(problem):
                self._forms = False
                raise PostRejected(problem.message, effect=Effect.REJECTED, **problem.details) from None
            raise


def _listing(body: Mapping[str, Any]) -> tuple[list[str], bool]:
    """The addresses in a response, and whether it held a list at all."""
    return addresses(body), body.get("Data") is not None


def _for_the_rate(problem: CallError) -> bool:
    """Whether the vendor refused a call because there were too many."""
    return problem.details.get("code") == RATE_LIMITED or problem.details.get("http_status") == 429


def _texts(parameters: Mapping[str, object]) -> dict[str, str]:
    """The parameters that have a value, as text."""
    return {name: str(value) for name, value in parameters.items() if value is not None}


def _lease_parameters(
    number: int, keep_alive: int | None, area_id: int | None, isp: str | None, distinct: bool
) -> dict[str, str]:
    return _texts(
        {
            "Num": number,
            "KeepAlive": keep_alive,
            "AreaId": area_id,
            "Isp": ISP_NUMBERS.get(isp or ""),
            "Detail": 1,
            "Distinct": 1 if distinct else None,
        }
    )


def _refuses_forms(problem: CallError) -> bool:
    """Whether a refusal may be due to the form: not understood at all, or read as a call without parameters."""
    if isinstance(problem, ApiError):
        return problem.code in (-10, -12, -14, -100)
    unsent = problem.effect is Effect.NOT_SENT and not problem.retryable
    return unsent and problem.details.get("http_status") is not None
