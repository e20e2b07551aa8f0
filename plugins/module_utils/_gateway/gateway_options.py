# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the roles proxy_gateway and proxy_list, with all mistakes in them.

Values come from the variables of the host. Each mistake is one sentence with the name of the
variable, before anything is changed or paid for.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._core.checks import check_range, is_ipv4, parse_minutes
from .._core.errors import OptionError
from .._core.text import quoted
from .._leases.api import MAX_PER_CALL
from .._store.installations import GATEWAY, LIST
from .._task.api_options import PRODUCT_OPTIONS
from .._task.operation import Spec, check_option_names
from .._task.products import PLACE_OPTIONS, check_areas
from .._task.values import typed
from .declaration import Gateway, Pool, ProxyList
from .timings import Names, check_timings, names_for

#: The options that a role has for all pools, and an entry of its pools for itself.
_POOL: Spec = {
    "count": {"type": "int", "default": 1},
    "drain": {"type": "int"},
    "keep_alive": {"type": "str"},
    "credentials": {"type": "bool", "default": False},
    "ignore_quota": {"type": "bool", "default": False},
    **PLACE_OPTIONS,
}
_GATEWAY_POOL: Spec = {
    **_POOL,
    "slots": {"type": "bool", "default": False},
    "sticky": {"type": "str", "choices": ["optional", "required", "none"]},
    "per_exit": {"type": "int", "default": 0},
}
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
    "check_timeout": {"type": "float", "default": 1.5},
    "connect_timeout": {"type": "float", "default": 4.0},
    "client_connections": {"type": "int", "default": 1000},
    "log": {"type": "bool", "default": False},
    "reports": {"type": "bool", "default": False},
    "pools": {"type": "list", "elements": "dict", "default": []},
    **_GATEWAY_POOL,
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
    **_POOL,
}
#: What an entry of proxy_gateway_pools can have.
_ENTRY: Spec = {
    "name": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "key": {"type": "str", "no_log": True},
    "password": {"type": "str", "no_log": True},
    **PRODUCT_OPTIONS,
    **_GATEWAY_POOL,
}
#: The name of the pool of a gateway without proxy_gateway_pools.
DEFAULT_POOL = "qg"
#: The connections that a gateway has, as in its template.
MAX_CONNECTIONS = 4000
#: The highest port that there is.
MAX_PORT = 65535
#: The products of which a lease lasts for a day, as the drain by default takes it.
_LONG = ("exclusive", "longterm")
_POOL_NAME = re.compile(r"[A-Za-z0-9_]{1,32}")
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


def _check_process(names: Names, values: Mapping[str, Any]) -> None:
    """Refuse a name or a directory of the process that cannot be used, and numbers out of range."""
    if not _NAME.fullmatch(values["name"]):
        fix = "give at most 64 letters, digits, points, hyphens, underscores"
        raise _unusable(names, "name", values["name"], fix)
    if not _DIRECTORY.fullmatch(values["directory"]):
        fix = "give an absolute path of letters, digits and ._+@=~-, such as /etc"
        raise _unusable(names, "directory", values["directory"], fix)
    check_range(names.of("check_timeout"), values["check_timeout"], 0.1, 60)
    check_range(names.of("connect_timeout"), values["connect_timeout"], 0.1, 600)
    check_range(names.of("client_connections"), values["client_connections"], 1, MAX_CONNECTIONS)
    check_range(names.of("interval"), values["interval"], 1, 86400)


def _check_addresses(names: Names, values: Mapping[str, Any], allow: Sequence[str]) -> None:
    """Refuse addresses, networks and ports that cannot be used."""
    if not is_ipv4(values["bind"]):
        raise _unusable(names, "bind", values["bind"], "give one IPv4 address, such as 127.0.0.1")
    _check_port(names, values["port"])
    if not allow:
        raise OptionError(names.of("allow"), "is empty", "name at least one address or network")
    for network in allow:
        _check_network(names, network)
    if values["metrics"]:
        _check_metrics(names, values["metrics"])
    target = _TARGET.fullmatch(values["check_target"])
    if target is None or not _is_port(target[1]):
        fix = "give a host and a port, such as d.qg.net:443"
        raise _unusable(names, "check_target", values["check_target"], fix)


