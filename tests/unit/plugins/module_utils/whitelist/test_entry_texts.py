# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whitelist whose entries are written in any notation: each entry counts as the address that it means."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.addresses import canonical_ipv4
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.held_whitelist import HeldWhitelist
from hypothesis import HealthCheck, given, settings
from support.in_process import KEY, calls, client, configure, fault
from support.whitelist import ADD, DEL, QUERY, ControlNode, WhitelistTransport, new_core, node, use_transport

__all__ = ["node"]

#: After all runs of a test.
LATER = 2_000_000_000.0
POOL = [f"203.0.113.{n}" for n in (1, 5, 7, 50, 105)]
A, B, C, D, E = POOL

FULL_WIDTH, ARABIC = ({ord("0") + n: zero + n for n in range(10)} for zero in (0xFF10, 0x0660))


def padded(ip: str) -> str:
    return ".".join(part.zfill(3) for part in ip.split("."))


#: The texts that mean an address.
NOTATIONS: dict[str, Callable[[str], str]] = {
    "plain": lambda ip: ip,
    "prefix": lambda ip: f"{ip}/32",
    "netmask": lambda ip: f"{ip}/255.255.255.255",
    "mapped": lambda ip: f"::ffff:{ip}",
    "mapped, upper case": lambda ip: f"::FFFF:{ip}",
    "mapped, in hexadecimal": lambda ip: f"::ffff:cb00:71{int(ip.split('.')[3]):02x}",
    "mapped, in full": lambda ip: f"0000:0000:0000:0000:0000:ffff:{ip}",
    "mapped, padded": lambda ip: f"::ffff:{padded(ip)}",
    "mapped, with a prefix": lambda ip: f"::ffff:{ip}/128",
    "mapped, in brackets": lambda ip: f"[::ffff:{ip}]",
    "mapped, with a port": lambda ip: f"[::ffff:{ip}]:8080",
    "padded": padded,
    "with a port": lambda ip: f"{ip}:8080",
    "full-width digits": lambda ip: ip.translate(FULL_WIDTH),
    "full-width": lambda ip: ip.translate(FULL_WIDTH).replace(".", "\uff0e"),
    "ideographic full stops": lambda ip: ip.replace(".", "\u3002"),
    "Arabic digits": lambda ip: ip.translate(ARABIC),
    "blank before": lambda ip: f" {ip}",
    "tab behind": lambda ip: f"{ip}\t",
    "line break": lambda ip: f"{ip}\r\n",
    "ideographic blank": lambda ip: f"\u3000{ip}",
    "byte order mark": lambda ip: f"\ufeff{ip}",
    "zero-width blank": lambda ip: f"{ip}\u200b",
}
#: Texts that are not one IPv4 address.
OTHERS = [
    *("", " ", "*", "office.example", "2001:db8::1", "fe80::1%eth0"),
    *(f"{A},{B}", f"{A}\uff0c{B}", f"{A} {B}", f"{A}-{B}"),
    *(f"{A}/24", "203.0.113.0/24", "::ffff:203.0.113.5/32"),
    *("203.0.113", "203.0.113.256", "\u00b203.0.113.5", "0" * 70 + A, f"{A}:", f"{A}:123456", f"[{A}"),
]


def test_a_notation_means_its_address() -> None:
    for name, written in NOTATIONS.items():
        assert [canonical_ipv4(written(ip)) for ip in POOL] == POOL, name


def test_other_text_means_no_address() -> None:
    assert {text: canonical_ipv4(text) for text in OTHERS} == dict.fromkeys(OTHERS)


def listed(node: ControlNode) -> list[str]:
    """The entries in the order of the list."""
    return list(node.core.keys[KEY].whitelist)


