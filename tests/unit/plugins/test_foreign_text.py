# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of a vendor or a host is shown without anything that a terminal obeys or that hides other
text.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import ansible.template
import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.qingguo.qgnet.plugins.inventory.qg_cloud import host_address
from ansible_collections.qingguo.qgnet.plugins.lookup import proxy
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.checks import (
    check_addresses,
    parse_address,
    read_address,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import use
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import (
    Exact,
    clean,
    one_line,
    visible,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import redact
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._egress import (
    DetectionRequest,
    evaluate_quorum,
    parse_replies,
)
from hypothesis import given
from hypothesis import strategies as st
from jinja2.nativetypes import NativeEnvironment
from support.documents import lookup_of
from support.invariants import assert_no_secret, texts_below
from support.node import Node
from support.plugin_runs import run_action
from support.vendor import KEY, Answer, Call, Vendor

#: An escape sequence that clears the screen, its form of one byte, a reversal, signs without width,
#: half of a pair.
STRANGE = "a\x1b[2J\x9b2J\u202eb\u200bc\u2066\ufeff\x00\x07\x7fd\ud83d"
SCOPE = "2606:4700::1%\x1b[2J"


def shown(text: str) -> bool:
    """Whether a text holds nothing but signs that are seen, and line feeds."""
    return all(line.isprintable() for line in text.split("\n"))


def everything(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for name, item in value.items() for text in (str(name), *everything(item))]
    return (
        [text for item in value for text in everything(item)]
        if isinstance(value, list)
        else [str(value)]
    )


@given(st.text())
def test_a_message_is_one_line_of_signs_that_are_seen(text: str) -> None:
    assert one_line(text).isprintable()
    assert str(QgError(text)).isprintable()
    assert one_line(one_line(text)) == one_line(text)


@given(st.text())
def test_text_without_controls_stays_as_it_is(text: str) -> None:
    kept = "".join(sign for sign in text if sign.isprintable() and sign not in "{}#\\")
    assert visible(f"{kept}\n\t") == f"{visible(kept)}\n\t"
    assert not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]",
        visible(text),
    )


#: Texts that are evaluated where a user trusts them; those of one line are joined by a template of
#: the user's.
TEMPLATES = [
    ["{{ 40 + 2 }}"],
    ["{% if true %}{{ 40 + 2 }}{% endif %}"],
    ["{", "{ 40 + 2 }}"],
    ["{# #", "}{", "{ 40 + 2 }}"],
    ['["\\x7b\\x7b 40 + 2 }}"]'],
    ["'{' \"{ 40 + 2 }}\""],
    ["#jinja2: variable_start_string: '[%', variable_end_string: '%]'\n[% 40 + 2 %]"],
    ["#", "jinja2: variable_start_string: '[%', variable_end_string: '%]'\n[% 40 + 2 %]"],
]


def trusted(value: Any) -> Any:
    """A value as it comes from a file of variables: before ansible-core 2.19, all text is
    trusted.
    """
    trust = getattr(ansible.template, "trust_as_template", str)
    return [trust(item) for item in value] if isinstance(value, list) else trust(value)


def rendered(parts: list[str]) -> str:
    """Do as ansible-rulebook, whose native types evaluate a literal, and then as Ansible with the
    variable.
    """
    value = NativeEnvironment().from_string("{{ parts | join }}").render(parts=parts)
    return str(ansible.template.Templar(DataLoader()).template(trusted(value)))


@pytest.mark.parametrize("parts", TEMPLATES)
def test_text_that_was_shown_is_no_template(parts: list[str]) -> None:
    assert "42" in rendered(parts)
    for shown in (visible, one_line):
        assert "42" not in rendered([shown(part) for part in parts])


@given(st.text())
def test_no_text_has_what_a_template_begins_with(text: str) -> None:
    for shown in (visible(text), one_line(text)):
        assert not set("{#\\") & set(shown)
        assert visible(shown) == shown
    # A password that was asked for has to fit.
    assert clean({"password": Exact(text)}, ()) == {"password": text}


def test_text_of_the_vendor_in_chinese_is_shown() -> None:
    assert one_line("福建 泉州\u3000电信 \N{GRINNING FACE}") == "福建 泉州 电信 \N{GRINNING FACE}"


def test_what_is_nested_too_deep_is_left_out() -> None:
    deep: Any = STRANGE
    for _level in range(3000):
        deep = {"a": deep}
    assert "too deep" in json.dumps(clean(deep, ()))


LEASE = {
    "IP": f"192.0.2.1{STRANGE}",
    "port": 80,
    "host": f"192.0.2.1:80{STRANGE}",
    "deadline": STRANGE,
    "region": STRANGE,
    STRANGE: [{STRANGE: KEY}],
}
BODIES: dict[str, dict[str, Any]] = {
    "/whitelist/query": {
        "Code": 0,
        "Data": ["192.0.2.1", STRANGE, SCOPE, f"192.0.2.9\n192.0.2.8 {KEY}"],
    },
    "/info/quota": {"Code": 0, "Total": 5, "Available": 4, "Used": 1, STRANGE: STRANGE},
    "/query": {"Code": 0, "TaskList": [{"TaskID": f"T{STRANGE}", "Data": [LEASE]}]},
    "/resources": {"Code": 0, "Data": [{"area": STRANGE, "areaid": 350500, STRANGE: KEY}]},
    "/monopolies": {
        "data": [{"uuid": f"u{STRANGE}", "area": STRANGE, "state": STRANGE, "ip": STRANGE}]
    },
}


