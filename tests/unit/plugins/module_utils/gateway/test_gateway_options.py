# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the roles proxy_gateway and proxy_list: each mistake is one sentence with the
role's option.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    OptionError,
    QgError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway import records
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.declaration import (
    Declaration,
    Gateway,
    ProxyList,
    as_json,
    from_json,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.gateway_options import (
    GATEWAY_OPTIONS,
    LIST_OPTIONS,
    read_gateway,
    read_list,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.logins import Login, login_of
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import (
    GATEWAY,
    LIST,
    Installation,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Spec
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.values import typed_options
from support import phrases

PATH = "/etc/crawler/proxies.txt"


def values_of(prefix: str, spec: Spec, options: dict[str, Any]) -> dict[str, Any]:
    """Return the variables of a role as the action reads them: null and an empty text are not
    given.
    """
    fields = {f"{prefix}{option}": field for option, field in spec.items()}
    given = {}
    for option, value in options.items():
        if value is not None and value != "":
            given[f"{prefix}{option}"] = value
    values = typed_options(fields, given)
    return {option: values[f"{prefix}{option}"] for option in spec}


def gateway(product: str = "auto", **options: Any) -> Gateway:
    return read_gateway(values_of("proxy_gateway_", GATEWAY_OPTIONS, options), product)


def proxy_list(product: str = "auto", **options: Any) -> ProxyList:
    values = values_of("proxy_list_", LIST_OPTIONS, {"path": PATH, **options})
    return read_list(values, "{{ urls }}" if values["template"] else "", product)


def entry(**options: Any) -> dict[str, Any]:
    return {"pools": [{"name": "a", "port": 3129, **options}]}


def sentence(refused: pytest.ExceptionInfo[OptionError]) -> str:
    """Return the message, which is one sentence."""
    message = refused.value.message
    assert message.endswith(".")
    assert "\n" not in message
    return message


WHOLE = phrases.NOT_A_WHOLE_NUMBER
#: By the option that the sentence begins with: mistakes in options that both roles have.
OF_BOTH: list[tuple[str, Any, str]] = [
    ("count", "three", WHOLE),
    ("count", True, WHOLE),
    ("count", 1.5, WHOLE),
    ("count", [2], WHOLE),
    ("count", 0, phrases.OUT_OF_RANGE),
    ("count", -1, phrases.OUT_OF_RANGE),
    ("count", 101, phrases.OUT_OF_RANGE),
    ("drain", "60s", WHOLE),
    ("drain", 0, phrases.OUT_OF_RANGE),
    ("drain", 86401, phrases.OUT_OF_RANGE),
    ("interval", "often", WHOLE),
    ("interval", 0, phrases.OUT_OF_RANGE),
    ("interval", 86401, phrases.OUT_OF_RANGE),
    ("keep_alive", "soon", phrases.CANNOT_BE_USED),
    ("keep_alive", [5], phrases.NOT_A_TEXT),
    ("keep_alive", "30s", phrases.WHOLE_MINUTES),
    ("keep_alive", "0", phrases.OUT_OF_RANGE),
    ("keep_alive", "525601", phrases.OUT_OF_RANGE),
    ("credentials", "maybe", phrases.NO_BOOLEAN),
    ("ignore_quota", 2, phrases.NO_BOOLEAN),
    ("isp", "cmcc", phrases.IS_NONE_OF),
    ("areas", {"350500": 1}, phrases.IS_NO_LIST),
    ("areas", ["350500,320800"], phrases.ONE_WHOLE_NAME),
    ("areas", [""], phrases.ONE_WHOLE_NAME),
    ("areas", [None], phrases.NOT_A_TEXT),
    ("state", "gone", phrases.IS_NONE_OF),
]
OF_GATEWAYS: list[tuple[str, Any, str]] = [
    ("name", "a b", phrases.LETTERS_AND_DIGITS),
    ("name", "../a", phrases.LETTERS_AND_DIGITS),
    ("name", "-a", phrases.LETTERS_AND_DIGITS),
    ("name", "a\n", phrases.LETTERS_AND_DIGITS),
    ("name", "a" * 65, phrases.LETTERS_AND_DIGITS),
    ("name", ["a"], phrases.NOT_A_TEXT),
    ("directory", "etc", phrases.LETTERS_OF_A_PATH),
    ("directory", "/a b", phrases.LETTERS_OF_A_PATH),
    ("directory", "/a;b", phrases.LETTERS_OF_A_PATH),
    ("directory", "/a%b", phrases.LETTERS_OF_A_PATH),
    ("directory", "/$HOME", phrases.LETTERS_OF_A_PATH),
    ("directory", "/a\n", phrases.LETTERS_OF_A_PATH),
    ("service", "upstart", phrases.IS_NONE_OF),
    ("bind", "::1", phrases.ONE_IPV4),
    ("bind", "localhost", phrases.ONE_IPV4),
    ("bind", "*", phrases.ONE_IPV4),
    ("bind", "127.0.0.1:3128", phrases.ONE_IPV4),
    ("bind", "127.0.0.01", phrases.ONE_IPV4),
    ("bind", "0.0.0.0", "lets nobody in"),
    ("bind", "192.0.2.10", "lets nobody in"),
    ("port", 0, phrases.OUT_OF_RANGE),
    ("port", 65536, phrases.OUT_OF_RANGE),
    ("port", "http", WHOLE),
    ("allow", [], phrases.IS_EMPTY),
    ("allow", ["::1"], phrases.IPV4_OR_NETWORKS),
    ("allow", ["0.0.0.0/0"], phrases.IPV4_OR_NETWORKS),
    ("allow", ["127.0.0.1", "0.0.0.0"], phrases.IPV4_OR_NETWORKS),
    ("allow", ["0.0.0.0/8"], phrases.IPV4_OR_NETWORKS),
    ("allow", ["192.0.2.0/33"], phrases.IPV4_OR_NETWORKS),
    ("allow", ["192.0.2.0/24 }"], phrases.IPV4_OR_NETWORKS),
    ("allow", ["localhost"], phrases.IPV4_OR_NETWORKS),
    ("allow", [None], phrases.NOT_A_TEXT),
    ("web_only", "sometimes", phrases.NO_BOOLEAN),
    ("log", "errors", phrases.NO_BOOLEAN),
    ("reports", "all", phrases.NO_BOOLEAN),
    ("metrics", 9101, phrases.ADDRESS_AND_PORT),
    ("metrics", "127.0.0.1", phrases.ADDRESS_AND_PORT),
    ("metrics", "127.0.0.1:0", phrases.ADDRESS_AND_PORT),
    ("metrics", "127.0.0.1:70000", phrases.ADDRESS_AND_PORT),
    ("metrics", "[::1]:9101", phrases.ADDRESS_AND_PORT),
    ("metrics", "127.0.0.1:9101 ssl", phrases.ADDRESS_AND_PORT),
    ("check", "http", phrases.IS_NONE_OF),
    ("check_target", "d.qg.net", phrases.A_HOST_AND_A_PORT),
    ("check_target", "d.qg.net:0", phrases.A_HOST_AND_A_PORT),
    ("check_target", "d.qg.net:65536", phrases.A_HOST_AND_A_PORT),
    ("check_target", "d.qg.net:443 ver", phrases.A_HOST_AND_A_PORT),
    ("check_target", "https://d.qg.net", phrases.A_HOST_AND_A_PORT),
    ("exit_timeout", "long", phrases.NO_NUMBER),
    ("exit_timeout", 0, phrases.OUT_OF_RANGE),
    ("exit_timeout", "nan", phrases.OUT_OF_RANGE),
    ("exit_timeout", "inf", phrases.OUT_OF_RANGE),
    ("exit_timeout", True, phrases.NO_NUMBER),
    ("exit_timeout", 61, phrases.OUT_OF_RANGE),
    ("client_connections", "all", WHOLE),
    ("client_connections", 0, phrases.OUT_OF_RANGE),
    ("client_connections", 4001, phrases.OUT_OF_RANGE),
    ("sticky", "always", phrases.IS_NONE_OF),
    ("per_exit", "ten", WHOLE),
    ("per_exit", -1, phrases.OUT_OF_RANGE),
    ("per_exit", 4001, phrases.OUT_OF_RANGE),
    ("slots", "some", phrases.NO_BOOLEAN),
    ("pools", "a", phrases.NO_DICTIONARY),
    ("pools", {"a": 3129}, phrases.IS_NO_LIST),
    ("pools", [None], phrases.NO_DICTIONARY),
]
OF_LISTS: list[tuple[str, Any, str]] = [
    ("path", "proxies.txt", phrases.ABSOLUTE_PATH_OF_A_FILE),
    ("path", "/", phrases.ABSOLUTE_PATH_OF_A_FILE),
    ("path", "/etc/", phrases.ABSOLUTE_PATH_OF_A_FILE),
    ("path", "/etc/../proxies.txt", phrases.ABSOLUTE_PATH_OF_A_FILE),
    ("path", "/etc//proxies.txt", phrases.ABSOLUTE_PATH_OF_A_FILE),
    ("path", "/etc/a\nb", phrases.ABSOLUTE_PATH_OF_A_FILE),
    ("path", ["/etc/proxies.txt"], phrases.NOT_A_TEXT),
    ("format", "yaml", phrases.IS_NONE_OF),
    ("scheme", "https", phrases.IS_NONE_OF),
    ("template", ["proxies.j2"], phrases.NOT_A_TEXT),
    ("owner", {"name": "crawler"}, phrases.NOT_A_TEXT),
    ("command", ["systemctl", "reload"], phrases.NOT_A_TEXT),
]


@pytest.mark.parametrize(("option", "value", "phrase"), [*OF_BOTH, *OF_GATEWAYS])
def test_a_mistake_of_a_gateway_is_one_sentence_with_its_variable(
    option: str, value: Any, phrase: str
) -> None:
    with pytest.raises(OptionError) as refused:
        gateway(**{option: value})

    assert refused.value.option == f"proxy_gateway_{option}"
    assert phrase in sentence(refused)


@pytest.mark.parametrize(("option", "value", "phrase"), [*OF_BOTH, *OF_LISTS])
def test_a_mistake_of_a_list_is_one_sentence_with_its_variable(
    option: str, value: Any, phrase: str
) -> None:
    with pytest.raises(OptionError) as refused:
        proxy_list(**{option: value})

    assert refused.value.option == f"proxy_list_{option}"
    assert phrase in sentence(refused)


OF_ENTRIES: list[tuple[str, dict[str, Any], str]] = [
    *(
        (option, {option: value}, phrase)
        for option, value, phrase in OF_BOTH
        if option not in ("interval", "state")
    ),
    ("port", {"port": None}, phrases.IS_NULL),
    ("port", {"port": ""}, phrases.IS_EMPTY),
    ("port", {"port": 0}, phrases.OUT_OF_RANGE),
    ("port", {"port": True}, WHOLE),
    ("key", {"key": ""}, phrases.NEVER_ANOTHER_KEY),
    ("key", {"key": " "}, phrases.NEVER_ANOTHER_KEY),
    ("key", {"key": None}, phrases.NEVER_ANOTHER_KEY),
    ("key", {"key": ["QGDEMO01"]}, phrases.NOT_A_TEXT),
    ("password", {"password": ["hush"]}, phrases.NOT_A_TEXT),
    ("product", {"product": "shared"}, phrases.IS_NONE_OF),
    ("sticky", {"sticky": "always"}, phrases.IS_NONE_OF),
    ("per_exit", {"per_exit": 4001}, phrases.OUT_OF_RANGE),
    ("slots", {"slots": "some"}, phrases.NO_BOOLEAN),
    ("counts", {"counts": 2}, phrases.NOT_AN_OPTION),
    ("interval", {"interval": 20}, phrases.NOT_AN_OPTION),
    ("bind", {"bind": "192.0.2.1"}, phrases.NOT_AN_OPTION),
]


@pytest.mark.parametrize(("option", "options", "phrase"), OF_ENTRIES)
def test_a_mistake_in_an_entry_names_its_pool(
    option: str, options: dict[str, Any], phrase: str
) -> None:
    with pytest.raises(OptionError) as refused:
        gateway(**entry(**options))

    name = options.get("name", "a")
    assert refused.value.option == f"proxy_gateway_pools, pool {name}: {option}"
    assert phrase in sentence(refused)


@pytest.mark.parametrize(
    ("options", "phrase"),
    [
        ({}, phrases.A_NAME_AND_A_PORT),
        ({"name": None}, phrases.IS_NULL),
        ({"name": ""}, phrases.IS_EMPTY),
        ({"name": "a b"}, phrases.LETTERS_OF_A_POOL),
        ({"name": "a" * 33}, phrases.LETTERS_OF_A_POOL),
        ({"name": ["a"]}, phrases.NOT_A_TEXT),
    ],
)
def test_an_entry_without_a_usable_name_is_named_by_its_number(
    options: dict[str, Any], phrase: str
) -> None:
    with pytest.raises(OptionError) as refused:
        gateway(pools=[{"name": "good", "port": 3129}, {"port": 3130, **options}])

    assert refused.value.option == "proxy_gateway_pools, entry 2: name"
    assert phrase in sentence(refused)


def test_two_pools_with_one_name_are_refused() -> None:
    with pytest.raises(OptionError, match=f"^proxy_gateway_pools {phrases.NO_OTHER_POOL} a: "):
        gateway(pools=[{"name": "a", "port": 3129}, {"name": "a", "port": 3130}])


def test_two_pools_with_one_port_are_refused() -> None:
    with pytest.raises(
        OptionError,
        match=f"^proxy_gateway_pools, pool b: port=3129 {phrases.ALSO_THE_PORT} pool a: ",
    ):
        gateway(pools=[{"name": "a", "port": 3129}, {"name": "b", "port": "3129"}])


@pytest.mark.parametrize(
    ("options", "option"), [({}, "proxy_gateway_port"), (entry(port=3128), "pool a: port")]
)
def test_a_pool_on_the_port_of_the_metrics_is_refused(options: dict[str, Any], option: str) -> None:
    with pytest.raises(
        OptionError, match=f"{option}=3128 {phrases.ALSO_THE_PORT} proxy_gateway_metrics: "
    ):
        gateway(metrics="127.0.0.1:3128", **options)


@pytest.mark.parametrize(
    ("make", "options", "option", "beside"),
    [
        (gateway, entry() | {"port": 3130}, "proxy_gateway_port", "proxy_gateway_pools"),
        (
            gateway,
            {"check": "tcp", "check_target": "example.com:443"},
            "proxy_gateway_check_target",
            "proxy_gateway_check=tcp",
        ),
        (proxy_list, {"scheme": "socks5h"}, "proxy_list_scheme", "proxy_list_format=lines"),
        (proxy_list, {"credentials": True}, "proxy_list_credentials", "proxy_list_format=lines"),
        (
            proxy_list,
            {"format": "json", "template": "own.j2"},
            "proxy_list_format",
            "proxy_list_template",
        ),
    ],
)
def test_what_would_be_ignored_is_refused(
    make: Callable[..., object], options: dict[str, Any], option: str, beside: str
) -> None:
    with pytest.raises(OptionError) as refused:
        make(**options)

    assert refused.value.option == option
    assert beside in refused.value.problem
    sentence(refused)


def test_options_of_urls_are_for_each_format_but_lines() -> None:
    for options in ({"format": "urls"}, {"format": "environment"}, {"template": "own.j2"}):
        assert proxy_list(scheme="socks5", credentials=True, **options).scheme == "socks5"


# Slots.


@pytest.mark.parametrize(
    ("options", "option", "phrase"),
    [
        ({"web_only": True}, "slots", phrases.SLOT_SEES_NO_TARGET),
        ({"sticky": "optional"}, "slots", phrases.SLOT_SEES_NO_USER_NAME),
        ({"sticky": "required"}, "slots", phrases.SLOT_SEES_NO_USER_NAME),
        ({"port": 65530, "count": 7}, "port", phrases.TOO_HIGH_FOR_SLOTS),
    ],
)
def test_what_slots_cannot_do_is_refused(options: dict[str, Any], option: str, phrase: str) -> None:
    of_pool = {name: value for name, value in options.items() if name != "web_only"}
    pools = [{"name": "a", "port": 3129, "slots": True, **of_pool}]
    of_gateway = {name: value for name, value in options.items() if name == "web_only"}
    for given, name in [
        ({"slots": True, **options}, ""),
        ({"pools": pools, **of_gateway}, "pools, pool a: "),
    ]:
        with pytest.raises(OptionError) as refused:
            gateway(**given)

        assert refused.value.option == f"proxy_gateway_{name}{option}"
        assert phrase in sentence(refused)


def test_slots_that_read_requests_can_see_where_they_go() -> None:
    (pool,) = gateway(slots=True, credentials=True, web_only=True).pools
    assert pool.is_http


def test_the_highest_ports_can_be_slots() -> None:
    assert gateway(slots=True, port=65530, count=6).pools[0].ports[-1] == 65535


def test_labels_are_the_default_where_they_are_possible() -> None:
    pools = [{"name": "a", "port": 3129}, {"name": "b", "port": 3130, "slots": "true"}]

    assert [pool.sticky for pool in gateway(pools=pools).pools] == ["optional", "none"]
    assert gateway(slots=True, sticky="none").pools[0].has_slots
    assert proxy_list().pools[0].sticky == "none"


def test_an_entry_without_slots_has_labels_in_a_gateway_with_slots() -> None:
    pools = [
        {"name": "a", "port": 3129},
        {"name": "b", "port": 3130, "slots": False, "sticky": "required"},
    ]

    first, second = gateway(slots=True, pools=pools).pools

    assert (first.has_slots, first.sticky) == (True, "none")
    assert (second.has_slots, second.sticky) == (False, "required")


SLOTS = {"name": "a", "port": 3130, "count": 5, "slots": True}


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"pools": [SLOTS, {"name": "b", "port": 3134}]}, "pool b: port=3134"),
        (
            {"pools": [{"name": "b", "port": 3134}, SLOTS]},
            "pool a: port=3130 with 5 slots takes port 3134, which",
        ),
        (
            {"pools": [SLOTS, {**SLOTS, "name": "b", "port": 3127}]},
            "pool b: port=3127 with 5 slots takes port 3130, which",
        ),
        (
            {"pools": [SLOTS], "metrics": "127.0.0.1:3133"},
            "pool a: port=3130 with 5 slots takes port 3133, which",
        ),
        (
            {"metrics": "127.0.0.1:3129", "slots": True, "count": 2},
            "port=3128 with 2 slots takes port 3129, which",
        ),
    ],
)
def test_a_port_of_a_slot_that_is_taken_is_refused(options: dict[str, Any], option: str) -> None:
    with pytest.raises(OptionError, match=f"{option} is also ") as refused:
        gateway(**options)

    sentence(refused)


