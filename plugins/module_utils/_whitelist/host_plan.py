# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides on the common change for many hosts, and on the result of each host. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .._api.classic.errors import BOUND_TO_OTHER_KEY, WHITELIST_FULL
from .._core.addresses import numeric_order
from .._core.errors import QgError
from .plan import DesiredWhitelist, full_error
from .status import Changed, Round


def desired_for_hosts(
    hosts: Mapping[str, DesiredWhitelist],
    registered: Mapping[str, set[str]],
    used_by_others: Collection[str],
    found: Collection[str] = (),
    requested: Collection[str] = (),
) -> DesiredWhitelist:
    """Merge the desired states of hosts, which are all ``present`` or all ``absent``, with what is registered for them.

    Registering adds the addresses of the hosts and removes their former ones; deregistering removes both. Addresses
    that other hosts use, and ``requested`` ones, for which hosts wait to be registered, are never removed. Of the
    removed ones, ``unconfirmed`` are those that only hosts reported: they are registered for none of the hosts, or were
    ``found`` on the whitelist when a host first reported them.
    """
    state = next(iter(hosts.values())).state
    limit = min((own.max_removals for own in hosts.values() if own.max_removals is not None), default=None)
    current = {ip for own in hosts.values() for ip in own.ips}
    former = {ip for host in hosts for ip in registered.get(host, ())}
    if state == "absent":
        obsolete = (current | former) - set(used_by_others)
        given = {ip for own in hosts.values() if not own.detected for ip in own.ips}
        unconfirmed = obsolete - former.difference(found) - given
        ips, replaces = obsolete, set[str]()
    else:
        obsolete = former - current - set(used_by_others)
        unconfirmed = obsolete.intersection(found)
        ips, replaces = current, obsolete
    return DesiredWhitelist(
        state,
        tuple(sorted(ips)),
        keep=tuple(sorted(obsolete.intersection(requested))),
        replaces=tuple(sorted(replaces)),
        max_removals=limit,
        unconfirmed=tuple(sorted(unconfirmed)),
    )


#: The codes of refusals that concern addresses, and not the call or the key.
_ABOUT_ADDRESSES = frozenset({BOUND_TO_OTHER_KEY, WHITELIST_FULL})


def host_result(
    own: Mapping[str, Any],
    found: Round,
    changed: Changed,
    kept: Iterable[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return the result of one host; ``unregistered`` and ``obsolete`` are the addresses that are not as desired.

    ``own`` is what it claims. ``kept`` are addresses that the host no longer needs and others do.

    If there are any, ``not_in_sync`` is true, and ``msg`` and other keys contain the reason. ``failed`` is true unless
    the vendor refused exactly these addresses: other errors of the API are never tolerated.
    """
    wanted = set(own["ips"] if own["state"] == "present" else ())
    concerned = {*own["ips"], *own["former"]} - wanted
    # Addresses that another host requests are not among the planned removals.
    missing, obsolete = wanted - found.after, concerned & (found.remove | found.withheld) & found.after
    added, removed = wanted & changed.added & found.after, (concerned & changed.removed) - found.after
    part: dict[str, Any] = {
        "changed": bool(added or removed),
        "ips": list(own["ips"]),
        "registered": numeric_order(wanted & found.after),
        "unregistered": numeric_order(missing),
        "obsolete": numeric_order(obsolete),
        "added": numeric_order(added),
        "removed": numeric_order(removed),
        "kept": [entry for entry in kept if entry["ip"] in found.after],
        "reasons": [],
    }
    # Former addresses stay if the address of another host is refused, which is not an error of this host.
    if missing or (obsolete and not found.refused):
        wrong = numeric_order(missing or obsolete)
        reasons = [found.refused.get(ip) or found.error for ip in wrong]
        # `refused` also contains addresses whose calls have all failed.
        tolerable = all(reason and reason.details.get("code") in _ABOUT_ADDRESSES for reason in reasons)
        reason = next(filter(None, reasons), None) or QgError("the whitelist does not show the change.")
        if found.error and found.error.details.get("code") == reason.details.get("code") == WHITELIST_FULL:
            # It says how many slots are missing.
            reason = full_error(reason, found.after, wrong) if found.shared else found.error
        if not found.withheld.isdisjoint(wrong):
            tolerable = True
            reason = QgError(
                f"{len(found.withheld)} addresses on the whitelist are reported by hosts but were not added for "
                f"them, more than max_removals={found.limit}. Check these hosts, then raise max_removals or give the "
                "addresses in ips."
            )
        text = f"{', '.join(wrong)} could not be {'registered' if missing else 'removed'}: {reason.message}"
        part.update({**reason.as_result(), "msg": text, "reasons": [text], "not_in_sync": True})
        if not tolerable:
            part["failed"] = True
    return part
