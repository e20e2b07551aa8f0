# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is installed on a host: a gateway or a list, with the pools of leases behind it, and no
secret.

It is recorded in the store as JSON with named fields, so that a refresh takes it from there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .._store.installations import GATEWAY, LIST

#: The version of what is recorded.
VERSION = 1
#: How the files begin that the role writes, as patterns of a shell; of a list, any file may.
_MADE = "*Made by the role qingguo.qgnet.proxy_gateway.*"
_INSTALLATION = "installation [0-9a-f]*"
_PROCESS = "[0-9]*"
_ANY = "*"
#: Stands for the beginning of a socket.
SOCKET = ""
#: Where systemd has units, first those of the administrator.
_UNITS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)


@dataclass(frozen=True)
class Pool:
    """A number of leases of one key.

    A lease is replaced ``drain`` seconds before its end. ``keep_alive`` is the duration of new
    leases in minutes, and None for that of the plan. ``per_exit`` is the number of
    requests that an exit has at a time, and 0 for any number. After ``idle`` seconds without a
    request, the pool sleeps: leases that end are not replaced. With 0, it never does. A list has
    one pool, without a ``port``. ``is_entry`` tells an entry of proxy_gateway_pools from a pool
    that has the options of the role itself. With ``has_slots``, each lease has a port.
    """

    name: str
    count: int
    drain: int
    product: str
    port: int = 0
    areas: tuple[str, ...] = ()
    isp: str | None = None
    keep_alive: int | None = None
    credentials: bool = False
    sticky: str = "optional"
    per_exit: int = 0
    idle: int = 0
    ignore_quota: bool = False
    is_entry: bool = False
    has_slots: bool = False

    @property
    def terms(self) -> tuple[object, ...]:
        """What pools of a key have in common that share their leases."""
        return (tuple(sorted(self.areas)), self.isp, self.keep_alive, self.ignore_quota)

    def sleeps_after(self, unused: float | None) -> bool:
        """Whether it sleeps after so many seconds without a request; None if they are unknown."""
        return self.idle > 0 and unused is not None and unused >= self.idle

    @property
    def ports(self) -> range:
        """The ports of the gateway that it takes: with slots, one for each lease."""
        return range(self.port, self.port + (self.count if self.has_slots else 1))

    @property
    def is_http(self) -> bool:
        """Whether its ports read requests; a slot without credentials passes on any bytes."""
        return self.credentials or not self.has_slots


@dataclass(frozen=True)
class Gateway:
    """A gateway. ``interval`` are the seconds between two refreshes; other times are seconds, too.

    With ``log``, it writes a line for each request; with ``reports``, clients can report exits as
    banned.
    """

    name: str
    directory: str
    service: str
    bind: str
    allow: tuple[str, ...]
    web_only: bool
    metrics: str
    check: str
    check_target: str
    exit_timeout: float
    client_connections: int
    interval: int
    pools: tuple[Pool, ...]
    log: bool = False
    reports: bool = False

    kind = GATEWAY

    @property
    def addresses(self) -> list[str]:
        """The addresses on which it listens, each with a port."""
        addresses = [f"{self.bind}:{port}" for pool in self.pools for port in pool.ports]
        if self.metrics:
            addresses.append(self.metrics)
        return addresses

    @property
    def layout(self) -> str:
        """The pools whose servers the configuration has, in one word."""
        pools = []
        for pool in self.pools:
            slots = ":slots" if pool.has_slots else ""
            pools.append(f"{pool.name}:{pool.count}{slots}")
        return ",".join(pools)

    @property
    def file(self) -> str:
        """The path of the configuration, without its extension."""
        return f"{self.directory.rstrip('/')}/{self.name}"

    @property
    def run(self) -> str:
        """The path of what belongs to the process: outside of /etc, in the same directory."""
        directory = "/run" if self.directory == "/etc" else self.directory.rstrip("/")
        return f"{directory}/{self.name}"

    @property
    def unit(self) -> str:
        """The path of its unit, if it is a service of systemd."""
        return f"{_UNITS[0]}/{self.name}.service"

    @property
    def files(self) -> dict[str, str]:
        """All files that it has on its host, and how they begin; last the one by which a look finds
        it.
        """
        files = {f"{self.file}.{part}": _MADE for part in ("cfg", "lua", "map")}
        if self.service == "systemd":
            files[self.unit] = _MADE
        files[f"{self.run}.pid"] = _PROCESS
        files |= dict.fromkeys([f"{self.run}.sock", f"{self.run}.peers"], SOCKET)
        files[f"{self.file}.leases"] = _INSTALLATION
        return files

    @property
    def units_of_others(self) -> list[str]:
        """The files of units that its own unit would replace."""
        if self.service != "systemd":
            return []
        return [f"{folder}/{self.name}.service" for folder in _UNITS[1:]]


@dataclass(frozen=True)
class ProxyList:
    """A file with leases.

    ``template`` is the text of a template, and empty for one of the formats.
    """

    path: str
    format: str
    template: str
    scheme: str
    credentials: bool
    owner: str
    command: str
    interval: int
    pools: tuple[Pool, ...]

    kind = LIST

    @property
    def name(self) -> str:
        """The name of the list among those of its host."""
        return self.path

    @property
    def mark(self) -> str:
        """The path of the file beside it that has its identifier."""
        folder, _slash, name = self.path.rpartition("/")
        return f"{folder}/.{name}.qgnet"

    @property
    def files(self) -> dict[str, str]:
        """All files that it has on its host, and how they begin; last the one by which a look finds
        it.
        """
        return {self.path: _ANY, self.mark: _INSTALLATION}


Declaration: TypeAlias = "Gateway | ProxyList"
#: The type of addresses and areas, as a field declares it.
_TEXTS = "tuple[str, ...]"
#: The types of JSON that a field has, by the type that it declares.
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "bool": (bool,),
    "int": (int,),
    "int | None": (int, type(None)),
    "float": (int, float),
    "tuple[Pool, ...]": (tuple,),
    _TEXTS: (),
}
_CLASSES: dict[str, type[Declaration]] = {GATEWAY: Gateway, LIST: ProxyList}


def as_json(declaration: Declaration) -> dict[str, Any]:
    """Return a declaration for the store and for templates."""
    return {"version": VERSION, **dataclasses.asdict(declaration)}


def from_json(kind: str, data: Mapping[str, Any]) -> Declaration:
    """Return what was recorded; raises KeyError or TypeError if this release cannot read it."""
    if data["version"] != VERSION:
        raise KeyError("version")
    values = {name: value for name, value in data.items() if name != "version"}
    pools = []
    for pool in values.pop("pools"):
        pools.append(Pool(**{**pool, "areas": tuple(pool["areas"])}))
    if "allow" in values:
        values["allow"] = tuple(values["allow"])
    return _CLASSES[kind](**values, pools=tuple(pools))


def check_types(declared: Declaration | Pool) -> None:
    """Raise TypeError if a field has another type than it declares; texts of Ansible are of types
    of its own.
    """
    for field in dataclasses.fields(declared):
        value = getattr(declared, field.name)
        is_right = isinstance(value, _TYPES[str(field.type)])
        if isinstance(value, bool):
            is_right = field.type == "bool"
        if field.type == _TEXTS:
            is_right = all(isinstance(text, str) for text in value)
        if not is_right:
            raise TypeError(field.name)