def test_ports_beside_those_of_slots_are_free() -> None:
    assert (
        len(gateway(pools=[SLOTS, {"name": "b", "port": 3135}, {"name": "c", "port": 3129}]).pools)
        == 3
    )


def test_reports_of_a_gateway_without_labels_are_refused() -> None:
    with pytest.raises(
        OptionError, match=f"^proxy_gateway_reports=true {phrases.LABELS_ARE_IGNORED}: "
    ):
        gateway(reports=True, sticky="none")

    assert gateway(reports=True, sticky="none", **entry(sticky="required")).reports is True
    assert gateway(reports=True, slots=True).reports is True


@pytest.mark.parametrize(
    "option",
    [
        "count",
        "drain",
        "keep_alive",
        "credentials",
        "isp",
        "areas",
        "sticky",
        "per_exit",
        "product",
    ],
)
@pytest.mark.parametrize("value", [None, "", []])
def test_an_option_of_an_entry_without_a_value_is_refused(option: str, value: Any) -> None:
    with pytest.raises(OptionError) as refused:
        gateway(**entry(**{option: value}))

    assert refused.value.option == f"proxy_gateway_pools, pool a: {option}"


def test_an_entry_has_what_it_leaves_out_from_the_role() -> None:
    pools = [
        {"name": "a", "port": 3129},
        {"name": "b", "port": 3130, "count": 7, "product": "share"},
    ]

    first, second = gateway("exclusive", count=3, isp="mobile", pools=pools).pools

    assert (first.count, first.isp, first.product, first.drain) == (3, "mobile", "exclusive", 60)
    assert (second.count, second.isp, second.product, second.drain) == (7, "mobile", "share", 15)


