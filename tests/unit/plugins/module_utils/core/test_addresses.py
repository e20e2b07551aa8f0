# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""IPv4 addresses: which texts are one, and in which order they are listed."""

from __future__ import annotations

import ipaddress

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.addresses import numeric_order, packed
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.ip_addresses(v=4) | st.ip_addresses(v=6), max_size=20))
def test_addresses_are_sorted_by_number(listed: list[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> None:
    wanted = [str(address) for address in sorted(listed, key=lambda address: (address.version, int(address)))]
    assert numeric_order([*map(str, listed), "odd\0entry"]) == [*wanted, "odd\0entry"]


@given(
    st.text("0123456789.:x \0\N{FULLWIDTH DIGIT ONE}", max_size=16)
    | st.lists(st.integers(0, 300).map(str) | st.just("01"), min_size=3, max_size=5).map(".".join)
)
def test_an_address_is_what_the_standard_library_takes_for_one(text: str) -> None:
    try:
        wanted = ipaddress.IPv4Address(text).packed
    except ValueError:
        wanted = None
    assert packed(text) == wanted
