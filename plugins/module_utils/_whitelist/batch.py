# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One batch: the changes that the leader makes for its own claim and for all waiting ones.

The claims come from tasks of qg_whitelist and from hosts of qg_egress_whitelist. A leader of either kind works for
both.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from .._api.classic.errors import RATE_LIMITED
from .._core.errors import OptionError, QgError, TransportError, WaitBudgetExceeded
from .._reconcile.held_whitelist import ADD, REMOVE, HeldWhitelist
from .._store.claims import Claim, Claims
from .._store.directory import StateError
from .._store.interface import Store
from .._store.journal import WHITELIST, Journal
from .._store.registrations import Owner, RegistrationStore
from .._task.operation import Mode, without_secrets
from .._task.options import ProxyApiOptions
from .applier import reconcile
from .groups import Group, compatible_groups, merge_desired
from .host_plan import host_registration
from .ownership import describe_owner
from .plan import WhitelistResult
from .results import NO_USAGE
from .status import Attributions, Changed, Round, attributions
from .turns import Decision, Turns

if TYPE_CHECKING:
    from .._api.classic.client import ProxyApi
    from .._reconcile.held_whitelist import WhitelistReading


def prune_missing(registrations: RegistrationStore, reading: WhitelistReading | None) -> None:
    """Delete registrations that are no longer on the whitelist, if the reading is complete."""
    if reading is not None and reading.complete:
        registrations.prune_missing(reading.listed | reading.ips)


def claims_for(options: ProxyApiOptions, store: Store, *, check: bool) -> Claims:
    """Return the claims on the whitelist of a key, by all tasks with the same access options."""
    way = options.transport
    access = (options.pwd, way.validate_certs, way.ca_path, way.use_proxy, way.api_proxy, way.retries)
    digest = store.digest("access", *("" if value is None else str(value) for value in access))
    return Claims(store, options.whitelist_key(store), digest, check=check)


def find_holder(registrations: RegistrationStore, ip: str) -> str | None:
    """Return the host that this control node has registered with an address for another key."""
    holders: list[Owner] = []
    with contextlib.suppress(StateError):
        holders = registrations.load_holders(ip)
    return describe_owner(holders[0].host, holders[0].inventory) if holders else None


@dataclass(frozen=True)
class Found:
    """What decides the ``claim`` of this task: a round, or the ``failure`` of a leader that has changed nothing.

    ``made`` are the changes for each claim. It was ``received`` from another leader, or this process was the leader.
    """

    claim: Claim
    round: Round
    made: Attributions = field(default_factory=dict)
    failure: Mapping[str, Any] = field(default_factory=dict)
    received: bool = False


