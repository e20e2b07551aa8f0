# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole state as JSON, from which a test can start.

It has the names of the fields of ``State`` and of what is in them. A field that a snapshot lacks
has its default, so that a later version can load an older one.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from operator import attrgetter
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..account.agents import Agent
from ..core import Core
from ..exchange import CallRecord, Refusal
from ..keys.key import ProxyKey
from ..keys.leases import Lease
from ..keys.monopolies import Monopoly
from ..keys.plans import Area
from ..proxies.echo import EchoService, EchoServices
from ..proxies.forwarding import ForwardProxies
from ..rate_limits import RateWindow
from ..settings import SettingError, accepts
from .faults import Fault

VERSION = 1
SHARED = {each.__name__: each for each in (Area, Lease, Monopoly)}
"""Objects to which several others refer. Each is saved once, and a reference is its number."""


@dataclass
class State:
    now: float
    running: bool
    keys: dict[str, ProxyKey]
    agents: dict[str, Agent]
    map: dict[str, str]
    windows: dict[str, RateWindow]
    faults: list[Fault]
    calls: list[CallRecord]
    last_seq: int
    monopolies: int
    echo: dict[str, EchoService]
    freed: list[str]
    """Exit addresses that leases have had, the latest at the end."""


PLACES = {
    "keys": "keys.by_name",
    "agents": "agents.by_appid",
    "map": "network.public_addresses",
    "windows": "rate_limiter.windows",
    "faults": "faults.faults",
    "calls": "journal.records",
    "last_seq": "journal.last_seq",
    "monopolies": "keys.lease_service.monopolies",
}
"""Where the core has these fields."""


class _Saver:
    def __init__(self) -> None:
        self.objects: list[Any] = []
        self._numbers: dict[int, int] = {}

    def save(self, value: Any) -> Any:
        if isinstance(value, tuple(SHARED.values())):
            if id(value) not in self._numbers:
                self._numbers[id(value)] = len(self.objects)
                self.objects.append(None)
                self.objects[self._numbers[id(value)]] = self._fields(value)
            return self._numbers[id(value)]
        if is_dataclass(value):
            return self._fields(value)
        if isinstance(value, dict):
            return {name: self.save(item) for name, item in value.items()}
        if isinstance(value, set):
            return sorted(value)
        if isinstance(value, (list, tuple)):
            return [self.save(item) for item in value]
        return value

    def _fields(self, value: Any) -> dict[str, Any]:
        return {each.name: self.save(getattr(value, each.name)) for each in fields(value)}


class _Loader:
    def __init__(self, objects: list[Any]) -> None:
        self._objects = objects
        self._loaded: dict[int, Any] = {}

    def load(self, hint: Any, value: Any, where: str) -> Any:
        """Return the value of a type, or refuse it; ``where`` says in the error what has it."""
        inner = get_args(hint)
        origin = get_origin(hint)
        if origin in (Union, types.UnionType) and value is not None:
            hint = next(filter(is_dataclass, inner), hint)
        if is_dataclass(hint):
            if hint in SHARED.values():
                return self._shared(hint, value, where)
            return self._object(hint, value, where)
        if origin in (list, set, tuple) and isinstance(value, list):
            hints = inner
            if len(inner) == 1 or inner[1] is Ellipsis:
                hints = inner[:1] * len(value)
            if len(hints) == len(value):
                return origin(map(self.load, hints, value, [where] * len(value)))
        if origin is dict and isinstance(value, dict):
            return {
                name: self.load(inner[1], item, f"{where} {name}") for name, item in value.items()
            }
        if origin in (list, set, tuple, dict) or not accepts(hint, value):
            raise SettingError(f"snapshot: {where}: {value!r} is not allowed")
        return value

    def _shared(self, hint: Any, number: Any, where: str) -> Any:
        if not accepts(int, number) or number >= len(self._objects):
            raise SettingError(f"snapshot: {where}: there is no object {number!r}")
        if number not in self._loaded:
            self._loaded[number] = self._object(hint, self._objects[number], f"object {number}")
        return self._loaded[number]

    def _object(self, hint: Any, values: Any, where: str) -> Any:
        if not isinstance(values, Mapping):
            raise SettingError(f"snapshot: {where}: an object expected")
        hints = get_type_hints(hint, localns=SHARED, include_extras=True)
        names = {each.name for each in fields(hint)}
        needed = {
            each.name for each in fields(hint) if each.default is each.default_factory is MISSING
        }
        wrong = sorted((values.keys() - names) | (needed - values.keys()))
        if wrong:
            raise SettingError(
                f"snapshot: {where}: {', '.join(wrong)}: unknown or missing; it is of another "
                "version"
            )
        return hint(
            **{
                name: self.load(hints[name], value, f"{where} {name}")
                for name, value in values.items()
            }
        )


def take(core: Core, echo: EchoServices) -> dict[str, Any]:
    fields_of_core = {name: attrgetter(place)(core) for name, place in PLACES.items()}
    freed = core.keys.lease_service.freed()
    state = State(
        core.clock.now(), core.clock.running, echo=echo.services, freed=freed, **fields_of_core
    )
    saver = _Saver()
    return {"version": VERSION, "state": saver.save(state), "objects": saver.objects}


def load(values: Mapping[str, Any]) -> State:
    """Return the state of a snapshot; nothing is changed yet."""
    version = values.get("version")
    if version != VERSION:
        raise SettingError(
            f"snapshot: version {version!r} is unknown; this simulator loads version {VERSION}"
        )
    objects = values.get("objects")
    if not isinstance(objects, list):
        raise SettingError("snapshot: a list of objects expected")
    state: State = _Loader(objects).load(State, values.get("state"), "state")
    return state


def restore(core: Core, echo: EchoServices, proxies: ForwardProxies, state: State) -> None:
    """Replace the state of a simulator.

    Proxies listen on the ports of the snapshot, and those of the start on their present ports.
    """
    core.reset()
    proxies.close_all_except(core.keys.initial_owners())
    core.clock.run(state.running)
    core.clock.advance(state.now - core.clock.now())
    for name, place in PLACES.items():
        owner, _dot, attribute = place.rpartition(".")
        setattr(attrgetter(owner)(core), attribute, getattr(state, name))
    echo.services = state.echo
    core.keys.lease_service.restore(state.freed)
    try:
        for key in state.keys.values():
            _listen(core, proxies, key)
    except (OSError, Refusal, ValueError) as error:
        core.reset()
        proxies.close_all_except(core.keys.initial_owners())
        raise SettingError(
            f"snapshot: its proxies cannot listen ({error}); the simulator is in its start state"
        ) from None


def _listen(core: Core, proxies: ForwardProxies, key: ProxyKey) -> None:
    """Let the proxies of a key listen again."""
    keys = core.keys
    if key.proxy_url is not None:
        key.proxy_url = keys.initial_proxy_urls.get(key.key) or proxies.open_for_key(
            key.key, _port(key.proxy_url)
        )
    if key.tunnel is not None and key.tunnel.url is not None:
        url = keys.initial_tunnel_urls.get(key.key)
        key.tunnel.url = url or proxies.open_tunnel(key.key, _port(key.tunnel.url))
    leases = [*key.holdings.leases, *key.holdings.pool]
    for monopoly in key.holdings.monopolies:
        if monopoly.lease is not None:
            leases.append(monopoly.lease)
    for lease in leases:
        keys.lease_service.listen(key, lease)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
