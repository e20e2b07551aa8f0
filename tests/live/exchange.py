# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call and its reply, as they are: the client of the collection would hide what the probes look for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ansible_collections.qingguo.qgnet.plugins.module_utils._api.parsing import ResponseShapeError, parse_json


@dataclass(frozen=True)
class Call:
    """A call without its credentials. The path starts with the product, if it is one of a product host."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    in_body: bool = False


@dataclass(frozen=True)
class Reply:
    status: int | None
    """None if no complete response was received; ``error`` is the reason."""
    text: str = ""
    date: str = ""
    media_type: str = ""
    error: str = ""

    @property
    def body(self) -> Any:
        """The JSON value, or None if the body is not JSON, or exceeds the limits of the collection."""
        try:
            return parse_json(self.text)
        except ResponseShapeError:
            return None

    @property
    def fields(self) -> dict[str, Any]:
        return body if isinstance(body := self.body, dict) else {}

    @property
    def code(self) -> int | str | None:
        """The result code; a number as text is a number."""
        value = self.fields.get("Code", self.fields.get("code"))
        return number if (number := whole(value)) is not None else value if isinstance(value, str) else None

    @property
    def succeeded(self) -> bool:
        return self.code in (0, "SUCCESS")

    @property
    def refused(self) -> bool:
        """Whether the vendor has refused the call with a code of its own."""
        return self.code is not None and not self.succeeded

    @property
    def outcome(self) -> str:
        if self.code is None:
            return f"HTTP {self.status} without a code" if self.status else "no response"
        return f"Code {self.code}" if isinstance(self.code, int) else self.code


class Lease(NamedTuple):
    ip: str
    deadline: str


class Transport(Protocol):
    """The vendor, the simulator, or a recording."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Return after as many seconds of its own clock."""

    def send(self, call: Call) -> Reply:
        """Return what was answered, also when nothing was."""


def whole(value: object) -> int | None:
    """Return an integer, also one that is written as text."""
    try:
        return None if isinstance(value, (bool, float)) or value is None else int(str(value))
    except ValueError:
        return None


def leases_in(value: Any) -> Iterator[Lease]:
    """Yield all leases in a body, whatever its shape."""
    if isinstance(value, list):
        for item in value:
            yield from leases_in(item)
    elif isinstance(value, dict):
        server = value.get("server")
        ip = value.get("IP") or value.get("proxy_ip") or (server.rpartition(":")[0] if isinstance(server, str) else "")
        if isinstance(ip, str) and ip:
            yield Lease(ip, str(value.get("deadline") or ""))
        else:
            for item in value.values():
                yield from leases_in(item)


def outline(value: Any) -> str:
    """Return the shape of a value: the names of its fields, and the shape of the first item of a list."""
    if isinstance(value, list):
        return f"[{outline(value[0]) if value else ''}]"
    if not isinstance(value, dict):
        return "null" if value is None else ""
    if value and not all(name.replace("_", "").isalpha() for name in value):
        return f"{{each task: {outline(next(iter(value.values())))}}}"
    return f"{{{', '.join(f'{name}{outline(value[name])}' for name in sorted(value))}}}"
