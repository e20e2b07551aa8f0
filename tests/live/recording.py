# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of runs: files without secrets, from which a run can be repeated without calls."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.redaction import Redactor

from .caller import EndOfRun, Exchange
from .exchange import Call, Reply
from .notations import ADDRESS, canonical, replaced
from .probes import Wanted
from .transports import Situation

FORMAT = 1
#: The longest body that is no JSON.
MAX_TEXT = 2000
#: A shorter text names nothing, and stands in other texts as well.
MIN_NAME = 3
#: What may follow the address of an entry.
NETMASK = "255.255.255.255"
#: Fields whose values name something of the customer.
NAMES = ("TaskID", "task_id", "request_id", "RequestId", "uuid")
_HOST = re.compile(r"\b(?!proxy\.qg\.net\b)[a-z0-9][\w-]*(?:\.[\w-]+)*\.qg\.net\b", re.IGNORECASE)
_DOCUMENTATION = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")


class SecretError(Exception):
    """A recording holds a secret, so it is not written."""


class Pseudonyms:
    """Replaces each address, host and name by another one, the same everywhere in a recording."""

    def __init__(self, value: Any) -> None:
        texts = list(_texts(value))
        addresses = {canonical(found[0]) for text in texts for found in ADDRESS.finditer(text)} - {None, NETMASK}
        self.originals: set[str] = {str(address) for address in addresses}
        hosts = {found[0] for text in texts for found in _HOST.finditer(text)}
        names = {text for text in _named(value) if len(text) >= MIN_NAME}
        self._hosts = {host: f"host-{n}.example.com" for n, host in enumerate(sorted(hosts), 1)}
        self._names = {name: f"name{n:012}" for n, name in enumerate(sorted(names), 1)}
        self.originals |= hosts | names
        ipv4 = self._free(str(ip) for network in _DOCUMENTATION for ip in ipaddress.ip_network(network).hosts())
        ipv6 = self._free(f"2001:db8:{n:x}::1" for n in count(1))
        self._addresses = {
            ip: next(ipv6 if ":" in ip else ipv4) for ip in sorted(str(address) for address in addresses)
        }

    def _free(self, candidates: Iterable[str]) -> Iterator[str]:
        """Yield addresses that neither contain an original one nor are contained in one."""
        beyond = (f"198.18.{n // 256}.{n % 256}" for n in range(65536))
        for candidate in chain(candidates, beyond):
            if not any(candidate in original or original in candidate for original in self.originals):
                yield candidate

    def text(self, text: str) -> str:
        for name, other in self._names.items():
            text = text.replace(name, other)
        text = _HOST.sub(lambda found: self._hosts[found[0]], text)
        return replaced(text, lambda ip: self._addresses.get(ip, ip))

    def apply(self, value: Any) -> Any:
        return _mapped(value, self.text)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {change(name): _mapped(item, change) for name, item in value.items()}
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        yield from map(str, value)
        for item in value.values():
            yield from _texts(item)


def _named(value: Any) -> Iterator[str]:
    """Yield the values of NAMES, and the names of tasks in a map."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _named(item)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if name in NAMES and isinstance(item, str):
                yield item
            elif name == "tasks" and isinstance(item, Mapping):
                yield from map(str, item)
            yield from _named(item)


def record(
    wanted: Wanted, settings: Mapping[str, Any], exchanges: Iterable[Exchange], secrets: Iterable[str]
) -> dict[str, Any]:
    """Return a recording without the secrets, the addresses and the names of the customer; else raise an error."""
    value = {
        "format": FORMAT,
        "wanted": {**asdict(wanted), "addresses": list(wanted.addresses)},
        "settings": dict(settings),
        "exchanges": [_written(exchange) for exchange in exchanges],
    }
    pseudonyms = Pseudonyms(value)
    # What is still readable in another spelling than those above becomes a mask.
    redactor = Redactor([*filter(None, secrets), *pseudonyms.originals])
    recorded: dict[str, Any] = redactor.tree(pseudonyms.apply(value))
    for exchange in recorded["exchanges"]:
        if "text" in exchange:
            # Not before: a part of a secret is not recognised.
            exchange["text"] = exchange["text"][:MAX_TEXT]
    if redactor.tree(recorded) != recorded:
        raise SecretError("The recording is not written: it would hold a secret.")
    return recorded


def _written(exchange: Exchange) -> dict[str, Any]:
    call, reply = exchange.call, exchange.reply
    written = {
        "at": round(exchange.at, 2),
        "method": call.method,
        "path": call.path,
        "params": dict(call.params),
        "in_body": call.in_body,
        "status": reply.status,
        "date": reply.date,
        "media_type": reply.media_type,
    }
    if reply.error:
        written["error"] = reply.error
    body = reply.body
    return {**written, "text": reply.text} if body is None else {**written, "body": body}


def write(path: Path, recording: Mapping[str, Any]) -> None:
    """Write a recording, one line for each exchange."""
    head = json.dumps({name: value for name, value in recording.items() if name != "exchanges"}, ensure_ascii=False)
    lines = ",\n".join(json.dumps(exchange, ensure_ascii=False) for exchange in recording["exchanges"])
    # Only a new file: another one might have other rights, or be a link.
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        file.write(f'{head[:-1]},\n"exchanges": [\n{lines}\n]}}\n')


def read(path: Path) -> tuple[Wanted, dict[str, Any], Replay]:
    """Return what a recorded run was to do, the settings that it was compared with, and its replies."""
    value = json.loads(path.read_text(encoding="utf-8"))
    if value.get("format") != FORMAT:
        raise ValueError(f"{path} is no recording of format {FORMAT}.")
    wanted = value["wanted"]
    situation = Situation(**wanted.pop("situation"))
    addresses = tuple(wanted.pop("addresses"))
    return Wanted(situation, addresses=addresses, **wanted), value["settings"], Replay(value["exchanges"])


class Replay:
    """Gives the recorded replies to the same calls; its time passes at once."""

    def __init__(self, exchanges: Iterable[Mapping[str, Any]]) -> None:
        self._rest = list(exchanges)
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds

    def send(self, call: Call) -> Reply:
        if not self._rest:
            raise EndOfRun("The recording ends here.")
        found = self._rest.pop(0)
        recorded = Call(found["method"], found["path"], found["params"], found["in_body"])
        if recorded != replace(call, params=dict(call.params)):
            raise EndOfRun(f"The probes have changed since this recording: {call} in place of {recorded}.")
        text = json.dumps(found["body"]) if "body" in found else found["text"]
        return Reply(found["status"], text, found["date"], found["media_type"], found.get("error", ""))
