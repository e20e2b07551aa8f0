# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts that keep an address on the whitelist, and the same host in several inventories."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import Owner
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.ownership import (
    Ownership,
    adoptable,
    explain_unknown,
    host_registration,
    kept_warning,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.plan import DesiredWhitelist

A, B = "203.0.113.1", "203.0.113.2"


def owner(host: str, ip: str = A, inventory: str = "here", *, former: bool = False) -> Owner:
    return Owner(ip, host, inventory, former, False, 0.0)


def test_the_hosts_that_keep_an_address_begin_with_the_same_name() -> None:
    others = [owner(f"web{n}") for n in range(10)]
    owners = [owner("old", A, "here"), owner("old", A, "there"), owner("old", B, "there", former=True), *others]
    kept = Ownership.of(owners, "here", {"old"}).kept({"old": DesiredWhitelist("absent", (B,))})
    (entry,) = kept["old"]
    names = [(own["host"], own["inventory_id"]) for own in entry["owners"]]
    assert names == [("old", "there"), *((f"web{n}", "here") for n in range(4))]
    assert (entry["ip"], entry["owner_count"]) == (A, 11)
    warning = kept_warning([{"host": "old", **entry}], "adopt")
    assert warning
    assert f"{A} of old, registered for old of the inventory 'there' and 10 more." in warning
    # While it is registered, an address that it has is needed.
    assert Ownership.of(owners, "here", {"old"}).kept({"old": DesiredWhitelist("present", (A,))}) == {}
    moved = Ownership.of(owners, "here", {"old"}).kept({"old": DesiredWhitelist("present", (B,))})
    assert [own["ip"] for own in moved["old"]] == [A]


def test_only_registrations_with_an_address_of_the_host_are_adopted() -> None:
    named = [owner("web", A, "there"), owner("web", B, "there", former=True)]
    assert [entry["ip"] for entry in adoptable("web", "here", [A], named)] == [A, B]
    assert adoptable("web", "here", [B], [owner("web", A, "there"), owner("web", A)])
    with pytest.raises(OptionError, match=r"web of the inventory 'there' is registered with 203\.0\.113\.1"):
        adoptable("web", "here", [B], named)


def test_a_name_to_forget_that_is_unknown_is_explained() -> None:
    assert explain_unknown("web7", "here", ["web1"], ["there"]).endswith("set inventory_id to 'there', where it is.")
    assert explain_unknown("wbe1", "here", ["web1"], []).endswith("did you mean web1?")
    assert explain_unknown("x", "here", [], []).endswith("it has no hosts; qingguo.qgnet.report lists all.")


@pytest.mark.parametrize("reported", [True, False])
def test_of_the_addresses_that_a_host_reports_those_on_the_whitelist_are_found(reported: bool) -> None:
    desired = DesiredWhitelist("present", ("1", "2"))
    own = DesiredWhitelist("present", ("1", "2"), detected=reported)
    kept = host_registration("a", own, (), desired, {"1", "9"})
    assert (kept.registered, kept.found) == ({"1", "2"}, {"1"} if reported else set())