def test_text_from_a_command_line_is_read_as_its_type() -> None:
    typed: dict[str, Any] = {
        "count": 2,
        "port": 3130,
        "web_only": False,
        "credentials": True,
        "exit_timeout": 2.5,
        "interval": 5,
        "areas": ["350500", "320800"],
        "allow": ["192.0.2.1", "192.0.2.2"],
    }
    text: dict[str, Any] = {
        "count": "2",
        "port": "3130",
        "web_only": "false",
        "credentials": "true",
        "exit_timeout": "2.5",
        "interval": "5",
        "areas": "350500,320800",
        "allow": "192.0.2.1,192.0.2.2",
    }

    assert gateway(**text) == gateway(**typed)


def test_a_blank_command_is_none() -> None:
    assert proxy_list(command=" \n").command == ""


def test_blanks_between_the_entries_of_a_text_mean_nothing() -> None:
    assert gateway(allow="192.0.2.1, 192.0.2.2").allow == ("192.0.2.1", "192.0.2.2")


@pytest.mark.parametrize("value", [5, "5", "5m"])
def test_keep_alive_is_a_number_or_a_duration(value: Any) -> None:
    """A number without a drain once crashed."""
    assert gateway(keep_alive=value).pools[0].drain == 60
    assert proxy_list(keep_alive=value).pools[0].drain == 60


