# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""IPv4 addresses and durations as users write them."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.checks import (
    check_addresses,
    is_ipv4,
    is_public,
    parse_address,
    parse_minutes,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from hypothesis import given
from hypothesis import strategies as st
from support import phrases


@given(
    st.text("0123456789.:x \0\N{FULLWIDTH DIGIT ONE}", max_size=16)
    | st.lists(st.integers(0, 300).map(str) | st.just("01"), min_size=3, max_size=5).map(".".join)
)
def test_an_address_is_what_the_standard_library_takes_for_one(text: str) -> None:
    try:
        wanted = bool(ipaddress.IPv4Address(text))
    except ValueError:
        wanted = False
    assert is_ipv4(text) is wanted


@pytest.mark.parametrize("ip", ["8.8.8.8", "192.0.2.1", "198.51.100.1", "203.0.113.255"])
def test_public_addresses_and_those_of_examples_are_taken(ip: str) -> None:
    assert is_public(parse_address(ip))
    assert check_addresses("ips", [ip]) == {ip}


@pytest.mark.parametrize("ip", ["10.0.0.1", "127.0.0.1", "198.18.0.1", "224.0.0.1"])
def test_addresses_that_no_host_is_seen_under_can_only_be_removed(ip: str) -> None:
    with pytest.raises(OptionError, match=f"ips contains {ip}, which is {phrases.NOT_PUBLIC}"):
        check_addresses("ips", ["8.8.8.8", ip])
    assert check_addresses("ips", [ip], any_scope=True) == {ip}


@given(st.ip_addresses(v=4).map(str))
def test_addresses_are_taken_in_canonical_form_and_once(text: str) -> None:
    assert check_addresses("ips", [f" {text}\n", text], any_scope=True) == {text}


@pytest.mark.parametrize(
    ("value", "minutes"),
    [
        ("0", 0),
        (30, 30),
        ("30", 30),
        ("30s", 0.5),
        ("90s", 1.5),
        ("120s", 2),
        ("5m", 5),
        ("1h", 60),
        ("2d", 2880),
    ],
)
def test_a_bare_number_means_minutes(value: object, minutes: float) -> None:
    assert parse_minutes("min_remaining", value) == minutes


@pytest.mark.parametrize("value", ["5 m", "30S", "s", "1h30m", True, None, "9" * 10])
def test_other_text_is_refused(value: object) -> None:
    with pytest.raises(
        OptionError, match=r"min_remaining=.* cannot be used: give a number of minutes, or"
    ):
        parse_minutes("min_remaining", value)
