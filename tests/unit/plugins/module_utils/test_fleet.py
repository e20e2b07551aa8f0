# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be changed for the hosts of a fleet, and the memory of what was registered."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.qingguo.qgnet.plugins.module_utils._fleet import HostWish, Memory, fleet_plan
from ansible_collections.qingguo.qgnet.plugins.module_utils._state import State
from hypothesis import given
from hypothesis import strategies as st

POOL = [f"203.0.113.{n}" for n in range(1, 9)]
addresses = st.lists(st.sampled_from(POOL), max_size=3)
hosts = st.dictionaries(st.sampled_from("abcdef"), addresses, min_size=1)


@given(
    wanted=hosts, remembered=hosts, others=st.sets(st.sampled_from(POOL)), state=st.sampled_from(["present", "absent"])
)
def test_no_address_is_dropped_that_a_host_still_uses(
    wanted: dict[str, list[str]], remembered: dict[str, list[str]], others: set[str], state: str
) -> None:
    wishes = [HostWish(host, tuple(ips), detected=host < "d") for host, ips in wanted.items()]
    made = fleet_plan(state, wishes, {host: set(ips) for host, ips in remembered.items()}, others)
    current = {ip for ips in wanted.values() for ip in ips}
    former = {ip for host in wanted for ip in remembered.get(host, ())}
    if state == "present":
        assert set(made.ips) == current
        assert set(made.obsolete) == former - current - others
    else:
        assert made.ips == ()
        assert set(made.obsolete) == (former | current) - others
        # Neither remembered for any of these hosts nor given by the user.
        assert set(made.unconfirmed) == {
            ip
            for host, ips in wanted.items()
            for ip in ips
            if ip not in others | former and all(host < "d" for host, named in wanted.items() if ip in named)
        }


def test_the_memory_tells_own_addresses_from_those_of_others(tmp_path: Path) -> None:
    state = State(str(tmp_path))
    here, there, other_key = Memory(state, "k", "f"), Memory(state, "k", "g"), Memory(state, "x", "f")
    here.note([("a", ["1"]), ("b", ["1", "2"])])
    there.note([("a", ["3"])])
    other_key.note([("a", ["4"])])
    assert here.recall({"a"}) == ({"a": {"1"}}, {"1", "2", "3"})
    assert here.recall({"a", "b", "new"}) == ({"a": {"1"}, "b": {"1", "2"}, "new": set()}, {"3"})
    here.note([("a", ["5"]), ("b", [])])
    assert here.recall({"a", "b"}) == ({"a": {"5"}, "b": set()}, {"3"})
    assert (here.of_host("a"), there.of_host("a"), here.of_host("new")) == ({"5"}, {"3"}, set())


def test_what_no_longer_stands_on_the_whitelist_is_forgotten(tmp_path: Path) -> None:
    state = State(str(tmp_path))
    here, there, other_key = Memory(state, "k", "f"), Memory(state, "k", "g"), Memory(state, "x", "f")
    for memory in (here, there, other_key):
        memory.note([("a", ["1", "2"])])
    here.forget_all_but({"2", "3"})
    assert here.recall({"a"}) == ({"a": {"2"}}, {"2"})
    assert there.recall({"a"}) == ({"a": {"2"}}, {"2"})
    assert other_key.recall({"a"}) == ({"a": {"1", "2"}}, set())
