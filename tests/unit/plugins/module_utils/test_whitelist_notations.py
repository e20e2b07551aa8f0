# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whitelist whose entries are written in any notation: each entry counts as the address that it means."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.client import ProxyApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.addresses import canonical_ipv4
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import SILENT, Announcer
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.interface import Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Mode, execute
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import ProxyApiOptions
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.batch import queue_for
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.host_operations import (
    HostOptions,
    apply_and_report,
    host_request,
    submit_host,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST, WHITELIST_INFO
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.pruning import InventoryHosts, gone_hosts
from hypothesis import HealthCheck, given, settings
from simulator.clock import Clock
from simulator.core import Core
from support.in_process import KEY, calls, client, configure, fault
from support.stores import open_store, state_options

QUERY, ADD, DEL = "/whitelist/query", "/whitelist/add", "/whitelist/del"
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
    "",
    " ",
    f"{A},{B}",
    f"{A}\uff0c{B}",
    f"{A} {B}",
    f"{A}-{B}",
    f"{A}/24",
    "203.0.113.0/24",
    "::ffff:203.0.113.5/32",
    "203.0.113.256",
    "203.0.113",
    "2001:db8::1",
    "fe80::1%eth0",
    "office.example",
    f"{A}:",
    f"{A}:123456",
    f"[{A}",
    "*",
    "\u00b203.0.113.5",
    "0" * 70 + A,
]


def test_a_notation_means_its_address() -> None:
    for name, written in NOTATIONS.items():
        assert [canonical_ipv4(written(ip)) for ip in POOL] == POOL, name


def test_other_text_means_no_address() -> None:
    assert {text: canonical_ipv4(text) for text in OTHERS} == dict.fromkeys(OTHERS)


class Node:
    """A control node with an empty state directory, and the vendor."""

    def __init__(self, directory: str, patch: pytest.MonkeyPatch) -> None:
        self.core = Core(clock=Clock(1_800_000_000.0), seed=1)
        self.directory = Path(directory)
        self.params: dict[str, Any] = {
            "key": KEY,
            "pwd": None,
            "api_url": "http://vendor.example",
            "timeout": 10.0,
            "max_wait": 300.0,
            "validate_certs": True,
            "ca_path": None,
            **state_options(directory),
            "inventory_id": "f",
            "verify_proxy": None,
            "fail": True,
            "keep": [],
            "replaces": [],
            "max_removals": 10,
            "prune": False,
            "capacity": None,
            "allow_non_global": True,
            "owners": False,
        }
        self.runs = 0

        def api(options: ProxyApiOptions, _state: Store | None = None, _announcer: Announcer = SILENT) -> ProxyApi:
            return client(self.core, self.directory, options.transport.max_wait)

        patch.setattr(ProxyApiOptions, "client", lambda options, state=None, announcer=SILENT: api(options))

    def task(self, ips: list[str], state: str = "present", **options: Any) -> dict[str, Any]:
        return execute(WHITELIST, {**self.params, "ips": ips, "state": state, **options}, Mode())

    def role(self, state: str, hosts: Mapping[str, str], *, prune: bool = False) -> dict[str, Any]:
        """Register or deregister hosts, each with one address; return the result of the last one."""
        self.runs += 1
        run, result = f"{self.runs} 1 elsewhere", {}
        options = HostOptions.parse({**self.params, "state": state})
        requests = []

        def compare() -> InventoryHosts:
            return InventoryHosts(hosts, hosts)

        for host, ip in hosts.items():
            queue = self.queue(options)
            gone = gone_hosts(queue, options, run, self.core.clock.now() + 1, compare) if prune else {}
            requests.append(host_request(options, run, host, (ip,) if ip else (), gone=gone))
            submit_host(queue, requests[-1], options, Mode(), run)
        for request in requests:
            result = apply_and_report(self.queue(options), request, options, Mode())
        return result

    def queue(self, options: HostOptions) -> Any:
        return queue_for(options.api, open_store(self.directory, now=self.core.clock.now), check=False)

    def listed(self) -> list[str]:
        return list(self.core.keys[KEY].whitelist)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    return Node(str(tmp_path), monkeypatch)


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    written=st.dictionaries(
        st.sampled_from(POOL), st.lists(st.sampled_from(sorted(NOTATIONS)), min_size=1, max_size=2), min_size=1
    ),
    others=st.lists(st.sampled_from(OTHERS), unique=True, max_size=3),
    action=st.sampled_from(["present", "absent", "exact", "deregister", "move", "prune"]),
    chosen=st.sets(st.sampled_from(POOL), min_size=1, max_size=3),
    absent_del=st.sampled_from(["zero", "error"]),
)
def test_no_entry_is_lost_and_none_is_removed_by_mistake(
    written: dict[str, list[str]], others: list[str], action: str, chosen: set[str], absent_del: str
) -> None:
    entries = {NOTATIONS[name](ip): ip for ip, names in written.items() for name in names}
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        node = Node(directory, patch)
        hosts = {f"h{n}": ip for n, ip in enumerate(sorted(chosen))}
        if action in ("deregister", "move", "prune"):
            configure(node.core, whitelist=sorted(chosen))
            node.role("present", hosts)
        configure(node.core, whitelist=[*entries, *others], options={"del_takes": "listed", "absent_del": absent_del})
        ips, new = sorted(chosen), "203.0.113.200"
        if action == "present":
            result, wanted, unwanted = node.task(ips), chosen, set()
        elif action == "absent":
            result, wanted, unwanted = node.task(ips, "absent"), set(), chosen
        elif action == "exact":
            result, wanted, unwanted = node.task(ips, "exact"), chosen, set(POOL) - chosen
        elif action == "deregister":
            result, wanted, unwanted = node.role("absent", dict.fromkeys(hosts, "")), set(), chosen
        elif action == "move":
            result, wanted, unwanted = node.role("present", {"h0": new}), {new}, {hosts["h0"]}
        else:
            result, wanted, unwanted = node.role("present", {"new": new}, prune=True), {new}, chosen
        assert "failed" not in result, result["msg"]
        listed = node.listed()
        assert set(others) <= set(listed)
        stay = {text for text, ip in entries.items() if ip not in unwanted}
        added = wanted.difference(entries.values())
        assert sorted(listed) == sorted([*others, *stay, *added])
        sent = [ip for call in node.core.journal if call.path == DEL for ip in call.ips]
        assert not set(sent).intersection(stay)


