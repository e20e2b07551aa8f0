# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the roles proxy_gateway and proxy_list, with all mistakes in them.

Values come from the variables of the host. Each mistake is one sentence with the name of the
variable, before anything is changed or paid for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._core.checks import check_range, is_ipv4
from .._core.errors import OptionError
from .._core.text import quoted
from .._store.installations import GATEWAY, LIST
from .._task.operation import Spec
from .declaration import Gateway, Pool, ProxyList
from .pool_options import (
    GATEWAY_POOL_OPTIONS,
    MAX_CONNECTIONS,
    MAX_PORT,
    POOL_OPTIONS,
    check_port,
    check_slots,
    check_unique,
    read_entry,
    read_pool,
    unusable,
)
from .timings import Names, check_timings

_STATE: Spec = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "interval": {"type": "int", "default": 10},
}
#: The variables of the role proxy_gateway, without their prefix.
GATEWAY_OPTIONS: Spec = {
    **_STATE,
    "name": {"type": "str", "default": "qg-proxy-gateway"},
    "directory": {"type": "str", "default": "/etc"},
    "service": {"type": "str", "choices": ["systemd", "daemon"], "default": "systemd"},
    "bind": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "default": 3128},
    "allow": {"type": "list", "elements": "str", "default": ["127.0.0.0/8"]},
    "web_only": {"type": "bool", "default": False},
    "metrics": {"type": "str", "default": ""},
    "check": {"type": "str", "choices": ["connect", "tcp"], "default": "connect"},
    "check_target": {"type": "str", "default": "d.qg.net:443"},
    "check_timeout": {"type": "float", "default": 10.0},
    "connect_timeout": {"type": "float", "default": 10.0},
    "client_connections": {"type": "int", "default": 1000},
    "log": {"type": "bool", "default": False},
    "reports": {"type": "bool", "default": False},
    "pools": {"type": "list", "elements": "dict"},
    **GATEWAY_POOL_OPTIONS,
}
#: The variables of the role proxy_list, without their prefix.
LIST_OPTIONS: Spec = {
    **_STATE,
    "path": {"type": "str", "required": True},
    "format": {
        "type": "str",
        "choices": ["lines", "urls", "json", "environment"],
        "default": "lines",
    },
    "template": {"type": "str", "default": ""},
    "scheme": {"type": "str", "choices": ["http", "socks5", "socks5h"], "default": "http"},
    "owner": {"type": "str", "default": ""},
    "command": {"type": "str", "default": ""},
    **POOL_OPTIONS,
}
#: The name of the pool of a gateway without proxy_gateway_pools.
DEFAULT_POOL = "qg"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
#: A path that a shell, systemd and HAProxy all read as it is written.
_DIRECTORY = re.compile(r"/[A-Za-z0-9._/+@=~-]*")
_NETWORK = re.compile(r"([0-9.]+)(?:/([89]|[12][0-9]|3[0-2]))?")
_TARGET = re.compile(r"[A-Za-z0-9.-]{1,253}:([0-9]{1,5})")


def read_gateway(values: Mapping[str, Any], product: str) -> Gateway:
    """Return the gateway that the options of a host describe; raises OptionError for a mistake.

    ``values`` are the variables of the role as their types, ``product`` is that of pools without
    their own.
    """
    names = Names("proxy_gateway_")
    allow = tuple(network.strip() for network in values["allow"])
    _check_process(names, values)
    _check_addresses(names, values, allow)
    pools = _gateway_pools(names, values, product)
    return Gateway(
        name=values["name"],
        directory=values["directory"].rstrip("/") or "/",
        service=values["service"],
        bind=values["bind"],
        allow=allow,
        web_only=values["web_only"],
        metrics=values["metrics"],
        check=values["check"],
        check_target=values["check_target"],
        check_timeout=values["check_timeout"],
        connect_timeout=values["connect_timeout"],
        client_connections=values["client_connections"],
        interval=values["interval"],
        log=values["log"],
        reports=values["reports"],
        pools=tuple(pools),
    )


def _check_effect(names: Names, option: str, is_ignored: bool, beside: str, fix: str) -> None:
    """Refuse an option that would be ignored beside another one."""
    if is_ignored:
        raise OptionError(names.of(option), f"has no effect beside {beside}", fix)


def _check_process(names: Names, values: Mapping[str, Any]) -> None:
    """Refuse a name or a directory of the process that cannot be used, and numbers out of range."""
    if not _NAME.fullmatch(values["name"]):
        fix = "give at most 64 letters, digits, points, hyphens, underscores"
        raise unusable(names, "name", values["name"], fix)
    if values["name"] == "haproxy" and values["service"] == "systemd":
        fix = "give another one, since the package of HAProxy has a unit of this name"
        raise unusable(names, "name", values["name"], fix)
    if not _DIRECTORY.fullmatch(values["directory"]):
        fix = "give an absolute path of letters, digits and ._+@=~-, such as /etc"
        raise unusable(names, "directory", values["directory"], fix)
    check_range(names.of("check_timeout"), values["check_timeout"], 0.1, 60)
    check_range(names.of("connect_timeout"), values["connect_timeout"], 0.1, 600)
    check_range(names.of("client_connections"), values["client_connections"], 1, MAX_CONNECTIONS)
    check_range(names.of("interval"), values["interval"], 1, 86400)