def test_terms_are_the_same_however_they_are_written() -> None:
    """Pools with the same terms share their leases."""
    written = gateway(keep_alive="60m", areas=["350500", "320800"]).pools[0]

    assert gateway(keep_alive="1h", areas=["320800", "350500"]).pools[0].terms == written.terms
    assert gateway(keep_alive="1h", areas=["350500"]).pools[0].terms != written.terms


# Interval, drain and lifetime.


Numbers = dict[str, Any]


def corrected(numbers: Numbers, message: str) -> Numbers:
    """Return the numbers with those that a sentence asks for."""
    numbers = {**numbers}
    for option, number in re.findall(
        r"(?:proxy_gateway_|proxy_list_|\b)(drain|interval)=(\d+)", message.split(": ")[-1]
    ):
        numbers[option] = int(number)
    most = re.search(r"interval to at most (\d+)", message)
    if most:
        numbers["interval"] = min(numbers.get("interval", 10), int(most[1]))
    return numbers


TIMINGS: list[tuple[str, Numbers]] = [
    ("auto", {"drain": 5}),
    ("auto", {"drain": 10}),
    ("auto", {"drain": 1}),
    ("auto", {"drain": 1, "interval": 1}),
    ("auto", {"drain": 2, "interval": 2}),
    ("auto", {"drain": 6, "interval": 86400}),
    ("auto", {"interval": 60}),
    ("auto", {"drain": 86400, "interval": 86400}),
    ("exclusive", {"interval": 600}),
    ("share", {"drain": 6, "interval": 55}),
    ("share", {"drain": 60, "interval": 60}),
    ("share", {"keep_alive": "1", "drain": 55}),
    ("classic", {"keep_alive": "1", "drain": 60}),
    ("classic", {"keep_alive": "1h", "drain": 3300}),
    ("classic", {"keep_alive": "1h", "drain": 3300, "interval": 3200}),
]