def _gateway_pools(names: Names, values: Mapping[str, Any], product: str) -> list[Pool]:
    """Return the pools of the entries, or without any the one that the options of the role
    describe.
    """
    pools = []
    for number, entry in enumerate(values["pools"], 1):
        pools.append(_read_entry(entry, number, values, product))
    if not pools:
        pools.append(_pool(DEFAULT_POOL, values["port"], values, product, names))
    for pool in pools:
        if pool.has_slots:
            _check_slots(pool, is_web_only=values["web_only"])
    _check_unique(names, pools, values["metrics"])
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
        raise _unusable(names, "path", path, fix)
    check_range(names.of("interval"), values["interval"], 1, 86400)
    pool = _pool("proxy_list", 0, values, product, names)
    check_timings(LIST, [pool], values["interval"])
    return ProxyList(
        path=path,
        format=values["format"],
        template=template,
        scheme=values["scheme"],
        credentials=values["credentials"],
        owner=values["owner"],
        command=values["command"],
        interval=values["interval"],
        pools=(pool,),
    )


def _read_entry(
    entry: Mapping[str, Any], number: int, values: Mapping[str, Any], product: str
) -> Pool:
    """Return the pool of an entry, which has what it leaves out from the options of the role."""
    place = f"entry {number}"
    name = entry.get("name")
    if isinstance(name, str) and _POOL_NAME.fullmatch(name):
        place = f"pool {name}"
    names = Names("proxy_gateway_", place)
    try:
        check_option_names(_ENTRY, entry)
    except OptionError as error:
        raise OptionError(names.of(error.option), error.problem, error.fix) from None
    if "key" in entry and not str(entry["key"] or "").strip():
        fix = "give the key, or leave it out for that of qg_key"
        raise OptionError(names.of("key"), "is empty, which never means another key", fix)
    own = dict(values)
    for option, spec in _ENTRY.items():
        value = entry.get(option)
        if value in (None, "", []):
            if spec.get("required"):
                fix = "each pool needs a name and a port of its own"
                raise OptionError(names.of(option), "is missing", fix)
            continue
        own[option] = typed(names.of(option), spec, value)
    if not _POOL_NAME.fullmatch(own["name"]):
        raise _unusable(names, "name", own["name"], "give 1 to 32 letters, digits and underscores")
    _check_port(names, own["port"])
    pool = _pool(own["name"], own["port"], own, own.get("product") or product, names)
    return dataclasses.replace(pool, is_entry=True)


def _pool(name: str, port: int, values: Mapping[str, Any], product: str, names: Names) -> Pool:
    """Return a pool, checked as far as is possible without knowing the product of its key."""
    check_range(names.of("count"), values["count"], 1, MAX_PER_CALL)
    areas = check_areas(names.of("areas"), values["areas"])
    minutes = None
    if values["keep_alive"] is not None:
        minutes = parse_minutes(names.of("keep_alive"), values["keep_alive"])
        if not isinstance(minutes, int):
            raise _unusable(
                names, "keep_alive", values["keep_alive"], "give whole minutes, such as 5m or 1h"
            )
        check_range(names.of("keep_alive"), minutes, 1, 525600)
    drain = values["drain"]
    if drain is None:
        # The shorter one suits leases of a minute, unless new ones are known to last longer.
        is_long = product in _LONG or (minutes or 1) > 1
        drain = 60 if is_long else 15
    check_range(names.of("drain"), drain, 1, 86400)
    per_exit = values.get("per_exit", 0)
    check_range(names.of("per_exit"), per_exit, 0, MAX_CONNECTIONS)
    has_slots = values.get("slots", False)
    sticky = values.get("sticky")
    if sticky is None:
        has_labels = port and not has_slots
        sticky = "optional" if has_labels else "none"
    return Pool(
        name=name,
        port=port,
        count=values["count"],
        drain=drain,
        product=product,
        areas=areas,
        isp=values["isp"],
        keep_alive=values["keep_alive"],
        credentials=values["credentials"],
        sticky=sticky,
        per_exit=per_exit,
        ignore_quota=values["ignore_quota"],
        has_slots=has_slots,
    )