def last(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return [*results.values()][-1]


def apply_to_entries(
    written: dict[str, list[str]], others: list[str], action: str, chosen: set[str], absent_del: str
) -> None:
    """Check what an action leaves and sends, where the chosen addresses are concerned."""
    entries = {NOTATIONS[name](ip): ip for ip, names in written.items() for name in names}
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        wire = WhitelistTransport(new_core())
        use_transport(patch, lambda: wire)
        node = ControlNode(wire, directory)
        hosts = {f"h{n}": ip for n, ip in enumerate(sorted(chosen))}
        if action in ("deregister", "move", "prune"):
            configure(node.core, whitelist=sorted(chosen))
            node.role(**hosts)
        configure(node.core, whitelist=[*entries, *others], options={"del_takes": "listed", "absent_del": absent_del})
        ips, new = sorted(chosen), "203.0.113.200"
        #: What each action does, the addresses that it wants, and those that it does not.
        actions: dict[str, tuple[Callable[[], dict[str, Any]], set[str], set[str]]] = {
            "present": (lambda: node.task(ips), chosen, set()),
            "absent": (lambda: node.task(ips, "absent"), set(), chosen),
            "exact": (lambda: node.task(ips, "exact"), chosen, set(POOL) - chosen),
            "deregister": (lambda: last(node.role("absent", **dict.fromkeys(hosts, ""))), set(), chosen),
            "move": (lambda: last(node.role(h0=new)), {new}, {hosts["h0"]}),
            "prune": (lambda: last(node.role(inventory=["new"], began=LATER, new=new)), {new}, chosen),
        }
        act, wanted, unwanted = actions[action]
        result = act()
        assert "failed" not in result, result["msg"]
        now = listed(node)
        assert set(others) <= set(now)
        stay = {text for text, ip in entries.items() if ip not in unwanted}
        added = wanted.difference(entries.values())
        assert sorted(now) == sorted([*others, *stay, *added])
        sent = [ip for call in node.core.journal if call.path == DEL for ip in call.ips]
        assert not set(sent).intersection(stay)


@pytest.mark.parametrize("examples", [40, pytest.param(400, marks=pytest.mark.nightly)])
def test_no_entry_is_lost_and_none_is_removed_by_mistake(examples: int) -> None:
    spelled = st.lists(st.sampled_from(sorted(NOTATIONS)), min_size=1, max_size=2)
    strategies = {
        "written": st.dictionaries(st.sampled_from(POOL), spelled, min_size=1),
        "others": st.lists(st.sampled_from(OTHERS), unique=True, max_size=3),
        "action": st.sampled_from(["present", "absent", "exact", "deregister", "move", "prune"]),
        "chosen": st.sets(st.sampled_from(POOL), min_size=1, max_size=3),
        "absent_del": st.sampled_from(["zero", "error"]),
    }
    same_each_time = settings(max_examples=examples, derandomize=True, suppress_health_check=list(HealthCheck))
    same_each_time(given(**strategies)(apply_to_entries))()


@pytest.mark.parametrize("del_takes", ["address", "listed"])
@pytest.mark.parametrize("absent_del", ["zero", "error"])
def test_an_entry_is_removed_as_it_is_listed_or_else_as_an_address(
    node: ControlNode, absent_del: str, del_takes: str
) -> None:
    for notation in ("prefix", "netmask", "mapped", "mapped_hex", "padded", "full_width", "port", "blanks"):
        options = {"whitelist_notation": notation, "del_takes": del_takes, "absent_del": absent_del}
        configure(node.core, whitelist=[A, B, C], options=options)
        result = node.task([A, B], "absent")
        assert "failed" not in result, (notation, result["msg"])
        assert (result["removed"], result["whitelist"]) == ([A, B], [C]), notation
        assert listed(node) == [C]
        result = node.task([C, D], "exact")
        assert (result["added"], result["already_present"], listed(node)) == ([D], [C], [C, D]), notation
        node.core.clock.advance(120)


def test_both_entries_of_an_address_are_removed(node: ControlNode) -> None:
    configure(node.core, whitelist=[A, f"{A}/32", B], options={"del_takes": "listed"})
    fault(node.core, {"path": DEL, "kind": "partial", "drop": 1})
    assert node.task([A], "absent")["removed"] == [A]
    assert listed(node) == [B]


def test_an_entry_that_no_removal_takes_is_reported_and_the_others_are_removed(node: ControlNode) -> None:
    configure(node.core, whitelist=[A, f"{B}:8080"])
    result = node.task([A, B], "absent")
    assert result["failed"] is True
    assert result["changed"] is True
    assert (result["removed"], result["whitelist"]) == ([A], [B])
    assert f"{B}:8080" in result["msg"]


def test_entries_that_are_not_one_address_are_left_alone_and_reported(node: ControlNode) -> None:
    others = [f"{A},{B}", "203.0.113.0/24", "office.example", ""]
    configure(node.core, whitelist=[A, B, *others])
    assert node.info()["unreadable"] == others
    assert HeldWhitelist(client(node.core, node.directory)).entries() == [A, B, *others]
    for result in (node.task([B], "absent"), node.task([A], "exact")):
        assert (result["whitelist"], result["unreadable"]) == ([A], others)
        assert "4 entries" in result["warnings"][0]
        assert "'office.example'" in result["warnings"][0]
    assert "warnings" not in node.task([A])
    assert listed(node) == [A, *others]


def test_entries_that_are_no_text_are_reported(node: ControlNode) -> None:
    body = {"Code": 0, "Data": [A, None, 3405803781, True]}
    fault(node.core, {"path": QUERY, "kind": "replace", "body": body, "times": -1})
    result = node.task([A], "exact")
    assert (result["whitelist"], result["unreadable"]) == ([A], ["null", "3405803781", "true"])
    assert calls(node.core, ADD, DEL) == []


@pytest.mark.parametrize("data", [[{"ip": A}], [[A]], "203.0.113.1", {"ips": [A]}])
def test_a_list_of_another_shape_is_an_error(node: ControlNode, data: Any) -> None:
    fault(node.core, {"path": QUERY, "kind": "replace", "body": {"Code": 0, "Data": data}, "times": -1})
    result = node.task([A], "exact")
    assert "Data is not a list of addresses" in result["msg"]
    assert calls(node.core, ADD, DEL) == []


def test_entries_that_are_no_address_take_their_place_in_the_capacity(node: ControlNode) -> None:
    configure(node.core, whitelist=[A, f"{A}/32", "office.example"])
    assert "would hold 4" in node.task([B], capacity=3)["msg"]
    assert "failed" not in node.task([B], capacity=4)
