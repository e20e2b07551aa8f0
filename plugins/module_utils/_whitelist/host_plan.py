# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a change for many hosts at once must contain, and its result for each host. Decisions only.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.addresses import numeric_order
from .._core.errors import QgError
from .._store.registrations import HostRegistration
from .plan import WhitelistResult


@dataclass(frozen=True)
class DesiredHost:
    """The addresses of one host that must be present, or absent, on the whitelist of one key.

    ``detected`` says that the host itself reported them, rather than the user.
    """

    host: str
    ips: tuple[str, ...]
    detected: bool = False


@dataclass(frozen=True)
class FleetPlan:
    """The addresses to request for many hosts at once.

    ``unconfirmed`` are the obsolete addresses that only hosts reported: they are registered for none of the hosts, or
    were on the whitelist already when a host first reported them.
    """

    ips: tuple[str, ...]
    obsolete: tuple[str, ...]
    unconfirmed: tuple[str, ...] = ()


def fleet_plan(
    state: str,
    desired: Collection[DesiredHost],
    registered: Mapping[str, set[str]],
    used_by_others: Collection[str],
    found: Collection[str] = (),
) -> FleetPlan:
    """Registering adds the addresses of the hosts and drops their former ones; deregistering drops both.

    An address that another host still uses is never dropped. Of the registered addresses, those ``found`` on the
    whitelist when a host reported them are known only from that host.
    """
    current = {ip for own in desired for ip in own.ips}
    former = {ip for own in desired for ip in registered.get(own.host, ())}
    if state == "absent":
        obsolete = (current | former) - set(used_by_others)
        named = {ip for own in desired if not own.detected for ip in own.ips}
        unconfirmed = obsolete - former.difference(found) - named
        return FleetPlan((), tuple(sorted(obsolete)), tuple(sorted(unconfirmed)))
    obsolete = former - current - set(used_by_others)
    return FleetPlan(tuple(sorted(current)), tuple(sorted(obsolete)), tuple(sorted(obsolete.intersection(found))))


def host_result(ips: Collection[str], former: Collection[str], result: WhitelistResult) -> dict[str, Any]:
    """Return one host's part of a result; ``unregistered`` and ``obsolete`` are what is not as desired.

    If the host itself is concerned, ``not_in_sync`` is true, and ``msg`` and the like give the reason.
    """
    own, desired = set(ips), result.desired
    wanted, unwanted = (set(), own.union(former)) if desired.state == "absent" else (own, set(former) - own)
    unwanted &= {*desired.replaces, *(desired.ips if desired.state == "absent" else ())}
    missing, obsolete = wanted - result.after, unwanted & result.after
    part: dict[str, Any] = {
        "changed": bool(wanted & set(result.added) or unwanted & set(result.removed)),
        "ips": list(ips),
        "registered": numeric_order(wanted & result.after),
        "unregistered": numeric_order(missing),
        "obsolete": numeric_order(obsolete),
    }
    # Former addresses also stay while another host's address is refused: that is not an error of this one.
    if missing or (obsolete and not result.refused):
        wrong = numeric_order(missing or obsolete)
        reason = next((result.refused[ip] for ip in wrong if ip in result.refused), result.error)
        if not set(result.first.withheld).isdisjoint(wrong):
            reason = _withheld_error(result)
        reason = reason or QgError("the whitelist does not show the change.")
        text = f"{', '.join(wrong)} could not be {'registered' if missing else 'removed'}: {reason.message}"
        part.update({**reason.as_result(), "msg": text, "not_in_sync": True})
    return part


def _withheld_error(result: WhitelistResult) -> QgError:
    """Return why addresses that only hosts report stay on the whitelist."""
    return QgError(
        f"{len(result.first.withheld)} addresses on the whitelist are reported by hosts but were not added for "
        f"them, more than max_removals={result.desired.max_removals}. Check these hosts, then raise max_removals or "
        "give the addresses in ips."
    )


def host_registration(
    host: str, ips: Collection[str], registered: Collection[str], result: WhitelistResult, *, detected: bool = False
) -> HostRegistration:
    """Return what to keep for a host after a write: all that is, or may be, on the whitelist because of it.

    A former address is forgotten only if another host needs it, or if the vendor was asked to remove it and the
    whitelist, which was then read, lacks it. An address that could not be removed is kept only if it was registered
    before, and not because the host reported it. Addresses that the host ``detected`` are found if they were on the
    whitelist before.
    """
    desired, reading = result.desired, result.reading
    wanted = frozenset() if desired.state == "absent" else frozenset(ips)
    unwanted = set(registered) - wanted
    unwanted &= {*desired.replaces, *(desired.ips if desired.state == "absent" else ())}
    known = result.confirmed and reading is not None and reading.complete
    return HostRegistration(
        host,
        wanted,
        frozenset(unwanted - set(result.removed if known else ())),
        found=wanted & result.before if detected else frozenset(),
    )
