# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One batch: the changes that the leader makes for its own claim and for all waiting ones.

The claims come from tasks of qg_whitelist and from hosts of qg_egress_whitelist. A leader of either kind works for
both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from .._api.classic.errors import RATE_LIMITED
from .._core.errors import OptionError, QgError, TransportError, WaitBudgetExceeded
from .._reconcile.held_whitelist import ADD, REMOVE, HeldWhitelist
from .._store.claims import Claim, Claims, Owner, StandingClaims
from .._store.directory import StateError
from .._store.interface import Store
from .._store.journal import Journal
from .._store.journal_rows import WHITELIST
from .._task.operation import Mode, without_secrets
from .._task.options import ProxyApiOptions
from .applier import reconcile
from .groups import Group, compatible_groups, merge_desired
from .ownership import describe_owner, host_registration, registered, without_former, without_missing
from .plan import WhitelistResult
from .results import NO_USAGE
from .status import Attributions, Round, attributions
from .turns import Decision, Turns

if TYPE_CHECKING:
    from .._api.classic.client import ProxyApi
    from .._reconcile.held_whitelist import WhitelistReading


def prune_missing(standing: StandingClaims, reading: WhitelistReading) -> None:
    """Delete registrations that are no longer on the whitelist, if the reading is complete."""
    if reading.complete:
        whitelist = reading.listed | reading.ips
        standing.change(lambda owners, now: without_missing(owners, now, whitelist))


def claims_for(options: ProxyApiOptions, store: Store, *, check: bool) -> Claims:
    """Return the claims on the whitelist of a key, by all tasks with the same access options."""
    digest = store.digest("access", options.password or "")
    return Claims(store, options.whitelist_key(store), digest, check=check)


class WriteBatch:
    """The work of a task as the leader, for its own claim and for others.

    What decides its claim was ``received`` from another leader, unless this process was the leader. ``made`` are the
    changes for each claim. ``state_error`` is set if the state failed after the vendor was called.
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
        self.received = False
        self.made: Attributions = {}
        self._turns = turns
        self._claims = turns.claims
        self._claim = claim
        self._options = options
        self._mode = mode
        self._api = api
        self._found: Round | None = None
        self._group: list[Claim] = []
        self._charged_wait = 0.0

    @property
    def api_usage(self) -> dict[str, Any]:
        """The calls of this task, and the seconds that it waited, including waits for other leaders."""
        usage, waited = NO_USAGE, self._turns.waited
        if self._api is not None:
            usage, waited = self._api.usage(), waited + self._api.budget.waited - self._charged_wait
        return {**usage, "waited_seconds": round(waited, 1)}

    def run(self) -> Round:
        """Return what decides the claim."""
        content, began = None, self._claims.store.now()
        try:
            content = self._turns.take(self._claim, self.work, self.window)
        except StateError as error:
            if self._found is None:
                raise
            self.state_error = self.state_error or error
        if content is not None:
            self.received, self._found = True, Round.from_json(content)
            self.made = self._made_since(self._claim.made_at or began)
        return cast("Round", self._found)

    def group(self) -> list[Claim]:
        """Return the claims of the run that were decided together with that of this host."""
        return self._claims.decided_with(self._claim) if self.received else self._group

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

    def owners(self) -> list[Owner]:
        """Return all hosts that are registered for the key."""
        return self._claims.standing.owners()

    def window(self) -> float:
        """Return the seconds to wait for more claims before a change, to stay within the vendor's rate limit."""
        if self._mode.check:
            return 0.0
        self._api = self._api or self._options.client(self._claims.store)
        return min(self._api.whitelist_batch_delay(), self._options.transport.max_wait)

    def work(self, claims: list[Claim]) -> Decision:
        """Reconcile the whitelist for the first claim, and for all of the others that are compatible with it."""
        groups, check = compatible_groups(self._claims, claims), self._mode.check
        hosts = [group for group in groups if group.hosts]
        # A leader that was killed may have changed something for this process.
        earlier = {} if claims[0].made_at is None else self._made_since(claims[0].made_at)
        try:
            held = self._prepared(groups)
            merged = reconcile(
                held,
                merge_desired([group.desired for group in groups]),
                check=check,
                on_plan=lambda first, before: self._register(hosts, before, changes=first.changes),
                find_holder=self._find_holder,
            )
        except QgError as error:
            found = Round(error=error, is_known=False)
        else:
            self.made = {**earlier, **held.sent}
            if not check:
                self.tolerate_state_error(lambda: self._forget(merged, hosts))
            found = Round.of(merged, predicted=check, shared=len(groups) > 1)
            reporters = tuple(group.claims[0].id for group in hosts)
            shown = tuple(found.first_changed(group.claims, self.made) for group in hosts)
            found = replace(found, reporters=reporters, shown=shown)
        self._found, self._group = found, groups[0].claims
        decided = [
            own
            for group in groups
            for own in group.claims
            if not found.error or self._is_decided(own, found, found.error)
        ]
        # Of a single task, nothing is stored.
        is_stored = any(claim.made_at is not None for claim in claims)
        return Decision(without_secrets(found.as_json(), self._options.secrets) if is_stored else None, decided)

    def _made_since(self, moment: float) -> dict[tuple[str, str], Sequence[str]]:
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
        return HeldWhitelist(
            api, self._claims.standing.exist, lambda operation, ip: claimants[operation].get(ip, first)
        )

    def _register(self, groups: list[Group], before: frozenset[str], *, changes: bool) -> None:
        """Register the hosts before anything is written, in case this process ends before it has done that."""
        if changes:
            self._turns.readings.invalidate()
        for group in groups:
            hosts = [
                host_registration(host, own, group.registered[host], group.desired, before)
                for host, own in group.hosts.items()
            ]
            self._claims.standing.change(partial(registered, inventory=group.inventory, hosts=hosts))

    def _forget(self, found: WhitelistResult, groups: list[Group]) -> None:
        """Delete the registrations of what was removed, and of what has been missing for a while."""
        if found.removed and found.confirmed and found.reading.complete:
            removed = {
                (group.inventory, host, ip)
                for group in groups
                for host in group.hosts
                for ip in group.registered[host].intersection(found.removed)
            }
            self._claims.standing.change(lambda owners, _now: without_former(owners, removed))
        prune_missing(self._claims.standing, found.reading)

    def _find_holder(self, ip: str) -> str | None:
        """Return the host that this control node has registered with an address for another key."""
        holders: list[Owner] = []
        with contextlib.suppress(StateError):
            holders = self._claims.standing.holders(ip)
        return describe_owner(holders[0].host, holders[0].inventory) if holders else None

    def _is_decided(self, claim: Claim, found: Round, error: QgError) -> bool:
        """Whether a failure decides a claim: not if it may be fulfilled where this task has failed."""
        if claim.id == self._claim.id or found.is_fulfilled(claim.wanted):
            return True
        if isinstance(error, OptionError):
            return False
        own, code = self._options.transport, error.details.get("code")
        limited = isinstance(error, (TransportError, WaitBudgetExceeded)) or code == RATE_LIMITED
        return not (limited and (claim.max_wait > own.max_wait or claim.timeout > own.timeout))
