# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a pool of leases: those of a role, and those of an entry of proxy_gateway_pools.

Each mistake is one sentence with the name of the option, before anything is changed or paid for.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._core.checks import check_range, parse_minutes
from .._core.errors import OptionError
from .._core.text import quoted
from .._leases.api import MAX_PER_CALL
from .._store.installations import GATEWAY
from .._task.api_options import PRODUCT_OPTIONS
from .._task.operation import Spec, check_option_names, refuse_blank
from .._task.products import PLACE_OPTIONS, check_areas
from .._task.values import typed
from .declaration import Pool
from .timings import Names, names_for

#: The options that a role has for all pools, and an entry of its pools for itself.
POOL_OPTIONS: Spec = {
    "count": {"type": "int", "default": 1},
    "drain": {"type": "int"},
    "keep_alive": {"type": "str"},
    "credentials": {"type": "bool", "default": False},
    "ignore_quota": {"type": "bool", "default": False},
    **PLACE_OPTIONS,
}
GATEWAY_POOL_OPTIONS: Spec = {
    **POOL_OPTIONS,
    "slots": {"type": "bool", "default": False},
    "sticky": {"type": "str", "choices": ["optional", "required", "none"]},
    "per_exit": {"type": "int", "default": 0},
    "idle": {"type": "int", "default": 0},
}
#: What an entry of proxy_gateway_pools can have.
ENTRY_OPTIONS: Spec = {
    "name": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "key": {"type": "str", "no_log": True},
    "password": {"type": "str", "no_log": True},
    **PRODUCT_OPTIONS,
    **GATEWAY_POOL_OPTIONS,
}
#: The connections that a gateway has, as in its template.
MAX_CONNECTIONS = 4000
#: The seconds without a request after which a pool sleeps at the latest: a week.
MAX_IDLE = 7 * 86400
#: The highest port that there is.
MAX_PORT = 65535
#: The products of which a lease lasts for a day, as the drain by default takes it.
_LONG = ("exclusive", "longterm")
_POOL_NAME = re.compile(r"[A-Za-z0-9_]{1,32}")


def read_entry(
    entry: Mapping[str, Any], number: int, values: Mapping[str, Any], product: str
) -> Pool:
    """Return the pool of an entry, which has what it leaves out from the options of the role."""
    place = f"entry {number}"
    name = entry.get("name")
    if isinstance(name, str) and _POOL_NAME.fullmatch(name):
        place = f"pool {name}"
    names = Names("proxy_gateway_", place)
    try:
        check_option_names(ENTRY_OPTIONS, entry)
    except OptionError as error:
        raise OptionError(names.of(error.option), error.problem, error.fix) from None
    own = dict(values)
    for option, spec in ENTRY_OPTIONS.items():
        if option in entry:
            value = entry[option]
            try:
                refuse_blank(option, spec, value)
            except OptionError as error:
                raise OptionError(names.of(option), error.problem, error.fix) from None
            own[option] = typed(names.of(option), spec, value)
        elif spec.get("required"):
            fix = "each pool needs a name and a port of its own"
            raise OptionError(names.of(option), "is missing", fix)
    pool = read_pool(own["name"], own["port"], own, own.get("product") or product, names)
    return dataclasses.replace(pool, is_entry=True)


def read_pool(name: str, port: int, values: Mapping[str, Any], product: str, names: Names) -> Pool:
    """Return a pool, checked as far as is possible without knowing the product of its key."""
    keep_alive = _minutes(names, values["keep_alive"])
    drain = values["drain"]
    if drain is None:
        # The shorter one suits leases of a minute, unless new ones are known to last longer.
        is_long = product in _LONG or (keep_alive or 1) > 1
        drain = 60 if is_long else 15
    has_slots = values.get("slots", False)
    sticky = values.get("sticky")
    if sticky is None:
        has_labels = port and not has_slots
        sticky = "optional" if has_labels else "none"
    pool = Pool(
        name=name,
        port=port,
        count=values["count"],
        drain=drain,
        product=product,
        areas=check_areas(names.of("areas"), values["areas"]),
        isp=values["isp"],
        keep_alive=keep_alive,
        credentials=values["credentials"],
        sticky=sticky,
        per_exit=values.get("per_exit", 0),
        idle=values.get("idle", 0),
        ignore_quota=values["ignore_quota"],
        has_slots=has_slots,
    )
    check_pool(names, pool)
    return pool


def check_pool(names: Names, pool: Pool) -> None:
    """Refuse what a pool cannot be, whatever else the gateway has."""
    if not _POOL_NAME.fullmatch(pool.name):
        raise unusable(names, "name", pool.name, "give 1 to 32 letters, digits and underscores")
    check_range(names.of("count"), pool.count, 1, MAX_PER_CALL)
    check_areas(names.of("areas"), pool.areas)
    if pool.keep_alive is not None:
        check_range(names.of("keep_alive"), pool.keep_alive, 1, 525600)
    check_range(names.of("drain"), pool.drain, 1, 86400)
    check_range(names.of("per_exit"), pool.per_exit, 0, MAX_CONNECTIONS)
    check_range(names.of("idle"), pool.idle, 0, MAX_IDLE)


def _minutes(names: Names, keep_alive: str | None) -> int | None:
    """Return for how many minutes new leases last, and None if the plan says it."""
    if keep_alive is None:
        return None
    minutes = parse_minutes(names.of("keep_alive"), keep_alive)
    if not isinstance(minutes, int):
        fix = "give whole minutes, such as 5m or 1h"
        raise unusable(names, "keep_alive", keep_alive, fix)
    return minutes


def check_unique(names: Names, pools: Sequence[Pool], metrics: str) -> None:
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


def check_slots(pool: Pool, *, is_web_only: bool) -> None:
    """Refuse what a gateway cannot do for slots: without credentials, it passes their requests on
    without reading them.
    """
    names = names_for(GATEWAY, pool)
    web_only = f"{names.prefix}web_only"
    conflicts = (
        (
            is_web_only and not pool.is_http,
            f"{web_only}=true, since a slot without credentials does not see the target",
            f"set {web_only}=false, or give the slots a gateway of their own",
        ),
        (
            pool.sticky != "none",
            f"sticky={pool.sticky}, since a slot needs no user name",
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


def check_port(names: Names, port: int) -> None:
    check_range(names.of("port"), port, 1, MAX_PORT)


def unusable(names: Names, option: str, value: str, fix: str) -> OptionError:
    return OptionError(names.of(option), f"={quoted(value)} cannot be used", fix)
