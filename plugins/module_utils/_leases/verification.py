# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep only leases that work: what does not is replaced, within a number of extra leases.

If nothing works, the cause is most likely not the proxies. So no further lease is bought as soon as two have been tried
and none has worked, and these are kept: the next run tries them first, and buys nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .._api.leases import Lease
from .._core.errors import QgError, UncertainOutcomeError, WaitBudgetExceeded
from .._core.text import counted, format_sample
from .plan import DesiredLeases, Plan
from .release import release
from .session import LeaseSession

#: The number of leases after which it is clear that nothing works.
_ENOUGH = 2
#: Seconds before the second attempt of a request without a response.
_PAUSE = 1.0


@dataclass(frozen=True)
class Verification:
    """How to verify leases: ``failures`` returns why leases do not work, by name. ``extra`` leases may be bought.

    Its second argument pauses before a repetition.
    """

    failures: Callable[[Sequence[Lease], Callable[[], None]], Mapping[str, str]]
    extra: int = 0


@dataclass
class Verifier:
    """The verification of one run."""

    verification: Verification
    session: LeaseSession
    #: The leases that the list lacks, whether the others work or not.
    certain: int = 0
    #: The extra leases that may still be bought.
    left: int = 0
    working: set[str] = field(default_factory=set)
    #: Why leases do not work, by their names, and these leases.
    reasons: dict[str, str] = field(default_factory=dict)
    failed: list[Lease] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def limit(self) -> int:
        """The number of leases that the run may buy."""
        return self.certain + self.verification.extra

    def without_failed(self, desired: DesiredLeases) -> DesiredLeases:
        """Return the desired state, which leases that do not work never match."""
        return dataclasses.replace(desired, unusable=frozenset(self.reasons))

    def limited(self, listed: Plan, working: Plan) -> Plan:
        """Return the plan that counts only ``working`` leases, with the purchases that the one of all listed allows."""
        self.certain = listed.missing
        missing = min(working.missing, self.limit)
        self.left = self.limit - max(missing, self.certain)
        return dataclasses.replace(working, missing=missing)

    def check(self, leases: Sequence[Lease]) -> list[Lease]:
        """Return the leases that do not work; raises QgError if none of at least two has worked in this run."""
        new = [lease for lease in leases if lease.name not in self.working and lease.name not in self.reasons]
        reasons = self.verification.failures(new, self._pause) if new else {}
        bad = [lease for lease in new if lease.name in reasons]
        self.working |= {lease.name for lease in new} - reasons.keys()
        self.reasons.update(reasons)
        self.failed += bad
        if len(self.failed) >= _ENOUGH and not self.working:
            raise QgError(
                f"None of {counted(len(self.failed), 'lease')} reaches verify_url ({self.sample()}), so the cause is "
                "most likely not the proxies: check verify_url. No more were bought, and these are kept. If they are "
                "the cause nevertheless, release them with qg_proxy_release."
            )
        return bad

    def _pause(self) -> None:
        # Without time, a proxy without a response has failed.
        with contextlib.suppress(WaitBudgetExceeded):
            self.session.api.budget.wait(_PAUSE, "a proxy has not responded", "verify_url")

    def sample(self) -> str:
        """Return addresses and reasons for a message."""
        return format_sample([f"{lease.server}: {self.reasons[lease.name]}" for lease in self.failed])

    def verify_new(self, fresh: Sequence[Lease], wanted: Callable[[], int], buy: Callable[[int], None]) -> None:
        """Verify fresh leases; release those that do not work, and buy as many others as are wanted and allowed."""
        while bad := self.check(fresh):
            self._discard(bad)
            number = min(wanted(), self.left)
            if number <= 0:
                return
            self.left -= number
            known = set(self.session.new)
            buy(number)
            fresh = [lease for name, lease in self.session.new.items() if name not in known]

    def _discard(self, bad: Sequence[Lease]) -> None:
        """Release leases, if the product can. After a refusal, they are kept: they end by themselves."""
        bad = [lease for lease in bad if lease.ip]
        if self.session.features.release is None or not bad:
            return
        try:
            release(self.session, bad)
        except UncertainOutcomeError:
            raise
        except QgError as error:
            self.warnings.append(f"Leases that do not reach verify_url were not released: {error.message}")
