# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which services become hosts, under which names, and in which groups."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from ansible.inventory.group import to_safe_group_name
from ansible_collections.qingguo.qgnet.plugins.inventory.qg_cloud import DOCUMENTATION
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account import models
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud import hosts
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.hosts import (
    COLUMNS,
    GROUPS,
    SECRET_COLUMNS,
    HostnameAllocator,
    address,
    cache_key,
    check_config,
    check_hostnames,
    check_prefix,
    check_products,
    check_simple_filters,
    collect,
    describe_services,
    first_name,
    group_names,
    is_collected,
    is_name,
    is_template,
    matches,
    parse_filters,
    variables,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from hypothesis import example, given
from hypothesis import strategies as st

DEFINITIONS = yaml.safe_load(DOCUMENTATION)["options"]
ANYTHING = st.text(max_size=12)
#: HostnameAllocator that are often equal, and some that are none.
NAMES = st.sampled_from(["web", "web_2", "web_2_2", "", "a b", "{{ x }}", "localhost", "-x", "数据"]) | ANYTHING
SUIDS = st.lists(st.from_regex(r"[0-9]{1,3}|s[a-z]-[0-9]|,,", fullmatch=True), unique=True, max_size=12)


VENDOR = {
    "Suid": "104000001",
    "line_no": "ap-shanghai",
    "area_no": "ap-shanghai-1",
    "Ip": "198.51.100.7",
    "Local_ip": "",
    "Run_status": "1",
    "Order_status": "1",
    "Bandwidth": "5",
    "System_name": "CentOS 7.9 64位",
    "Login_password": "secret",
}


def row(vendor: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A row of a service, with changes of its columns."""
    return {"product_id": None, **models.instances([vendor or VENDOR])[0], **changes}


# --- options


@pytest.mark.parametrize(
    ("config", "definitions", "checked"),
    [
        (
            {"product_ids": ["104", 113], "include_secrets": "yes"},
            DEFINITIONS,
            {"product_ids": [104, 113], "include_secrets": True},
        ),
        (
            {"hostnames": "suid,ip", "filters": None, "vars_prefix": ""},
            DEFINITIONS,
            {"hostnames": ["suid", "ip"], "vars_prefix": ""},
        ),
        *(({"it": "no"}, {"it": {"type": kind}}, {"it": False}) for kind in ("boolean", "bool")),
        ({"it": 5}, {"it": {}}, {"it": "5"}),
    ],
)
def test_options_get_their_types(config: dict[str, Any], definitions: dict[str, Any], checked: dict[str, Any]) -> None:
    assert check_config(config, definitions) == checked


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"product_id": 1}, "product_id is not an option of this plugin: did you mean product_ids?"),
        ({"zzz": 1}, "zzz is not an option of this plugin: use some of plugin, product_ids, "),
        ({"product_ids": ["one"]}, "product_ids FILE: give a list of whole numbers."),
        ({"product_ids": {}}, "product_ids FILE: give a list of whole numbers."),
        ({"simple_filters": []}, "simple_filters FILE: give a dictionary."),
        ({"filters": {"include": "x"}}, "filters FILE: give a list of dictionaries."),
        ({"vars_prefix": ["secret"]}, "vars_prefix FILE: give text."),
        ({"connect_with": "both"}, "connect_with='both' FILE: give some of public, local."),
        ({"include_secrets": "maybe"}, "include_secrets='maybe' FILE: give true or false."),
        (
            {"default_groups": [f"{name}s" for name in GROUPS]},
            f"default_groups FILE: give some of {', '.join(GROUPS)}, or [] for none.",
        ),
    ],
)
def test_a_mistake_in_the_file_is_reported_with_its_fix(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError) as caught:
        check_config(config, DEFINITIONS)
    assert caught.value.message.startswith(sentence.replace("FILE", "cannot be used in the inventory file"))


def test_brands() -> None:
    assert check_products([]) == (None,)
    assert check_products([104, 113, 104]) == (104, 113)
    with pytest.raises(OptionError, match="product_ids=0 is out of range"):
        check_products([0])


def test_prefixes() -> None:
    assert [check_prefix("vars_prefix", text) for text in ("", "qg_", "_Q9")] == ["", "qg_", "_Q9"]
    for text in ("a b", "9", "qg-", "数", "{{"):
        with pytest.raises(OptionError, match="vars_prefix="):
            check_prefix("vars_prefix", text)


def test_names_of_hosts_come_from_columns_or_templates() -> None:
    assert check_hostnames(["suid", "x-{{ qg_suid }}", "{% if true %}a{% endif %}"])
    assert not is_template("suid")
    with pytest.raises(OptionError, match="hostnames contains 'name': use a template in double braces, or some of"):
        check_hostnames(["suid", "name"])
    with pytest.raises(OptionError, match="hostnames is empty"):
        check_hostnames([])


# --- filters


@pytest.mark.parametrize(
    ("fits", "filters"),
    [
        *((True, {"line_no": pattern}) for pattern in ("ap-shanghai", "AP-SHANG*", ["ap-beijing", "ap-shanghai"])),
        (True, {}),
        (True, {"run_status": "running", "order_status": "normal", "os_family": "linux"}),
        (True, {"run_status_code": 1, "bandwidth": [5, 10]}),
        (True, {"system_name": ["windows*", "centos*64?"]}),
        *((True, filters) for filters in ({"local_ip": None}, {"local_ip": ["198.*", None]}, {"product_id": None})),
        (False, {"line_no": "ap-shanghai", "run_status": ["stopped"]}),
        *(
            (False, filters)
            for filters in ({"line_no": "ap-beijing"}, {"bandwidth": 50}, {"local_ip": "*"}, {"ip": None})
        ),
    ],
)
def test_filters(fits: bool, filters: dict[str, Any]) -> None:
    assert matches(row(), check_simple_filters(filters)) is fits


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        ({"lineno": "x"}, "simple_filters contains 'lineno', which is not a column: use some of product_id, suid"),
        ({"login_password": "x"}, "simple_filters contains 'login_password', which is not a column"),
        ({"line_no": []}, "simple_filters.line_no cannot be used: give one value, or a list of values."),
        ({"line_no": {"a": "b"}}, "simple_filters.line_no cannot be used"),
        ({"line_no": [["a"]]}, "simple_filters.line_no cannot be used"),
        (
            {"run_status": "runing"},
            "simple_filters.run_status contains 'runing', which never occurs: use stopped, powered_off",
        ),
        ({"run_status": "[r]unning"}, r"simple_filters.run_status contains '\[r\]unning', which never occurs"),
        (
            {"os_family": ["linux", "bsd*"]},
            r"simple_filters.os_family contains 'bsd\*', which never occurs: use linux, windows.",
        ),
    ],
)
def test_a_filter_that_can_never_fit_is_refused(filters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        check_simple_filters(filters)


@pytest.mark.parametrize(
    "entry",
    [
        *("include", {}, {"include": "x", "exclude": "y"}, {"only": "x"}, {"include": None}),
        *({"exclude": " "}, {"include": 1}),
    ],
)
def test_an_entry_that_is_neither_an_include_nor_an_exclude_filter_is_refused(entry: Any) -> None:
    assert parse_filters([{"include": "x"}, {"exclude": True}]) == [("include", "x"), ("exclude", True)]
    with pytest.raises(OptionError, match=r"^filters, entry 2, cannot be used: give either include or exclude, "):
        parse_filters([{"include": "x"}, entry])


@pytest.mark.parametrize(("name", "words"), [("run_status", models.RUN_STATUS), ("order_status", models.ORDER_STATUS)])
def test_every_word_for_a_state_can_be_filtered(name: str, words: dict[int, str]) -> None:
    for code, word in words.items():
        assert matches(row({"Suid": "1", name: str(code)}), check_simple_filters({name: word}))


@given(value=ANYTHING, patterns=st.lists(ANYTHING | st.none(), min_size=1, max_size=3))
def test_a_filter_of_the_value_itself_fits(value: str, patterns: list[str | None]) -> None:
    assert matches(row(spec_name=value), check_simple_filters({"spec_name": [*patterns, value]}))


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("Windows 2012 [64bit]", True),
        ("windows * [64?it]", True),
        ("[64bit]", False),
        ("Windows 2012 6", False),
        ("Windows 2012 [!x]64bit]", False),
    ],
)
def test_only_asterisk_and_question_mark_stand_for_other_text(pattern: str, fits: bool) -> None:
    filters = check_simple_filters({"system_name": pattern})
    assert matches(row(system_name="Windows 2012 [64bit]"), filters) is fits
    assert not matches(row(system_name="Windows 2012 6"), check_simple_filters({"system_name": "Windows 2012 [64bit]"}))


# --- addresses


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ip": None}, "no ip, running"),
        ({"ip": None, "run_status": "provisioning", "order_status": "failed"}, "no ip, provisioning, failed"),
        ({"ip": None, "run_status": None, "order_status": None}, "no ip"),
        *(
            ({"ip": text}, f"ip '{text}' is not an address")
            for text in ("-oProxyCommand=x", "198.51.100.7,198.51.100.8", "localhost", "127.1", "2130706433")
        ),
        ({"ip": "\u6ca1\u6709"}, "ip '\\u6ca1\\u6709' is not an address"),
        *(({"ip": text}, f"ip {text} is not an address of a remote host") for text in ("0.0.0.0", "224.0.0.1")),
    ],
)
def test_why_a_service_is_no_host(changes: dict[str, Any], reason: str) -> None:
    assert address(row(**changes), "ip") == (None, reason)


def test_either_address() -> None:
    assert address(row(), "ip") == ("198.51.100.7", "")
    assert address(row(), "local_ip") == (None, "no local_ip, running")
    assert address(row(local_ip="2001:DB8::1"), "local_ip") == ("2001:db8::1", "")


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.1", "169.254.169.254", "240.0.0.1", "255.255.255.255", "::", "::1"),
        *("::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "fe80::1", "fec0::1"),
        *("ff02::1", "64:ff9b::7f00:1"),
    ],
)
def test_no_host_is_reached_at_an_address_that_no_remote_machine_can_have(text: str) -> None:
    for column in ("ip", "local_ip"):
        assert address(row(**{column: text}), column) == (None, f"{column} {text} is not an address of a remote host")


@pytest.mark.parametrize("text", ["10.0.0.5", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.5"])
def test_a_private_address_is_not_taken_for_a_public_one(text: str) -> None:
    reason = f"ip {text} is not an address of the public internet"
    assert address(row(ip=text), "ip") == (None, reason)
    assert address(row(local_ip=text), "local_ip")[0] is not None


@pytest.mark.parametrize("text", ["8.8.4.4", "2001:4860:4860::8888", "::ffff:8.8.4.4"])
def test_a_public_address_is_taken(text: str) -> None:
    assert address(row(ip=text), "ip")[0] is not None


@given(ANYTHING)
@example("2001:db8::1%{{ lookup('pipe', 'id') }}")
def test_an_address_is_never_anything_else(text: str) -> None:
    found, reason = address(row(ip=text), "ip")
    assert bool(found) is not bool(reason)
    assert found is None or re.fullmatch(r"[0-9a-f.:]+", found)


# --- groups


def test_groups() -> None:
    assert group_names(row(product_id=104, system_name="Windows Server 2019 数据中心版 64位"), GROUPS, "qg_") == [
        *("qg_product_104", "qg_line_ap_shanghai", "qg_area_ap_shanghai_1", "qg_status_running", "qg_order_normal"),
        *("qg_os_linux", "qg_system_windows_server_2019_数据中心版_64位"),
    ]
    assert group_names(row(), ["area", "os"], "") == ["area_ap_shanghai_1", "os_linux"]
    assert group_names(row(), [], "qg_") == []


def test_a_column_without_a_value_makes_no_group_except_that_of_the_system() -> None:
    assert group_names(row({"Suid": "1"}), GROUPS, "qg_") == ["qg_os_unknown"]
    assert group_names(row(line_no="-- --"), ["line"], "qg_") == []


@given(values=st.lists(ANYTHING, min_size=4, max_size=4), prefix=st.sampled_from(["", "qg_", "_"]))
def test_a_group_is_named_as_ansible_wants_it(values: list[str], prefix: str) -> None:
    columns = dict(zip(("line_no", "area_no", "system_name", "run_status"), values, strict=True))
    for name in group_names(row(**columns), GROUPS, prefix):
        assert to_safe_group_name(name, force=True, silent=True) == name


# --- names


@pytest.mark.parametrize(
    ("suid", "candidates", "name"),
    [
        ("1", [None, "", "a b", "{{ x }}", "localhost", "web.example"], "web.example"),
        *(("2", [7], "7"), ("3", ["x:y"], "3"), ("4", [" padded "], "padded"), (",,", ["x:y"], None)),
    ],
)
def test_the_first_candidate_that_can_be_a_name(suid: str, candidates: list[Any], name: str | None) -> None:
    assert first_name(suid, candidates) == name


@pytest.mark.parametrize(
    "text",
    [
        *("localhost", "LocalHost", "localhost.", "localhost.localdomain", "web.localhost", "ip6-localhost"),
        *("\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54", "127.0.0.1", "127.0.0.53", "127.1", "0x7f.1"),
        *("0.0.0.0", "169.254.169.254", "all", "All", "ungrouped", "_meta"),
    ],
)
def test_a_name_of_this_machine_or_of_ansible_is_no_name_of_a_host(text: str) -> None:
    assert not is_name(text)
    assert first_name("104000001", [text]) == "104000001"


@pytest.mark.parametrize("text", ["104000001", "1", "10.0.0.5", "mylocalhost", "localhost-1", "all-1", "1.2"])
def test_other_names_are_taken_though_they_look_alike(text: str) -> None:
    assert is_name(text)


def test_a_second_one_of_a_name_gets_its_number() -> None:
    names = HostnameAllocator()
    assert [names.allocate(suid, "node") for suid in ("1", "2", "2/x")] == ["node", "node_2", "node_2_x"]
    assert names.renamed == [("2", "node_2"), ("2/x", "node_2_x")]
    assert names.allocate("9", "node_2") == "node_2_9"


@pytest.mark.parametrize(
    "text",
    ["", "all", "Localhost", "127.0.0.1", "ungrouped", "a b", "a:b", "a,b", "!a", "-a", ".a", "a*", "a[1]", "a\n"],
)
def test_what_means_something_else_to_ansible_is_no_name(text: str) -> None:
    assert not is_name(text)


@given(SUIDS, st.data())
def test_each_host_has_a_name_of_its_own(suids: list[str], data: st.DataObject) -> None:
    names = HostnameAllocator()
    wanted = [(suid, first_name(suid, data.draw(st.lists(NAMES, max_size=2)))) for suid in suids]
    usable = [names.allocate(suid, name) for suid, name in wanted if name is not None]
    assert len(set(usable)) == len(usable)
    assert all(is_name(name) for name in usable)
    assert all(name is not None for suid, name in wanted if is_name(suid))
    assert {suid for suid, _name in names.renamed} <= set(suids)


# --- rows


def test_services_are_collected_once_in_the_order_of_their_numbers() -> None:
    reported = {104: ["20", "3"], 113: ["100", "3"]}
    rows = collect([104, 113], lambda product: [{"suid": suid, "vendor": {}} for suid in reported[product or 0]])
    assert [(found["product_id"], found["suid"]) for found in rows] == [(104, "3"), (104, "20"), (113, "100")]
    assert [set(found) for found in rows] == [{"product_id", "suid"}] * 3


def test_what_is_collected_is_known_again() -> None:
    rows = collect([None], lambda _product: models.instances([{"Suid": "1"}]))
    assert is_collected(rows)
    assert is_collected([])
    for other in (None, {}, "x", [1], [{"suid": "1"}], [{**rows[0]} | {"ip": ""}, {}]):
        assert not is_collected(other)


def test_variables_have_no_secret_unless_it_is_there() -> None:
    vendor = [{"Suid": "1", "Login_password": "x"}]
    reported = collect([None], lambda _product: models.instances(vendor))[0]
    assert set(variables(reported, "qg_")) == {f"qg_{name}" for name in COLUMNS}
    reported = collect([None], lambda _product: models.instances(vendor, include_secrets=True))[0]
    assert set(variables(reported, "")) == {*COLUMNS, *SECRET_COLUMNS}
    assert variables(reported, "")["login_password"] == "x"


def test_the_name_in_the_cache() -> None:
    params = {"account_url": "https://a.example", "app_id": "x", "include_secrets": False}
    key = cache_key(params, [None])
    others = [
        *(cache_key({**params, name: "other"}, [None]) for name in ("account_url", "app_id")),
        cache_key({**params, "include_secrets": True}, [None]),
        cache_key(params, [104]),
        cache_key(params, [104, 113]),
    ]
    assert len({key, *others}) == 6
    assert cache_key({**params, "app_key": "other", "filters": {"ip": None}}, [None]) == key
    assert re.fullmatch("[0-9a-f]{20}", key)


# --- words


def test_a_warning_names_the_first_ones() -> None:
    items = [(str(number), "no ip") for number in range(7)]
    assert describe_services(items[:2]) == "0 (no ip), 1 (no ip)"
    assert describe_services(items).endswith("4 (no ip) and 2 more, all with -v")
    assert describe_services([("\x1b[31m数", "\u202ex\n")]) == "<U+001B>[31m数 (<U+202E>x)"


def test_the_documentation_lists_the_variables() -> None:
    notes = " ".join(yaml.safe_load(DOCUMENTATION)["notes"][0].split())
    listed = re.findall(r"C\((\w+)\)", notes)
    assert listed == list(COLUMNS)
    for name in SECRET_COLUMNS:
        assert f"C({name})" in str(DEFINITIONS["include_secrets"]["description"])


def test_the_documentation_offers_what_there_is() -> None:
    assert DEFINITIONS["default_groups"]["choices"] == DEFINITIONS["default_groups"]["default"] == list(GROUPS)
    assert DEFINITIONS["connect_with"]["choices"] == list(hosts.ADDRESSES)