def answer(body: object, _call: Call) -> Answer:
    """Return a body as the response to any call."""
    return 200, body


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A control node, and a vendor with strange text in every response."""
    node = Node(tmp_path / "state", Vendor(), product="classic", max_wait=0)
    for path, body in BODIES.items():
        node.vendor.around(path, partial(answer, body))
    return node


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("qg_whitelist", {"ips": ["8.8.8.8"], "state": "exact"}),
        ("qg_whitelist_info", {}),
        ("qg_proxy_info", {}),
        ("qg_proxy_allocate", {"count": 1, "on_uncertain": "ignore"}),
        ("qg_proxy_allocate", {"count": 1, "areas": ["350500"]}),
        ("qg_proxy_release", {"all": True}),
        ("qg_monopoly", {"state": "absent", "all": True}),
        ("qg_monopoly", {"count": 1}),
    ],
)
def test_nothing_of_the_vendor_reaches_a_result_as_a_control_or_with_the_key(
    node: Node, module: str, options: dict[str, Any]
) -> None:
    result = node.run(module, check=True, diff=True, **options)
    assert [text for text in everything(result) if not shown(text)] == []
    assert result.get("msg", "").isprintable()


def test_an_entry_with_a_line_feed_is_one_line_of_a_result(node: Node) -> None:
    result = node.ok("qg_whitelist_info")
    assert result["whitelist"] == ["192.0.2.1"]
    assert [len(text.splitlines()) for text in result["unreadable"]] == [1, 1, 1]


def test_the_lookup_returns_and_the_store_keeps_no_key(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LEASE, "host", "192.0.2.1:80")
    lookup, _names = lookup_of(proxy)
    with use(node.runtime):
        (lease,) = lookup.run([], {}, **node.options, form="lease", at_least=1, max_age=60)
    assert [text for text in everything(lease) if not shown(text)] == []
    kept = "".join(texts_below(node.store))
    assert "192.0.2.1:80" in kept
    assert_no_secret([KEY], lease, kept)


def test_what_a_shell_of_a_host_prints_is_shown_on_one_line() -> None:
    result = run_action("qg_egress_ip_info", {}, lambda _command: (1, "", f"sh: {STRANGE}\n\n"))
    assert "sh: a" in result["msg"]
    assert result["msg"].isprintable()


def test_an_address_with_a_scope_is_refused_everywhere() -> None:
    for text in (SCOPE, "fe80::1%eth0", "192.0.2.1%1"):
        with pytest.raises(ValueError, match="scope"):
            parse_address(text)
        with pytest.raises(ValueError, match="is not an address") as caught:
            read_address(text, any_scope=True)
        assert str(caught.value).isprintable()
        with pytest.raises(OptionError):
            check_addresses("ips", [text])
        assert host_address({"ip": text}) is None


def question(**changes: Any) -> dict[str, Any]:
    sources = [
        "https://one.example/ip?token=HUSH7",
        "https://one.example/ip?token=HUSH8",
        "https://two.example/ip",
    ]
    options = {"sources": sources, "quorum": 2, "samples": 1, "timeout": 5.0}
    return {**options, **changes}


def test_a_token_in_a_source_is_in_no_result_and_no_message() -> None:
    asked = DetectionRequest.parse(question())
    record = "\nN {} 0 {}\nN.\n"
    good = "".join(record.format(number, "198.51.100.7") for number in range(3))
    answers = parse_replies(good, "N", asked)
    assert evaluate_quorum(answers, asked) == ["198.51.100.7"]
    assert [answer["source"] for answer in answers] == [
        "https://one.example/ip?...",
        "https://one.example/ip?... (2)",
        "https://two.example/ip",
    ]
    for output in (
        record.format(0, "nonsense"),
        record.format(0, "198.51.100.7") + record.format(1, "198.51.100.8"),
        "",
    ):
        with pytest.raises(QgError) as caught:
            evaluate_quorum(parse_replies(output, "N", asked), asked)
        assert "HUSH" not in json.dumps(caught.value.as_result())


def test_credentials_in_a_source_are_refused() -> None:
    with pytest.raises(
        OptionError, match="sources, entry 2, contains a user name, a password or another @: leave"
    ):
        DetectionRequest.parse(
            question(sources=["https://one.example/ip", "https://me:HUSH7@two.example/ip"])
        )


def test_warnings_and_messages_of_an_action_are_fit_to_be_shown() -> None:
    result = redact(
        {"msg": STRANGE, "warnings": [f"{STRANGE}\n{KEY}"]}, {"key": KEY}, {"key": {"no_log": True}}
    )
    assert result["msg"].isprintable()
    assert result["warnings"][0].isprintable()
    assert KEY not in result["warnings"][0]