class WriteBatch:
    """The work of a task as the leader, for its own claim and for others.

    ``state_error`` is set if the state failed after the vendor was called.
    """

    def __init__(
        self,
        turns: Turns,
        claim: Claim,
        options: ProxyApiOptions,
        mode: Mode,
        api: ProxyApi | None = None,
    ) -> None:
        self.state_error: StateError | None = None
        self._turns = turns
        self._claims = turns.claims
        self._claim = claim
        self._options = options
        self._mode = mode
        self._api = api
        self._own: Found | None = None
        self._group_claims: list[Claim] = []
        self._charged_wait = 0.0

    @property
    def api_usage(self) -> dict[str, Any]:
        """The calls of this task, and the seconds that it waited, including waits for other leaders."""
        usage, waited = NO_USAGE, self._turns.waited
        if self._api is not None:
            usage, waited = self._api.usage(), waited + self._api.budget.waited - self._charged_wait
        return {**usage, "waited_seconds": round(waited, 1)}

    def run(self) -> Found:
        """Return what decides the claim."""
        content = None
        began = self._claims.store.now()
        try:
            content = self._turns.take(self._claim, self.work, self.window)
        except StateError as error:
            if self._own is None:
                raise
            self.state_error = self.state_error or error
        if content is None:
            assert self._own is not None  # noqa: S101 - for mypy: take() has called work()
            return self._own
        if failure := content.get("failure"):
            return Found(self._claim, Round(frozenset()), failure=failure, received=True)
        made = self._made_since(self._claim.made_at or began)
        return Found(self._claim, Round.from_json(content), made, received=True)

    def group_of(self, found: Found) -> list[Claim]:
        """Return the claims that were decided together with that of this host, for the summary of its run."""
        return self._claims.decided_with(found.claim) if found.received else self._group_claims

    def tolerate_state_error(self, work: Callable[[], None]) -> None:
        """Use the state after the vendor was called, and record its failure, which must not hide the changes."""
        try:
            work()
        except StateError as error:
            self.state_error = self.state_error or error

    def report_state_error(self, result: dict[str, Any]) -> None:
        """Add the failure of the state to a result that has not failed otherwise."""
        if self.state_error and not result.get("failed"):
            result.update({**self.state_error.as_result(), "failed": True})
            result.pop("not_in_sync", None)

    def holder_of(self, ip: str) -> str | None:
        """Return the host that is registered with an address for another key."""
        return find_holder(self._registrations(""), ip)

    def owners(self) -> list[Owner]:
        """Return all hosts that are registered for the key."""
        return self._registrations("").load_owners()

    def window(self) -> float:
        """Return the seconds to wait for more claims before a change, to stay within the vendor's rate limit."""
        if self._mode.check:
            return 0.0
        self._api = self._api or self._options.client(self._claims.store)
        return min(self._api.whitelist_batch_delay(), self._options.transport.max_wait)

    def work(self, claims: list[Claim]) -> Decision:
        """Reconcile the whitelist for the first claim, and for all of the others that are compatible with it."""
        groups = compatible_groups(self._claims, claims)
        desired = [group.desired for group in groups]
        # A leader that was killed may have changed something for them.
        stored = [claim.made_at for group in groups for claim in group.claims if claim.made_at is not None]
        earlier = self._made_since(min(stored)) if stored else {}
        try:
            held = self._prepared(groups)
            merged = reconcile(
                held,
                merge_desired(desired),
                check=self._mode.check,
                on_plan=lambda found: self._record_intent(found, groups),
                find_holder=cache(self.holder_of),
            )
        except QgError as error:
            return self._failure(error, groups)
        made = {**earlier, **{change: (ids, math.inf) for change, ids in held.sent.items()}}
        found = Round.of(merged, predicted=self._mode.check, shared=len(groups) > 1)
        hosts = [group for group in groups if group.hosts]
        found = replace(
            found,
            reporters=tuple(group.claims[0].id for group in hosts),
            shown=tuple(self._shown(group, found, made) for group in hosts),
        )
        if not self._mode.check:
            self.tolerate_state_error(lambda: self._register(groups, found, merged, made))
        self._group_claims = groups[0].claims
        self._own = Found(self._group_claims[0], found, made)
        return Decision(self._redacted(found.as_json()), self._decided(groups, found))

    def _made_since(self, moment: float) -> Attributions:
        """Return the changes that were sent since a moment, in check mode none."""
        journal = Journal(self._claims.store, self._claims.key, WHITELIST)
        return {} if self._mode.check else attributions(journal.since(moment))

    def _prepared(self, groups: Sequence[Group]) -> HeldWhitelist:
        turns, api = self._turns, self._api or self._options.client(self._claims.store)
        # The wait for other leaders counts towards max_wait, up to its end, so that calls without a wait are possible.
        self._charged_wait = min(turns.waited - turns.collected, api.budget.max_wait)
        api.budget.waited += self._charged_wait
        self._api = api
        # Each change is for the first group that asks for it.
        claimants = {
            operation: dict(item for group in reversed(groups) for item in group.claimants(operation).items())
            for operation in (ADD, REMOVE)
        }
        first = [groups[0].claims[0].id]
        expects = self._registrations("").expects_addresses
        return HeldWhitelist(api, expects, lambda operation, ip: claimants[operation].get(ip, first))

    def _registrations(self, inventory: str) -> RegistrationStore:
        return RegistrationStore(self._claims.store, self._claims.key, inventory)

    def _record_intent(self, found: WhitelistResult, groups: list[Group]) -> None:
        self._turns.readings.invalidate()
        for group in groups:
            if group.hosts and group.desired.state == "present":
                new = [(host, set(own.ips).intersection(found.first.add)) for host, own in group.hosts.items()]
                self._registrations(group.inventory).record_intent(new)

    def _register(
        self, groups: Sequence[Group], found: Round, merged: WhitelistResult, made: Attributions
    ) -> None:
        for group in groups:
            if group.hosts:
                part = found.part(group.desired, Changed.of(group.claims, made)) if found.shared else merged
                part = replace(part, reading=merged.reading)
                kept = [host_registration(host, own, group.registered[host], part) for host, own in group.hosts.items()]
                self._registrations(group.inventory).replace(kept)
        prune_missing(self._registrations(""), merged.reading)

    def _shown(self, group: Group, found: Round, made: Attributions) -> str:
        """Return the claim of the first host that has changed: Ansible shows a diff only for such a host."""
        for claim in group.claims:
            changed = found.predict([claim]) if found.predicted else Changed.of([claim], made)
            if (changed.added & found.after) or (changed.removed - found.after):
                return claim.id
        return group.claims[0].id

    def _decided(self, groups: Sequence[Group], found: Round) -> list[Claim]:
        """Return the claims that this decides: not those that may be fulfilled where this task failed."""
        claims = [claim for group in groups for claim in group.claims]
        if found.error is None:
            return claims
        return [own for own in claims if found.is_fulfilled(own.wanted) or not self._has_better_chances(own, found.error)]

    def _failure(self, error: QgError, groups: list[Group]) -> Decision:
        """Return a failure for all claims, except those that may be fulfilled where this task failed."""
        claims = [claim for group in groups for claim in group.claims]
        failure = self._redacted(error.as_result())
        self._own = Found(claims[0], Round(frozenset()), failure=failure)
        return Decision({"failure": failure}, [own for own in claims if not self._has_better_chances(own, error)])

    def _redacted(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return what is stored without secrets."""
        return without_secrets(content, self._options.secrets)

    def _has_better_chances(self, claim: Claim, error: QgError) -> bool:
        """Whether another claim may be fulfilled although this task failed with ``error``."""
        if claim.id == self._claim.id:
            return False
        if isinstance(error, OptionError):
            return True
        limited = isinstance(error, (TransportError, WaitBudgetExceeded)) or error.details.get("code") == RATE_LIMITED
        own = self._options.transport
        return limited and (claim.max_wait > own.max_wait or claim.timeout > own.timeout)
