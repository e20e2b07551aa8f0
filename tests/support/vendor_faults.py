# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of a call, by what the vendor has done of it. A table names them; its fields may give another kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from simulator.fixture import Simulator
from support.parameters import ParameterSet
from support.playbooks import Result, assert_one_sentence

Faults = dict[str, dict[str, Any]]
#: Seconds that a call may take where a fault is a matter of time, and a time that is surely longer.
TIMEOUT, LONGER = 0.6, 2.4
TIMED = ("hang_after", "trickle", "delay")
#: The vendor has done what it was asked for, and the answer does not say so.
DONE: Faults = {
    "reset_after": {},
    "hang_after": {"seconds": LONGER},
    "truncate": {},
    "garbage": {},
    "garbage with the look of JSON": {"kind": "garbage", "body": '{"Code": 0, "Data": [{"IP": "203.0'},
    "trickle": {"seconds": 0.1},
    "bad gateway after the work": {"kind": "status", "http_status": 502, "executed": True},
    "success with a wrong status": {"kind": "status", "http_status": 500, "body": '{"Code":0}', "executed": True},
    "no object": {"kind": "replace", "body": [], "executed": True},
    "no code": {"kind": "replace", "body": {"Data": []}, "executed": True},
    "null": {"kind": "replace", "body": None, "executed": True},
}
#: The vendor has done nothing.
UNDONE: Faults = {
    "refuse": {},
    "reset_before": {},
    "server error": {"kind": "status", "http_status": 500},
    "unavailable": {"kind": "status", "http_status": 503},
    "too many requests": {"kind": "status", "http_status": 429, "headers": {"Retry-After": "0"}},
    "empty answer": {"kind": "status", "http_status": 200, "body": ""},
}
#: The vendor has done nothing yet: a server between gave up waiting.
GATEWAY: Faults = {
    "bad gateway": {"kind": "status", "http_status": 502},
    "gateway timeout": {"kind": "status", "http_status": 504},
}
#: No repetition cures them.
HOPELESS: Faults = {
    "not found": {"kind": "status", "http_status": 404},
    "forbidden": {"kind": "status", "http_status": 403},
    "redirect": {"location": "http://127.0.0.1:1/elsewhere"},
}
#: A success that is not as documented.
ODD: Faults = {"data_null": {}, "data_absent": {}, "strings": {}}


def cases(*tables: Faults) -> list[Any]:
    """Parameters: the name of each fault, and its fields."""
    return [pytest.param(kind, fields, id=kind) for table in tables for kind, fields in table.items()]


def brief(values: Iterable[Any], *names: str) -> list[Any]:
    """The same parameters; make test runs only those whose name is one of these, or begins with it and a hyphen."""
    rows = [value if isinstance(value, ParameterSet) else pytest.param(value, id=str(value)) for value in values]
    return [
        row
        if any(f"{row.id}-".startswith(f"{name}-") for name in names)
        else pytest.param(*row.values, id=row.id, marks=[*row.marks, pytest.mark.slow])
        for row in rows
    ]


def planned(sim: Simulator, path: str, name: str, fields: Mapping[str, Any], times: int = 1, skip: int = 0) -> None:
    """Plan a fault of a table."""
    sim.fault(path=path, times=times, skip=skip, **{"kind": name, **fields})


def assert_refusal(result: Result, code: int, endpoint: str, meaning: str = "") -> None:
    """One error that names the code, what it means, and the call."""
    assert result["failed"] is True
    assert result["error"]["code"] == code
    assert result["error"]["endpoint"] == endpoint
    assert meaning in result["error"]["meaning"]
    assert_one_sentence(result["msg"])
    for part in (str(code), result["error"]["meaning"], endpoint):
        assert part in result["msg"]
