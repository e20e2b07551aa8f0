# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault plan: which faults occur, at which endpoint, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import validation
from ..routing import ENDPOINTS_BY_PATH, has_text_codes
from ..validation import ValidationError, Validator


@dataclass(frozen=True)
class FaultKind:
    executes: bool
    """Whether the call is executed before the fault occurs."""
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


FAULT_KINDS: dict[str, FaultKind] = {
    "code": FaultKind(False, ("code",), ("msg", "http_status", "body_extra")),
    "refuse": FaultKind(False),
    "reset_before": FaultKind(False),
    "reset_after": FaultKind(True),
    "delay": FaultKind(True, ("seconds",)),
    "hang_after": FaultKind(True, ("seconds",)),
    "status": FaultKind(False, ("http_status",), ("body", "headers", "executed")),
    "truncate": FaultKind(True),
    "garbage": FaultKind(True, (), ("body", "executed")),
    "data_null": FaultKind(True),
    "data_absent": FaultKind(True),
    "strings": FaultKind(True),
    "partial": FaultKind(True, ("drop",)),
    "unnamed": FaultKind(True, ("drop",)),
    "redirect": FaultKind(False, ("location",)),
    "trickle": FaultKind(True, ("seconds",), ("total",)),
    "replace": FaultKind(False, ("body",), ("executed",)),
}


def _is_code(value: object) -> bool:
    return validation.is_integer(value, -(10**6))


VALIDATORS: dict[str, Validator] = {
    "code": (_is_code, "a number"),
    "drop": (validation.is_integer, "a number from 0"),
    "http_status": (validation.is_http_status, "an HTTP status from 200 to 599"),
    "seconds": (validation.is_duration, "seconds"),
    "total": (validation.is_duration, "seconds"),
    "location": (validation.is_string, "text"),
    "msg": (validation.is_string, "text"),
    "body": (validation.is_string, "text"),
    "headers": (validation.is_string_mapping, "an object of texts"),
    "body_extra": (validation.is_object, "an object"),
    "executed": (validation.is_boolean, "true or false"),
}


def _validate_field(path: str, kind: str, name: str, value: object) -> None:
    accepts, expected = VALIDATORS[name]
    any_json = kind == "replace" and name == "body"
    # The codes of the product hosts are names. Those of the account API are unknown and may be strings.
    string_code = name == "code" and has_text_codes(path) and validation.is_string(value)
    if not any_json and not string_code and not accepts(value):
        raise ValidationError(f"fault {kind}, field {name}: {expected} expected")


@dataclass
class Fault:
    path: str
    kind: str
    method: str | None = None
    """The method of the calls that the fault applies to; None for any method."""
    times: int = 1
    skip: int = 0
    fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, values: object) -> Fault:
        if not isinstance(values, Mapping):
            raise ValidationError("a fault is an object")
        fields = dict(values)
        path, kind, method = fields.pop("path", None), fields.pop("kind", None), fields.pop("method", None)
        times, skip = fields.pop("times", 1), fields.pop("skip", 0)
        fault_kind = FAULT_KINDS.get(kind) if isinstance(kind, str) else None
        if fault_kind is None:
            raise ValidationError(f"fault kind {kind!r} is none of {', '.join(FAULT_KINDS)}")
        endpoints = list(ENDPOINTS_BY_PATH.get(path, ())) if isinstance(path, str) else []
        if not endpoints:
            raise ValidationError(f"fault path {path!r} is none of {', '.join(ENDPOINTS_BY_PATH)}")
        if method is not None:
            endpoints = [endpoint for endpoint in endpoints if method in endpoint.methods]
            if not endpoints:
                raise ValidationError(f"fault method {method!r}: {path} does not take it")
        if times != -1 and not (validation.is_integer(times) and times):
            raise ValidationError("fault times: a number from 1, or -1 for always, expected")
        if not validation.is_integer(skip):
            raise ValidationError("fault skip: a number from 0 expected")
        missing = [name for name in fault_kind.required if name not in fields]
        if missing:
            raise ValidationError(f"fault {kind} needs {', '.join(missing)}")
        unknown = [name for name in fields if name not in fault_kind.required + fault_kind.optional]
        if unknown:
            raise ValidationError(f"fault {kind} has no field {', '.join(unknown)}")
        for name, value in fields.items():
            _validate_field(str(path), str(kind), name, value)
        if kind == "partial" and not any(endpoint.takes_addresses for endpoint in endpoints):
            raise ValidationError(f"fault partial: {path} takes no addresses")
        if kind == "unnamed" and path not in ("/whitelist/add", "/whitelist/del"):
            raise ValidationError(f"fault unnamed: {path} is no change of the whitelist")
        return cls(str(path), str(kind), method, times, skip, fields)

    @property
    def executes(self) -> bool:
        return bool(self.fields.get("executed", FAULT_KINDS[self.kind].executes))

    def get(self, name: str, default: Any = None) -> Any:
        return self.fields.get(name, default)

    def describe(self) -> dict[str, Any]:
        method = {} if self.method is None else {"method": self.method}
        return {"path": self.path, "kind": self.kind, **method, "times": self.times, "skip": self.skip, **self.fields}


class FaultPlan:
    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def append(self, values: object) -> None:
        """Plan one fault or a list of faults; if one of them is wrong, none is added."""
        items = values if isinstance(values, list) else [values]
        self._faults.extend([Fault.parse(item) for item in items])

    def take(self, path: str, method: str) -> Fault | None:
        """Return the fault for a call, or None. If several are due, the one that was planned first is used."""
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
        """Return the faults that are still planned."""
        return [fault.describe() for fault in self._faults if fault.times != 0]
