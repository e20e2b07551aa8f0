# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan for the hosts of an inventory, and what is registered for them."""

from __future__ import annotations

from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.host_plan import desired_for_hosts
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.ownership import host_registration
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan import DesiredWhitelist, plan
from hypothesis import given
from hypothesis import strategies as st

POOL = [f"203.0.113.{n}" for n in range(1, 9)]
addresses = st.lists(st.sampled_from(POOL), max_size=3)
some = st.sets(st.sampled_from(POOL))
hosts = st.dictionaries(st.sampled_from("abcdef"), addresses, min_size=1)


@given(
    wanted=hosts, recorded=hosts, others=some, found=some, requested=some, state=st.sampled_from(["present", "absent"])
)
def test_no_address_is_dropped_that_a_host_still_uses_or_requests(
    wanted: dict[str, list[str]],
    recorded: dict[str, list[str]],
    others: set[str],
    found: set[str],
    requested: set[str],
    state: str,
) -> None:
    states = {host: DesiredWhitelist(state, tuple(ips), detected=host < "d") for host, ips in wanted.items()}
    made = desired_for_hosts(states, {host: set(ips) for host, ips in recorded.items()}, others, found, requested)
    current = {ip for ips in wanted.values() for ip in ips}
    former = {ip for host in wanted for ip in recorded.get(host, ())}
    if state == "present":
        assert set(made.ips) == current
        assert set(made.replaces) == former - current - others
        assert set(made.unconfirmed) == (former & found) - current - others
    else:
        assert made.replaces == ()
        assert set(made.ips) == (former | current) - others
        # Neither added for any of these hosts nor given by the user.
        given = {ip for host, ips in wanted.items() if host >= "d" for ip in ips}
        assert set(made.unconfirmed) == (former | current) - others - (former - found) - given
    assert requested.isdisjoint(plan(POOL, made).remove)
    # The host that leaves it remains registered with it: the request may never be carried out.
    for host, own in states.items():
        before = set(recorded.get(host, ()))
        kept = host_registration(host, own, before, made, POOL)
        assert (before & requested) - others <= kept.registered | kept.former | (current - set(own.ips))
