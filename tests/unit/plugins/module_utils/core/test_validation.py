# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses in options: their canonical form, and which are refused."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.addresses import AddressScope
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.validation import check_addresses, check_selectors
from hypothesis import given
from hypothesis import strategies as st


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


@pytest.mark.parametrize(("selectors", "hint"), [(("ips",), False), (("ips", "all"), True)])
def test_the_refusal_of_an_empty_selector_names_all_only_if_there_is_such_an_option(
    selectors: tuple[str, ...], hint: bool
) -> None:
    with pytest.raises(OptionError) as refusal:
        check_selectors(selectors, {"ips": []})
    assert refusal.value.message.startswith("ips is empty ([]), which never means all: ")
    assert ("all=true" in refusal.value.message) is hint
