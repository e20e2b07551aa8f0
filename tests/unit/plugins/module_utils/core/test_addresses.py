# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""IPv4 addresses: which texts are one, in which order they are listed, and which are accepted."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.addresses import (
    AddressScope,
    check_addresses,
    numeric_order,
    packed,
    parse_address,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
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


LOOPBACK = ["http://127.0.0.1:8080", "https://127.9.9.9/api", "http://[::1]:8080", "http://localhost:8080"]
ELSEWHERE = [
    "https://proxy.qg.net",
    "http://192.0.2.1:8080",
    "http://localhost.example",
    "http://127.0.0.1.example",
    "",
]


@pytest.mark.parametrize(
    ("urls", "scope"),
    [
        *(([url], AddressScope.SIMULATED) for url in LOOPBACK),
        *(([url], AddressScope.PUBLIC) for url in ELSEWHERE),
        ([LOOPBACK[0], ELSEWHERE[0]], AddressScope.PUBLIC),
    ],
)
def test_only_services_on_this_machine_have_addresses_of_examples(urls: list[str], scope: AddressScope) -> None:
    assert AddressScope.of(False, *urls) is scope
    assert AddressScope.of(True, *urls) is AddressScope.ANY


@pytest.mark.parametrize(
    ("text", "scopes"),
    [
        ("8.8.8.8", {*AddressScope}),
        *((ip, {AddressScope.SIMULATED, AddressScope.ANY}) for ip in ("192.0.2.1", "198.51.100.1", "203.0.113.255")),
        *((ip, {AddressScope.ANY}) for ip in ("10.0.0.1", "127.0.0.1", "198.18.0.1", "2001:db8::1")),
    ],
)
def test_a_simulator_adds_the_addresses_of_examples_and_no_private_ones(text: str, scopes: set[AddressScope]) -> None:
    assert {scope for scope in AddressScope if scope.accepts(parse_address(text))} == scopes


@given(st.ip_addresses(v=4).map(str))
def test_addresses_are_taken_in_canonical_form_and_once(text: str) -> None:
    assert check_addresses("ips", [f" {text}\n", text]) == (text,)


@pytest.mark.parametrize(
    "text", ["", "203.0.113.256", "203.0.113.0/24", "2001:db8::1", "host.example", "203.0.113.05", "1"]
)
def test_an_entry_that_the_whitelist_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="no IPv6, networks or names"):
        check_addresses("ips", [text])


def test_private_addresses_are_refused_for_the_vendors_whitelist() -> None:
    with pytest.raises(OptionError, match=r"ips contains 10.0.0.1, which is not an address of the public internet"):
        check_addresses("ips", ["8.8.8.8", "10.0.0.1"], AddressScope.PUBLIC)
