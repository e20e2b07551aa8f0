# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault plan: which faults occur, at which endpoint, and how often."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

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
"""Whether the call is executed before the fault occurs, and the fields that the kind needs and can
have.
"""
COMMON = ("path", "kind", "method", "times", "skip")
"""Fields that every kind can have."""


@dataclass
class Fault:
    path: str = ""
    kind: Annotated[str, KINDS] = ""
    method: str | None = None
    """The method of the calls that have the fault; None for any method."""
    times: int | Literal[-1] = 1
    """How many calls have the fault; -1: all."""
    skip: int = 0
    code: Any = None
    msg: str | None = None
    http_status: HttpStatus | None = None
    body_extra: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    executed: bool | None = None
    drop: int = 0
    location: str = ""

    @classmethod
    def parse(cls, values: Any) -> Fault:
        fault = changed(cls(), values)
        methods = ROUTES.get(fault.path, ())
        if not methods or (fault.method or methods[0]) not in methods:
            paths = ", ".join(ROUTES)
            raise SettingError(
                f"fault path {fault.path!r}, method {fault.method!r}: no such call; paths: {paths}"
            )
        if fault.kind not in KINDS:
            raise SettingError(f"fault kind: one of {', '.join(KINDS)} expected")
        _executes, required, optional = KINDS[fault.kind]
        needed = set(required.split())
        allowed = {*COMMON, *needed, *optional.split()}
        if not needed <= set(values) <= allowed:
            possible = ", ".join(sorted(allowed))
            raise SettingError(
                f"fault {fault.kind} needs {required or 'nothing'} and can have {possible}"
            )
        if fault.kind != "replace" and not accepts(str | None, fault.body):
            raise SettingError(f"fault {fault.kind}: a body of text expected")
        return fault

    @property
    def executes(self) -> bool:
        if self.executed is not None:
            return self.executed
        return not self.kind or KINDS[self.kind][0]

    def delay(self, kind: str) -> float:
        """Return how long a fault of this kind delays a call."""
        return self.seconds if self.kind == kind else 0.0

    def describe(self) -> dict[str, Any]:
        """Return the fields that do not have their defaults, and how often the fault occurs."""
        shown = {
            name: value for name, value in vars(self).items() if value != getattr(NO_FAULT, name)
        }
        return {"times": self.times, "skip": self.skip, **shown}


NO_FAULT = Fault()


class FaultPlan:
    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def append(self, values: object) -> None:
        """Plan one fault or a list of faults; if one of them is wrong, none is added."""
        items = values
        if not isinstance(items, list):
            items = [values]
        self.faults += [Fault.parse(item) for item in items]

    def take(self, path: str, method: str) -> Fault:
        """Return the fault for a call, or NO_FAULT.

        If several are due, the one that was planned first is used.
        """
        for fault in self.faults:
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
        self.faults.clear()

    def describe(self) -> list[dict[str, Any]]:
        """Return the faults that are still planned."""
        return [fault.describe() for fault in self.faults if fault.times != 0]
