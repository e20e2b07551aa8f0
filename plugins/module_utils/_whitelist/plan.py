# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The desired whitelist, and the changes that lead to it. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._api.classic.errors import WHITELIST_FULL
from .._core.addresses import numeric_order
from .._core.errors import OptionError, QgError
from .._core.text import format_sample

if TYPE_CHECKING:
    from .._reconcile.held_whitelist import WhitelistReading
    from .._reconcile.view import OpenChange

#: The maximum number of different reasons in one message.
_MAX_REASONS = 5
NOT_SHOWN = "The vendor reports success, but the whitelist does not show the change."


@dataclass(frozen=True)
class DesiredWhitelist:
    """The desired state of the whitelist.

    - The states ``present`` and ``absent`` concern only ``ips``; ``exact`` means these and no others.
    - ``replaces`` are removed once ``ips`` are on the list. ``keep`` are never removed.
    - ``capacity`` is the size of the list, if it is known.
    - ``allow_partial``: some of ``ips`` are better than none, because they belong to different tasks.
    - ``unconfirmed`` are the addresses to be removed that only a host reported: of ``ips`` if ``absent``, and of
      ``replaces`` if ``present``. If more than ``max_removals`` of them are on the list, all of them stay.
    - ``detected``: ``ips`` are the addresses of one host, which itself reported them.
    - ``former`` are the addresses that were registered for the host when it made its claim.
    - ``gone`` are hosts that the inventory no longer contains, with the addresses that were registered for them when
      the inventory was read.
    - ``adopt``: registrations of the host's name in other inventories count as those of this host.
    """

    state: str
    ips: tuple[str, ...]
    keep: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    max_removals: int | None = None
    capacity: int | None = None
    allow_partial: bool = False
    unconfirmed: tuple[str, ...] = ()
    detected: bool = False
    former: tuple[str, ...] = ()
    gone: Mapping[str, Sequence[str]] = field(default_factory=dict)
    adopt: bool = False

    def __post_init__(self) -> None:
        # In a claim from the store, they are lists.
        for name in ("ips", "keep", "replaces", "unconfirmed", "former"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def as_claim(self) -> dict[str, Any]:
        """The desired state as the content of a claim."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    @property
    def exclusive(self) -> bool:
        """Whether it depends on the whole list, so that it cannot be reconciled together with another one."""
        return self.state == "exact" or self.capacity is not None or bool(self.replaces or self.unconfirmed)


@dataclass(frozen=True)
class Plan:
    """The changes that lead from a list to the desired state; each tuple in numeric order.

    ``unchanged`` addresses are already as desired. The resulting list would have this ``size``. ``withheld`` addresses
    stay because too many would be removed.
    """

    desired: DesiredWhitelist
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    size: int = 0
    withheld: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether anything has to be written."""
        return bool(self.add or self.remove)

    @property
    def pending(self) -> int:
        """The number of addresses to be written."""
        return len(self.add) + len(self.remove)

    @property
    def overflow(self) -> int:
        """The number of addresses by which the resulting list would exceed the capacity."""
        capacity = self.desired.capacity
        return 0 if capacity is None else max(0, self.size - capacity)

    def check_limits(self) -> None:
        """Raise OptionError, before anything is written, if it removes too many addresses or does not fit."""
        limit = self.desired.max_removals
        if self.desired.state == "exact" and limit is not None and len(self.remove) > limit:
            raise OptionError(
                f"state=exact would remove {len(self.remove)} addresses, more than max_removals={limit}: "
                f"{format_sample(self.remove)}. Add those that must stay to ips or keep, or raise max_removals."
            )
        if self.overflow and self.add:
            raise OptionError(
                f"{len(self.add)} more addresses do not fit: the whitelist would hold {self.size}, its capacity is "
                f"{self.desired.capacity}. Remove {self.overflow} addresses first.",
                code=WHITELIST_FULL,
            )


@dataclass
class WhitelistResult:
    """The whitelist before and after a run, and the ``first`` plan between them.

    With an ``error``, the desired state was not reached, and the other fields are still correct. ``after`` is
    ``confirmed`` if it was read, and not only derived from responses. ``reading`` is the last one.
    """

    before: frozenset[str]
    after: frozenset[str]
    first: Plan
    reading: WhitelistReading
    refused: dict[str, QgError] = field(default_factory=dict)
    error: QgError | None = None
    confirmed: bool = True

    @property
    def desired(self) -> DesiredWhitelist:
        """The desired state."""
        return self.first.desired

    @property
    def added(self) -> list[str]:
        """Desired addresses that were not on the list before."""
        return numeric_order((self.after - self.before) & set(self.desired.ips))

    @property
    def removed(self) -> list[str]:
        """Addresses that the plan removes, and that are gone."""
        return numeric_order((self.before - self.after) & set(self.first.remove))


def plan(
    current: Collection[str], desired: DesiredWhitelist, refused: Collection[str] = (), *, extra_entries: int = 0
) -> Plan:
    """Return the difference between ``current`` and ``desired``, without addresses that the vendor has ``refused``.

    ``extra_entries`` is the number of entries of the list beyond one for each address.
    """
    have, wanted, keep = set(current), set(desired.ips), set(desired.keep)
    unconfirmed = have & set(desired.unconfirmed) - keep - (set() if desired.state == "absent" else wanted)
    too_many = desired.max_removals is not None and len(unconfirmed) > desired.max_removals
    withheld = unconfirmed if too_many else set()
    if desired.state == "absent":
        add: set[str] = set()
        remove = have & wanted - withheld
        unchanged = wanted - have
    else:
        add = wanted - have - set(refused)
        remove = have if desired.state == "exact" else have & set(desired.replaces) - withheld
        # If an address was refused, the addresses that it replaces stay.
        remove = set() if refused else remove - wanted
        unchanged = wanted & have
    remove -= keep
    return Plan(
        desired,
        add=tuple(numeric_order(add)),
        remove=tuple(numeric_order(remove)),
        unchanged=tuple(numeric_order(unchanged)),
        size=len(have | add) - len(remove) + extra_entries,
        withheld=tuple(numeric_order(withheld)),
    )


def contradicts(desired: DesiredWhitelist, change: OpenChange) -> bool:
    """Whether an open change is opposite to the desired state, and may undo it later."""
    wanted = set() if desired.state == "absent" else set(desired.ips)
    if not change.present:
        return not wanted.isdisjoint(change.names)
    if desired.state == "exact":
        return bool(change.names - wanted - set(desired.keep))
    unwanted = set(desired.ips if desired.state == "absent" else desired.replaces)
    return bool((unwanted - wanted - set(desired.keep)) & change.names)


def refusal_error(result: WhitelistResult) -> QgError:
    """Return the error for addresses that the vendor refused."""
    refused = numeric_order(result.refused)
    reasons = " ".join(sorted({error.message for error in result.refused.values()})[:_MAX_REASONS])
    left = plan(result.after, result.desired).remove
    if left:
        reasons += f" Not removed, because the new addresses must be on the whitelist first: {format_sample(left)}."
        if result.desired.capacity is None and reasons.startswith(NOT_SHOWN):
            reasons += " If the whitelist is full, set capacity of qg_whitelist, and addresses are removed first."
    return QgError(
        f"{len(refused)} of {len(result.desired.ips)} addresses were refused: {format_sample(refused)}. {reasons}",
        code=next(iter(result.refused.values())).details.get("code"),
    )


def full_error(reason: QgError, have: Collection[str], missing: Collection[str]) -> QgError:
    """Return the error for a list that is full."""
    return QgError(
        f"{reason.message} It holds {len(have)} addresses and needs {len(missing)} more slots for "
        f"{format_sample(missing)}.",
        **reason.details,
    )
