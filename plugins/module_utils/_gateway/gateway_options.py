# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the roles proxy_gateway and proxy_list, with all mistakes in them.

Values come from the variables of the host. Each mistake is one sentence with the name of the
variable, before anything is changed or paid for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._core.checks import check_range, is_ipv4
from .._core.errors import OptionError
from .._core.text import quoted
from .._store.installations import GATEWAY, LIST
from .._task.operation import Spec
from .declaration import Declaration, Gateway, Pool, ProxyList, check_types
from .pool_options import (
    ENTRY_OPTIONS,
    GATEWAY_POOL_OPTIONS,
    MAX_CONNECTIONS,
    MAX_PORT,
    POOL_OPTIONS,
    check_pool,
    check_port,
    check_slots,
    check_unique,
    read_entry,
    read_pool,
    unusable,
)
from .timings import Names, check_timings, names_for

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
    "exit_timeout": {"type": "float", "default": 10.0},
    "client_connections": {"type": "int", "default": 1000},
    "log": {"type": "bool", "default": False},
    "reports": {"type": "bool", "default": False},
    "forget_reports": {"type": "bool", "default": False},
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
_NAMES = Names("proxy_gateway_")
_LIST_NAMES = Names("proxy_list_")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
#: A path that a shell, systemd and HAProxy all read as it is written.
_DIRECTORY = re.compile(r"/[A-Za-z0-9._/+@=~-]*")
#: How the addresses begin at which a host reaches only itself.
_LOOPBACK = "127."
_NETWORK = re.compile(r"([0-9.]+)(?:/([89]|[12][0-9]|3[0-2]))?")
_TARGET = re.compile(r"[A-Za-z0-9.-]{1,253}:([0-9]{1,5})")


def read_gateway(values: Mapping[str, Any], product: str) -> Gateway:
    """Return the gateway that the options of a host describe; raises OptionError for a mistake.

    ``values`` are the variables of the role as their types, ``product`` is that of pools without
    their own.
    """
    _check_ignored(values)
    pools = []
    for number, entry in enumerate(values["pools"] or (), 1):
        pools.append(read_entry(entry, number, values, product))
    if not pools:
        pools.append(read_pool(DEFAULT_POOL, values["port"], values, product, _NAMES))
    gateway = Gateway(
        name=values["name"],
        directory=values["directory"].rstrip("/") or "/",
        service=values["service"],
        bind=values["bind"],
        allow=tuple(network.strip() for network in values["allow"]),
        web_only=values["web_only"],
        metrics=values["metrics"],
        check=values["check"],
        check_target=values["check_target"],
        exit_timeout=values["exit_timeout"],
        client_connections=values["client_connections"],
        interval=values["interval"],
        log=values["log"],
        reports=values["reports"],
        pools=tuple(pools),
    )
    _check_gateway(gateway)
    return gateway


def check_recorded(declaration: Declaration) -> None:
    """Raise OptionError or TypeError unless options of a role can describe what a record contains.

    It gets into files and commands of hosts, and somebody else may be able to write to the store.
    """
    check_types(declaration)
    is_gateway = isinstance(declaration, Gateway)
    pools = len(declaration.pools)
    if pools == 0 or (pools > 1 and not is_gateway):
        raise OptionError("pools", f"has {pools} entries", "give one")
    _check_choices(GATEWAY_OPTIONS if is_gateway else LIST_OPTIONS, declaration)
    for pool in declaration.pools:
        check_types(pool)
        _check_choices(ENTRY_OPTIONS, pool)
        check_pool(names_for(declaration.kind, pool), pool)
    if isinstance(declaration, Gateway):
        _check_gateway(declaration)
    else:
        _check_list(declaration)


def _check_choices(specs: Spec, declared: Declaration | Pool) -> None:
    """Refuse values that are none of the choices of their options."""
    for option, spec in specs.items():
        value = getattr(declared, option, None)
        if value is not None and value not in spec.get("choices", [value]):
            raise OptionError(option, f"={quoted(value)} is none of its choices", "give one")


def _check_effect(names: Names, option: str, is_ignored: bool, beside: str, fix: str) -> None:
    """Refuse an option that would be ignored beside another one."""
    if is_ignored:
        raise OptionError(names.of(option), f"has no effect beside {beside}", fix)


def _check_ignored(values: Mapping[str, Any]) -> None:
    """Refuse a port that no pool would have."""
    _check_effect(
        _NAMES,
        "port",
        bool(values["pools"]) and values["port"] != GATEWAY_OPTIONS["port"]["default"],
        "proxy_gateway_pools",
        "leave it out, since each pool has a port of its own",
    )


def _check_gateway(gateway: Gateway) -> None:
    """Refuse what a gateway cannot be, apart from what each of its pools cannot be."""
    _check_process(gateway)
    _check_addresses(gateway)
    for pool in gateway.pools:
        check_port(names_for(GATEWAY, pool), pool.port)
        if pool.has_slots:
            check_slots(pool, is_web_only=gateway.web_only)
    check_unique(_NAMES, gateway.pools, gateway.metrics)
    check_timings(GATEWAY, gateway.pools, gateway.interval)
    has_labels = any(pool.sticky != "none" or pool.has_slots for pool in gateway.pools)
    if gateway.reports and not has_labels:
        fix = "set proxy_gateway_sticky to optional or required, or use slots"
        raise OptionError(
            _NAMES.of("reports"), "=true needs labels, which sticky=none ignores", fix
        )