def _check_addresses(names: Names, values: Mapping[str, Any], allow: Sequence[str]) -> None:
    """Refuse addresses, networks and ports that cannot be used."""
    if not is_ipv4(values["bind"]):
        raise unusable(names, "bind", values["bind"], "give one IPv4 address, such as 127.0.0.1")
    check_port(names, values["port"])
    _check_effect(
        names,
        "port",
        bool(values["pools"]) and values["port"] != GATEWAY_OPTIONS["port"]["default"],
        "proxy_gateway_pools",
        "leave it out, since each pool has a port of its own",
    )
    if not allow:
        raise OptionError(names.of("allow"), "is empty", "name at least one address or network")
    for network in allow:
        _check_network(names, network)
    if values["metrics"]:
        _check_metrics(names, values["metrics"])
    target = _TARGET.fullmatch(values["check_target"])
    if target is None or not _is_port(target[1]):
        fix = "give a host and a port, such as d.qg.net:443"
        raise unusable(names, "check_target", values["check_target"], fix)
    _check_effect(
        names,
        "check_target",
        values["check"] == "tcp"
        and values["check_target"] != GATEWAY_OPTIONS["check_target"]["default"],
        "proxy_gateway_check=tcp",
        "leave it out, or set proxy_gateway_check=connect",
    )


def _gateway_pools(names: Names, values: Mapping[str, Any], product: str) -> list[Pool]:
    """Return the pools of the entries, or without any the one that the options of the role
    describe.
    """
    pools = []
    for number, entry in enumerate(values["pools"] or (), 1):
        pools.append(read_entry(entry, number, values, product))
    if not pools:
        pools.append(read_pool(DEFAULT_POOL, values["port"], values, product, names))
    for pool in pools:
        if pool.has_slots:
            check_slots(pool, is_web_only=values["web_only"])
    check_unique(names, pools, values["metrics"])
    check_timings(GATEWAY, pools, values["interval"])
    if values["reports"] and all(pool.sticky == "none" and not pool.has_slots for pool in pools):
        fix = "set proxy_gateway_sticky to optional or required, or use slots"
        raise OptionError(names.of("reports"), "=true needs labels, which sticky=none ignores", fix)
    return pools


def read_list(values: Mapping[str, Any], template: str, product: str) -> ProxyList:
    """Return the list that the options of a host describe, with the text of its template."""
    names = Names("proxy_list_")
    path = values["path"]
    root, *parts = path.split("/")
    # The path is the name of the list, so that no file may have two paths.
    if root or not parts or {"", ".", ".."}.intersection(parts) or not path.isprintable():
        fix = "give the absolute path of a file, such as /etc/crawler/proxies.txt"
        raise unusable(names, "path", path, fix)
    check_range(names.of("interval"), values["interval"], 1, 86400)
    _check_format(names, values)
    pool = read_pool("proxy_list", 0, values, product, names)
    check_timings(LIST, [pool], values["interval"])
    return ProxyList(
        path=path,
        format=values["format"],
        template=template,
        scheme=values["scheme"],
        credentials=values["credentials"],
        owner=values["owner"],
        command=values["command"].strip(),
        interval=values["interval"],
        pools=(pool,),
    )


def _check_format(names: Names, values: Mapping[str, Any]) -> None:
    """Refuse what would not be in the file of a list."""
    if values["template"]:
        is_ignored = values["format"] != LIST_OPTIONS["format"]["default"]
        _check_effect(names, "format", is_ignored, "proxy_list_template", "leave one of them out")
    elif values["format"] == "lines":
        beside = "proxy_list_format=lines, which lists HOST:PORT"
        fix = "leave it out, or set proxy_list_format=urls"
        _check_effect(names, "scheme", values["scheme"] != "http", beside, fix)
        _check_effect(names, "credentials", values["credentials"], beside, fix)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_PORT


def _check_network(names: Names, network: str) -> None:
    match = _NETWORK.fullmatch(network)
    # 0.0.0.0 stands for any address elsewhere, and would let nobody in here.
    if match is None or not is_ipv4(match[1]) or network.startswith("0."):
        fix = "give IPv4 addresses, or networks of at most 2^24 addresses (/8)"
        raise OptionError(names.of("allow"), f"contains {quoted(network)}", fix)


def _check_metrics(names: Names, text: str) -> None:
    address, _colon, port = text.rpartition(":")
    if not is_ipv4(address) or not _is_port(port):
        raise unusable(
            names, "metrics", text, "give an IPv4 address and a port, such as 127.0.0.1:9101"
        )