@pytest.mark.parametrize("del_takes", ["address", "listed"])
@pytest.mark.parametrize("absent_del", ["zero", "error"])
def test_an_entry_is_removed_as_it_is_listed_or_else_as_an_address(node: Node, absent_del: str, del_takes: str) -> None:
    for notation in ("prefix", "netmask", "mapped", "mapped_hex", "padded", "full_width", "port", "blanks"):
        options = {"whitelist_notation": notation, "del_takes": del_takes, "absent_del": absent_del}
        configure(node.core, whitelist=[A, B, C], options=options)
        result = node.task([A, B], "absent")
        assert "failed" not in result, (notation, result["msg"])
        assert (result["removed"], result["whitelist"]) == ([A, B], [C]), notation
        assert node.listed() == [C]
        result = node.task([C, D], "exact")
        assert (result["added"], result["already_present"], node.listed()) == ([D], [C], [C, D]), notation
        node.core.clock.advance(120)


def test_both_entries_of_an_address_are_removed(node: Node) -> None:
    configure(node.core, whitelist=[A, f"{A}/32", B], options={"del_takes": "listed"})
    fault(node.core, {"path": DEL, "kind": "partial", "drop": 1})
    assert node.task([A], "absent")["removed"] == [A]
    assert node.listed() == [B]


def test_an_entry_that_no_removal_takes_is_reported_and_the_others_are_removed(node: Node) -> None:
    configure(node.core, whitelist=[A, f"{B}:8080"])
    result = node.task([A, B], "absent")
    assert result["failed"] is True
    assert result["changed"] is True
    assert (result["removed"], result["whitelist"]) == ([A], [B])
    assert f"{B}:8080" in result["msg"]


def test_entries_that_are_not_one_address_are_left_alone_and_reported(node: Node) -> None:
    others = [f"{A},{B}", "203.0.113.0/24", "office.example", ""]
    configure(node.core, whitelist=[A, B, *others])
    assert execute(WHITELIST_INFO, node.params, Mode())["unreadable"] == others
    assert client(node.core, node.directory).whitelist() == [A, B, *others]
    for result in (node.task([B], "absent"), node.task([A], "exact")):
        assert (result["whitelist"], result["unreadable"]) == ([A], others)
        assert "4 entries" in result["warnings"][0]
        assert "'office.example'" in result["warnings"][0]
    assert "warnings" not in node.task([A])
    assert node.listed() == [A, *others]


def test_entries_that_are_no_text_are_reported(node: Node) -> None:
    body = {"Code": 0, "Data": [A, None, 3405803781, True]}
    fault(node.core, {"path": QUERY, "kind": "replace", "body": body, "times": -1})
    result = node.task([A], "exact")
    assert (result["whitelist"], result["unreadable"]) == ([A], ["null", "3405803781", "true"])
    assert calls(node.core, ADD, DEL) == []


@pytest.mark.parametrize("data", [[{"ip": A}], [[A]], "203.0.113.1", {"ips": [A]}])
def test_a_list_of_another_shape_is_an_error(node: Node, data: Any) -> None:
    fault(node.core, {"path": QUERY, "kind": "replace", "body": {"Code": 0, "Data": data}, "times": -1})
    result = node.task([A], "exact")
    assert "Data is not a list of addresses" in result["msg"]
    assert calls(node.core, ADD, DEL) == []


def test_entries_that_are_no_address_take_their_place_in_the_capacity(node: Node) -> None:
    configure(node.core, whitelist=[A, f"{A}/32", "office.example"])
    assert "would hold 4" in node.task([B], capacity=3)["msg"]
    assert "failed" not in node.task([B], capacity=4)