@pytest.mark.parametrize(("product", "numbers"), TIMINGS)
@pytest.mark.parametrize("read", [gateway, proxy_list], ids=["gateway", "list"])
def test_timings_that_cannot_work_are_refused_with_numbers_that_do(
    read: Callable[..., Gateway | ProxyList], product: str, numbers: Numbers
) -> None:
    with pytest.raises(OptionError) as refused:
        read(product, **numbers)
    message = sentence(refused)
    assert phrases.NOT_MORE_THAN in message or phrases.TOO_LONG_FOR in message

    fixed = corrected(numbers, message)

    assert fixed != numbers
    assert read(product, **fixed).pools[0].drain == fixed.get(
        "drain", 15 if product in ("auto", "share") else 60
    )


@pytest.mark.parametrize(("idle", "interval"), [(1, 10), (10, 10), (59, 60)])
def test_a_pool_that_would_sleep_while_it_is_used_is_refused(idle: int, interval: int) -> None:
    numbers: Numbers = {"drain": interval + 5, "interval": interval}
    with pytest.raises(OptionError) as refused:
        gateway(idle=idle, **numbers)

    assert refused.value.option == "proxy_gateway_idle"
    assert phrases.NOT_MORE_THAN in sentence(refused)
    assert gateway(idle=interval + 1, **numbers).pools[0].idle == interval + 1