def _check_process(gateway: Gateway) -> None:
    """Refuse a name or a directory of the process that cannot be used, and numbers out of range."""
    if not _NAME.fullmatch(gateway.name):
        fix = "give at most 64 letters, digits, points, hyphens, underscores"
        raise unusable(_NAMES, "name", gateway.name, fix)
    if gateway.name == "haproxy" and gateway.service == "systemd":
        fix = "give another one, since the package of HAProxy has a unit of this name"
        raise unusable(_NAMES, "name", gateway.name, fix)
    if not _DIRECTORY.fullmatch(gateway.directory):
        fix = "give an absolute path of letters, digits and ._+@=~-, such as /etc"
        raise unusable(_NAMES, "directory", gateway.directory, fix)
    check_range(_NAMES.of("exit_timeout"), gateway.exit_timeout, 0.1, 60)
    connections = gateway.client_connections
    check_range(_NAMES.of("client_connections"), connections, 1, MAX_CONNECTIONS)
    check_range(_NAMES.of("interval"), gateway.interval, 1, 86400)


def _check_addresses(gateway: Gateway) -> None:
    """Refuse addresses and networks that cannot be used."""
    if not is_ipv4(gateway.bind):
        raise unusable(_NAMES, "bind", gateway.bind, "give one IPv4 address, such as 127.0.0.1")
    if not gateway.allow:
        raise OptionError(_NAMES.of("allow"), "is empty", "name at least one address or network")
    for network in gateway.allow:
        _check_network(network)
    is_here = gateway.bind.startswith(_LOOPBACK)
    if not is_here and all(network.startswith(_LOOPBACK) for network in gateway.allow):
        fix = "set proxy_gateway_allow to the networks of its clients, or leave bind out"
        problem = (
            f"={gateway.bind} lets nobody in, since allow has only addresses of the host itself"
        )
        raise OptionError(_NAMES.of("bind"), problem, fix)
    if gateway.metrics:
        _check_metrics(gateway.metrics)
    target = _TARGET.fullmatch(gateway.check_target)
    if target is None or not _is_port(target[1]):
        fix = "give a host and a port, such as d.qg.net:443"
        raise unusable(_NAMES, "check_target", gateway.check_target, fix)
    _check_effect(
        _NAMES,
        "check_target",
        gateway.check == "tcp"
        and gateway.check_target != GATEWAY_OPTIONS["check_target"]["default"],
        "proxy_gateway_check=tcp",
        "leave it out, or set proxy_gateway_check=connect",
    )


def read_list(values: Mapping[str, Any], template: str, product: str) -> ProxyList:
    """Return the list that the options of a host describe, with the text of its template."""
    pool = read_pool("proxy_list", 0, values, product, _LIST_NAMES)
    proxies = ProxyList(
        path=values["path"],
        format=values["format"],
        template=template,
        scheme=values["scheme"],
        credentials=values["credentials"],
        owner=values["owner"],
        command=values["command"].strip(),
        interval=values["interval"],
        pools=(pool,),
    )
    if values["template"]:
        is_ignored = values["format"] != LIST_OPTIONS["format"]["default"]
        _check_effect(
            _LIST_NAMES, "format", is_ignored, "proxy_list_template", "leave one of them out"
        )
    _check_list(proxies)
    return proxies


def _check_list(proxies: ProxyList) -> None:
    """Refuse what a list cannot be."""
    root, *parts = proxies.path.split("/")
    # The path is the name of the list, so that no file may have two paths.
    is_plain = not root and parts and not {"", ".", ".."}.intersection(parts)
    if not is_plain or not proxies.path.isprintable():
        fix = "give the absolute path of a file, such as /etc/crawler/proxies.txt"
        raise unusable(_LIST_NAMES, "path", proxies.path, fix)
    check_range(_LIST_NAMES.of("interval"), proxies.interval, 1, 86400)
    if not proxies.template and proxies.format == "lines":
        beside = "proxy_list_format=lines, which lists HOST:PORT"
        fix = "leave it out, or set proxy_list_format=urls"
        _check_effect(_LIST_NAMES, "scheme", proxies.scheme != "http", beside, fix)
        _check_effect(_LIST_NAMES, "credentials", proxies.credentials, beside, fix)
    check_timings(LIST, proxies.pools, proxies.interval)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_PORT


def _check_network(network: str) -> None:
    match = _NETWORK.fullmatch(network)
    # 0.0.0.0 stands for any address elsewhere, and would let nobody in here.
    if match is None or not is_ipv4(match[1]) or network.startswith("0."):
        fix = "give IPv4 addresses, or networks of at most 2^24 addresses (/8)"
        raise OptionError(_NAMES.of("allow"), f"contains {quoted(network)}", fix)


def _check_metrics(text: str) -> None:
    address, _colon, port = text.rpartition(":")
    if not is_ipv4(address) or not _is_port(port):
        raise unusable(
            _NAMES, "metrics", text, "give an IPv4 address and a port, such as 127.0.0.1:9101"
        )