def _check_unique(names: Names, pools: Sequence[Pool], metrics: str) -> None:
    """Refuse two pools with one name or port, and a port that the metrics have."""
    seen_names = set[str]()
    seen_ports = {}
    if metrics:
        seen_ports[int(metrics.rpartition(":")[2])] = "the port of proxy_gateway_metrics"
    for pool in pools:
        if pool.name in seen_names:
            fix = "give each a name of its own"
            raise OptionError(names.of("pools"), f"has two pools named {pool.name}", fix)
        seen_names.add(pool.name)
        description = f"the port of pool {pool.name}"
        if pool.has_slots:
            description = f"a port of the slots of pool {pool.name}"
        for port in pool.ports:
            if port in seen_ports:
                problem = f"={pool.port} is also {seen_ports[port]}"
                if port != pool.port:
                    problem = (
                        f"={pool.port} with {pool.count} slots takes port {port}, which is also "
                        f"{seen_ports[port]}"
                    )
                option = names_for(GATEWAY, pool).of("port")
                raise OptionError(option, problem, "give each a port of its own")
            seen_ports[port] = description


def _check_slots(pool: Pool, *, is_web_only: bool) -> None:
    """Refuse what a gateway cannot do for slots, whose requests it passes on without reading
    them.
    """
    names = names_for(GATEWAY, pool)
    web_only = f"{names.prefix}web_only"
    conflicts = (
        (
            is_web_only,
            f"{web_only}=true, since a slot does not see the target",
            f"set {web_only}=false, or give the slots a gateway of their own",
        ),
        (
            pool.credentials,
            "credentials=true, since a slot cannot add them to a request",
            "set credentials=false, and register the host on the whitelist of the key",
        ),
        (
            pool.sticky != "none",
            f"sticky={pool.sticky}, since a slot does not see the user name",
            "set sticky=none, since a slot keeps its exit anyway",
        ),
    )
    for is_set, conflict, fix in conflicts:
        if is_set:
            raise OptionError(names.of("slots"), f"=true cannot be combined with {conflict}", fix)
    last = pool.ports[-1]
    if last > MAX_PORT:
        problem = (
            f"={pool.port} is too high for {pool.count} slots, which need the ports up to {last}"
        )
        raise OptionError(
            names.of("port"), problem, f"give a port of at most {MAX_PORT + 1 - pool.count}"
        )


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_PORT


def _check_port(names: Names, port: int) -> None:
    check_range(names.of("port"), port, 1, MAX_PORT)


def _check_network(names: Names, network: str) -> None:
    match = _NETWORK.fullmatch(network)
    if match is None or not is_ipv4(match[1]):
        fix = "give IPv4 addresses, or networks of at most 2^24 addresses (/8)"
        raise OptionError(names.of("allow"), f"contains {quoted(network)}", fix)


def _check_metrics(names: Names, text: str) -> None:
    address, _colon, port = text.rpartition(":")
    if not is_ipv4(address) or not _is_port(port):
        raise _unusable(
            names, "metrics", text, "give an IPv4 address and a port, such as 127.0.0.1:9101"
        )


def _unusable(names: Names, option: str, value: str, fix: str) -> OptionError:
    return OptionError(names.of(option), f"={quoted(value)} cannot be used", fix)