def test_the_numbers_for_one_pool_suit_the_others() -> None:
    numbers: dict[str, Any] = {"interval": 60}
    drains = {"a": 50, "b": 30, "c": 600}
    pools = [
        {"name": name, "port": 3129 + at, "drain": drain}
        for at, (name, drain) in enumerate(drains.items())
    ]
    with pytest.raises(OptionError) as refused:
        gateway(pools=pools, **numbers)

    fixed = corrected(numbers, sentence(refused))

    assert refused.value.option == "proxy_gateway_pools, pool b: drain"
    assert gateway(pools=pools, **fixed).interval == fixed["interval"]


def test_an_entry_with_the_name_of_the_pool_without_entries_is_still_named_as_an_entry() -> None:
    with pytest.raises(OptionError) as refused:
        gateway(pools=[{"name": "qg", "port": 3129, "drain": 5}])

    assert refused.value.option == "proxy_gateway_pools, pool qg: drain"


# Keys and passwords.


def test_a_pool_with_its_own_key_does_not_inherit_the_password_of_another_key() -> None:
    entries = [
        {"name": "a", "key": "KEY1"},
        {"name": "b", "key": "KEY2", "password": "hush2"},
        {"name": "c"},
    ]

    assert login_of("a", entries, "KEY0", "hush0") == Login("KEY1", None)
    assert login_of("b", entries, "KEY0", "hush0") == Login("KEY2", "hush2")
    assert login_of("c", entries, "KEY0", "hush0") == Login("KEY0", "hush0")
    assert login_of("qg", [], "KEY0", None) == Login("KEY0", None)


