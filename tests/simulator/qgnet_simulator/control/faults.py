# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault plan: which faults occur, at which endpoint, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..routing import ROUTES
from ..settings import HttpStatus, SettingError, accepts, changed

KINDS: dict[str, tuple[bool, str, str]] = {
    "code": (False, "code", "msg http_status body_extra"),
    "refuse": (False, "", ""),
    "reset_before": (False, "", ""),
    "reset_after": (True, "", ""),
    "delay": (True, "seconds", ""),
    "hang_after": (True, "seconds", ""),
    "status": (False, "http_status", "body headers executed"),
    "truncate": (True, "", ""),
    "garbage": (True, "", "body executed"),
    "data_null": (True, "", ""),
    "data_absent": (True, "", ""),
    "strings": (True, "", ""),
    "partial": (True, "drop", ""),
    "redirect": (False, "location", ""),
    "replace": (False, "body", "executed"),
}
"""Whether the call is executed before the fault occurs, and the fields that the kind needs and can have."""


@dataclass(frozen=True)
class FaultFields:
    """What a fault can have besides its path, kind and method."""

    times: int | Literal[-1] = 1
    """How many calls it meets; -1: all."""
    skip: int = 0
    code: Any = 0
    msg: str = ""
    http_status: HttpStatus = 200
    body_extra: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    executed: bool = False
    drop: int = 0
    location: str = ""


@dataclass
class Fault:
    path: str
    kind: str
    method: str | None
    """The method of the calls that the fault applies to; None for any method."""
    times: int
    skip: int
    fields: dict[str, Any]

    @classmethod
    def parse(cls, values: object) -> Fault:
        fields: dict[str, Any] = {}
        if isinstance(values, Mapping):
            fields |= values
        path = fields.pop("path", None)
        kind = fields.pop("kind", None)
        method = fields.pop("method", None)
        if kind not in KINDS:
            raise SettingError(f"fault kind {kind!r} is none of {', '.join(KINDS)}")
        routes = [each for each in ROUTES.get(str(path), ()) if method is None or method in each.methods]
        if not routes:
            raise SettingError(f"fault path {path!r}, method {method!r}: no such call; paths: {', '.join(ROUTES)}")
        given = changed(FaultFields(), fields)
        _executes, required, optional = KINDS[kind]
        allowed = {"times", "skip", *required.split(), *optional.split()}
        if not allowed.issuperset(fields) or not fields.keys() >= set(required.split()):
            raise SettingError(f"fault {kind} needs {required or 'nothing'} and can have {', '.join(sorted(allowed))}")
        if kind != "replace" and not accepts(str | None, given.body):
            raise SettingError(f"fault {kind}: a body of text expected")
        if kind == "partial" and not any(each.takes_addresses for each in routes):
            raise SettingError(f"fault partial: {path} takes no addresses")
        for name in ("times", "skip"):
            fields.pop(name, None)
        return cls(str(path), kind, method, given.times, given.skip, fields)

    @property
    def executes(self) -> bool:
        return self is NO_FAULT or bool(self.get("executed", KINDS[self.kind][0]))

    def get(self, name: str, default: Any = None) -> Any:
        return self.fields.get(name, default)

    def seconds(self, kind: str) -> float:
        """Return how long a fault of this kind delays a call."""
        if self.kind != kind:
            return 0.0
        return float(self.get("seconds", 0))

    def describe(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"path": self.path, "kind": self.kind}
        if self.method is not None:
            fields["method"] = self.method
        return {**fields, "times": self.times, "skip": self.skip, **self.fields}


NO_FAULT = Fault("", "", None, 0, 0, {})


class FaultPlan:
    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def append(self, values: object) -> None:
        """Plan one fault or a list of faults; if one of them is wrong, none is added."""
        items = values
        if not isinstance(items, list):
            items = [values]
        self._faults += [Fault.parse(item) for item in items]

    def take(self, path: str, method: str) -> Fault:
        """Return the fault for a call, or NO_FAULT. If several are due, the one that was planned first is used."""
        for fault in self._faults:
            if fault.path != path or fault.times == 0 or fault.method not in (None, method):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            if fault.times > 0:
                fault.times -= 1
            return fault
        return NO_FAULT

    def clear(self) -> None:
        self._faults.clear()

    def describe(self) -> list[dict[str, Any]]:
        """Return the faults that are still planned."""
        return [fault.describe() for fault in self._faults if fault.times != 0]
