# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault plan: what goes wrong, on which endpoint, how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import validation as checks
from ..account import endpoints as services
from ..routing import PATHS
from ..validation import Invalid


@dataclass(frozen=True)
class Kind:
    """A kind of fault: its fields, and whether the call is executed before the fault shows."""

    executes: bool
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "code": Kind(False, ("code",), ("msg", "http_status", "body_extra")),
    "refuse": Kind(False),
    "reset_before": Kind(False),
    "reset_after": Kind(True),
    "delay": Kind(True, ("seconds",)),
    "hang_after": Kind(True, ("seconds",)),
    "status": Kind(False, ("http_status",), ("body", "headers", "executed")),
    "truncate": Kind(True),
    "garbage": Kind(True, (), ("body", "executed")),
    "data_null": Kind(True),
    "data_absent": Kind(True),
    "strings": Kind(True),
    "partial": Kind(True, ("drop",)),
    "redirect": Kind(False, ("location",)),
    "trickle": Kind(True, ("seconds",), ("total",)),
    "replace": Kind(False, ("body",), ("executed",)),
}


def _code(value: object) -> bool:
    return checks.whole(value, -(10**6))


def _status(value: object) -> bool:
    return checks.whole(value, 200, 599)


FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "code": (_code, "a number"),
    "drop": (checks.whole, "a number from 0"),
    "http_status": (_status, "an HTTP status from 200 to 599"),
    "seconds": (checks.seconds, "seconds"),
    "total": (checks.seconds, "seconds"),
    "location": (checks.text, "text"),
    "msg": (checks.text, "text"),
    "body": (checks.text, "text"),
    "headers": (checks.table, "an object of texts"),
    "body_extra": (lambda value: isinstance(value, dict), "an object"),
    "executed": (checks.flag, "true or false"),
}


def _check(path: str, kind: str, name: str, value: object) -> None:
    good, expected = FIELDS[name]
    any_json = kind == "replace" and name == "body"
    # Nobody knows the account calls' codes; they may be words.
    word = name == "code" and services.belongs(path) and checks.text(value)
    if not any_json and not word and not good(value):
        raise Invalid(f"fault {kind}, field {name}: {expected} expected")


@dataclass
class Fault:
    path: str
    kind: str
    method: str | None = None
    """Only calls by this method; any when none is named."""
    times: int = 1
    skip: int = 0
    fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, values: object) -> Fault:
        if not isinstance(values, Mapping):
            raise Invalid("a fault is an object")
        rest = dict(values)
        path, name = rest.pop("path", None), rest.pop("kind", None)
        method = rest.pop("method", None)
        times, skip = rest.pop("times", 1), rest.pop("skip", 0)
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise Invalid(f"fault kind {name!r} is none of {', '.join(KINDS)}")
        endpoints = list(PATHS.get(path, ())) if isinstance(path, str) else []
        if not endpoints:
            raise Invalid(f"fault path {path!r} is none of {', '.join(PATHS)}")
        if method is not None:
            endpoints = [endpoint for endpoint in endpoints if method in endpoint.methods]
            if not endpoints:
                raise Invalid(f"fault method {method!r}: {path} does not take it")
        if times != -1 and not (checks.whole(times) and times):
            raise Invalid("fault times: a number from 1, or -1 for always, expected")
        if not checks.whole(skip):
            raise Invalid("fault skip: a number from 0 expected")
        missing = [item for item in kind.required if item not in rest]
        if missing:
            raise Invalid(f"fault {name} needs {', '.join(missing)}")
        unknown = [item for item in rest if item not in kind.required + kind.optional]
        if unknown:
            raise Invalid(f"fault {name} has no field {', '.join(unknown)}")
        for item, value in rest.items():
            _check(str(path), str(name), item, value)
        if name == "partial" and not any(endpoint.takes_addresses for endpoint in endpoints):
            raise Invalid(f"fault partial: {path} takes no addresses")
        return cls(str(path), str(name), method, times, skip, rest)

    @property
    def executes(self) -> bool:
        return bool(self.fields.get("executed", KINDS[self.kind].executes))

    def get(self, name: str, default: Any = None) -> Any:
        return self.fields.get(name, default)

    def describe(self) -> dict[str, Any]:
        only = {} if self.method is None else {"method": self.method}
        return {"path": self.path, "kind": self.kind, **only, "times": self.times, "skip": self.skip, **self.fields}


class FaultPlan:
    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def append(self, values: object) -> None:
        """Add one fault or a list of them; none is added when one of them is wrong."""
        items = values if isinstance(values, list) else [values]
        self._faults.extend([Fault.parse(item) for item in items])

    def take(self, path: str, method: str) -> Fault | None:
        """The fault for a call to this path by this method, if one is due. The first in the list that is due wins."""
        for fault in self._faults:
            if fault.path != path or fault.times == 0 or fault.method not in (None, method):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times > 0:
                fault.times -= 1
            return fault
        return None

    def clear(self) -> None:
        self._faults.clear()

    def describe(self) -> list[dict[str, Any]]:
        """The faults that are still to come."""
        return [fault.describe() for fault in self._faults if fault.times != 0]