def test_a_password_of_an_entry_without_a_key_is_that_of_the_shared_key() -> None:
    assert login_of("a", [{"name": "a", "password": "hush1"}], "KEY0", "hush0") == Login(
        "KEY0", "hush1"
    )


@pytest.mark.parametrize("entries", [[None], ["a"], [{}], [{"name": ["a"]}]])
def test_entries_that_are_none_name_no_login(entries: list[Any]) -> None:
    """A refresh reads them anew, and they may be wrong since."""
    assert login_of("a", entries, "KEY0", None) == Login("KEY0", None)


def test_an_emptied_key_is_never_another_one() -> None:
    assert login_of("a", [{"name": "a", "key": None}], "KEY0", None).key == ""


# What is recorded.


def test_a_declaration_is_the_same_after_it_was_recorded() -> None:
    of_pool = {"isp": "mobile", "key": "QGDEMO01", "password": "hush", "slots": True}
    first = gateway(areas=["350500"], allow=["192.0.2.0/24"], **entry(**of_pool))
    second = proxy_list(areas=["350500"], keep_alive="5m")

    assert from_json(GATEWAY, as_json(first)) == first
    assert from_json(LIST, as_json(second)) == second


def test_what_is_recorded_has_no_secret() -> None:
    recorded = str(as_json(gateway(**entry(key="QGDEMO01", password="hush"))))

    assert "QGDEMO01" not in recorded
    assert "hush" not in recorded


@pytest.mark.parametrize("change", [{"version": 2}, {"later": 1}, {"pools": [{}]}, {"pools": 3}])
def test_a_record_of_another_release_is_refused(change: dict[str, Any]) -> None:
    data = {**as_json(gateway()), **change}

    with pytest.raises((KeyError, TypeError)):
        from_json(GATEWAY, data)


def installed(declaration: Declaration, change: dict[str, Any]) -> Installation:
    data = {**as_json(declaration), **change}
    name = declaration.name
    return Installation("0123", declaration.kind, "hosts", "web1", name, data, {})


POOL = as_json(gateway())["pools"][0]


@pytest.mark.parametrize(
    "declaration",
    [
        gateway(),
        gateway(service="daemon", directory="/opt/gw/", allow=["192.0.2.0/24"], log=True),
        gateway(areas=["350500"], keep_alive="5m", reports=True, metrics="127.0.0.1:9101"),
        gateway(**entry(isp="mobile", slots=True)),
        proxy_list(areas=["350500"], keep_alive="5m", count=3, command="systemctl reload crawler"),
        proxy_list(format="urls", scheme="socks5h", credentials=True, owner="crawler"),
        dataclasses.replace(proxy_list(), template="{{ leases }}"),
    ],
)
def test_what_options_describe_is_read_from_the_store(declaration: Declaration) -> None:
    assert records.recorded(installed(declaration, {})) == declaration


@pytest.mark.parametrize(
    "change",
    [
        {"name": "gw\n[Service]\nUser=root"},
        {"name": "../gw"},
        {"name": "another"},
        {"directory": "/opt/$(id)"},
        {"service": "other"},
        {"service": ["systemd"]},
        {"bind": "0.0.0.0:1\nuser root"},
        {"allow": ["192.0.2.1 }\n"]},
        {"allow": "192.0.2.1"},
        {"web_only": "no"},
        {"metrics": "127.0.0.1:9101\nuser root"},
        {"check_target": "d.qg.net:443\nuser root"},
        {"exit_timeout": "1.5"},
        {"client_connections": -1},
        {"interval": "10"},
        {"log": 1.5},
        {"pools": []},
        {"pools": [{**POOL, "name": "a b"}]},
        {"pools": [{**POOL, "port": "80\n"}]},
        {"pools": [{**POOL, "port": 0}]},
        {"pools": [{**POOL, "count": 10**6}]},
        {"pools": [{**POOL, "areas": ["a,b"]}]},
        {"pools": [{**POOL, "product": "other"}]},
        {"pools": [{**POOL, "sticky": "other"}]},
        {"pools": [POOL, POOL]},
    ],
)
def test_what_no_options_describe_is_not_read_from_the_store(change: dict[str, Any]) -> None:
    with pytest.raises(QgError, match="cannot be read: install it again"):
        records.recorded(installed(gateway(), change))


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/etc/passwd"},
        {"path": "relative"},
        {"owner": ["root"]},
        {"format": "other"},
        {"scheme": "ftp"},
        {"template": ["x"]},
        {"command": 3},
        {"pools": []},
        {"pools": [{**POOL, "port": 0, "name": "proxy_list", "count": 0}]},
    ],
)
def test_a_list_that_no_options_describe_is_not_read_from_the_store(change: dict[str, Any]) -> None:
    with pytest.raises(QgError, match="cannot be read: install it again"):
        records.recorded(installed(proxy_list(), change))
