# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each way in which the vendor may differ from the simulator is found, and named by the setting that decides it."""

from __future__ import annotations

from typing import Any

import pytest
from live.caller import Caller
from live.comparison import compare, merged, report
from live.probes import Findings, Probes, Wanted
from live.questions import NOT_ASKED, QUESTIONS, Settings
from live.transports import Simulated, Situation
from simulator.keys.plans import DEDICATED, EXCLUSIVE, LONGTERM, OVERSEAS, SHARE, SHARED, STATIC, VOLUME

PLANS = [DEDICATED, SHARED, STATIC, SHARE, LONGTERM, EXCLUSIVE, OVERSEAS]
#: For each, the plan of the key, the settings of the vendor, and the questions whose answers they change.
DIFFERENCES: dict[str, tuple[str, Settings, set[str]]] = {
    "lag of lists": (DEDICATED, {"options": {"list_lag": 6}}, {"whitelist_lag", "list_lag"}),
    "lag of the quota": (DEDICATED, {"options": {"quota_lag": 3}}, {"quota_lag"}),
    "status of a refusal": (DEDICATED, {"options": {"error_status": 418}}, {"refusal"}),
    "status of a product's refusal": (EXCLUSIVE, {"options": {"refusal_status": 403}}, {"refusal"}),
    "no text of a refusal": (DEDICATED, {"options": {"msg": False}}, {"message"}),
    "numbers as text": (DEDICATED, {"options": {"numbers": "string"}}, {"numbers"}),
    "POST by its query": (DEDICATED, {"options": {"post": "ignore_body"}}, {"post"}),
    "no POST": (DEDICATED, {"options": {"post": "refuse"}}, {"post"}),
    "separator": (SHARE, {"options": {"seq_line_breaks": "refuse"}}, {"line_breaks"}),
    "no quota by volume": (SHARED, {"options": {"volume_quota": "refuse"}}, {"quota"}),
    "fields of areas": (DEDICATED, {"options": {"area_fields": "product"}}, {"areas"}),
    "list without leases": (DEDICATED, {"options": {"empty_tasks": "null"}}, {"empty_leases"}),
    "empty whitelist": (DEDICATED, {"options": {"empty_data": "absent"}}, {"empty_whitelist"}),
    "present address": (DEDICATED, {"options": {"present_add": "full"}}, {"add_present"}),
    "present address unnamed": (SHARE, {"options": {"present_add": "zero"}}, {"add_present"}),
    "absent address": (DEDICATED, {"options": {"absent_del": "error"}}, {"remove_absent"}),
    "answer of the whitelist": (DEDICATED, {"options": {"whitelist_answer": "number"}}, {"add"}),
    "notation": (LONGTERM, {"options": {"whitelist_notation": "mapped_hex"}}, {"notation"}),
    "networks": (DEDICATED, {"options": {"whitelist_takes": "any"}}, {"add_network", "add_ipv6"}),
    "lease that is not held": (DEDICATED, {"options": {"absent_release": "error"}}, {"release_absent"}),
    "time zone": (EXCLUSIVE, {"options": {"deadline_zone": 0}}, {"deadline"}),
    "shape of get": (LONGTERM, {"options": {"get_shape": "entries"}}, {"allocated"}),
    "shape of query": (EXCLUSIVE, {"options": {"query_shape": "task_map"}}, {"listed"}),
    "answer of a release": (DEDICATED, {"options": {"release_answer": "list"}}, {"release"}),
    "channel later free": (DEDICATED, {"plan": {"free_delay": 5}}, {"free_delay"}),
    "code of a wrong signature": (
        DEDICATED,
        {"agent": {"options": {"codes": {"wrong_sign": 7}, "statuses": {"wrong_sign": 401}}}},
        {"account_sign"},
    ),
    "refusal of the balance": (DEDICATED, {"agent": {"options": {"balance_envelope": "common"}}}, {"account_balance"}),
    "time of a signature": (DEDICATED, {"agent": {"tolerance": 45}}, {"account_past", "account_future"}),
    "freed address": (DEDICATED, {"options": {"address_reuse": "first"}}, {"reuse"}),
}


def wanted(plan: str = DEDICATED, **fields: Any) -> Wanted:
    return Wanted(
        Situation(plan, fields.pop("billing", "time")), **{"write": True, "paid": 2, "account": True, **fields}
    )


def found(wanted: Wanted, settings: Settings) -> Findings:
    return Probes(Simulated(wanted.situation, settings), wanted).run()


@pytest.mark.parametrize("plan", PLANS)
def test_the_simulator_does_not_differ_from_itself(plan: str) -> None:
    findings = found(wanted(plan), {})
    rows, settings = compare(wanted(plan), findings, {})
    assert [(row.question.name, row.seen) for row in rows if not row.same] == []
    assert settings == {}
    assert findings.left == []


def test_each_question_has_an_answer_in_some_plan() -> None:
    runs = [found(wanted(plan), {}) for plan in PLANS]
    assert {question.name for question in QUESTIONS} == {name for run in runs for name in run.answers}
    assert {question.number for question in QUESTIONS} | NOT_ASKED.keys() == set(range(1, 25))


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_difference_is_found_and_named(name: str) -> None:
    plan, changed, questions = DIFFERENCES[name]
    asked = wanted(plan, billing=VOLUME if name == "no quota by volume" else "time")
    findings = found(asked, changed)
    rows, settings = compare(asked, findings, {})
    assert {row.question.name for row in rows if not row.same} >= questions
    # With the settings that it names, the simulator gives all answers of the vendor.
    again, _settings = compare(asked, findings, settings)
    assert [row for row in again if not row.same] == []
    ((section, values),) = changed.items()
    (option,) = values
    lines = [line for line in report(rows, findings, settings) if line.startswith("Different:")]
    assert any(f"{section}.{option}=" in line for line in lines), lines
    if option not in ("list_lag", "quota_lag", "free_delay", "tolerance"):
        assert settings[section][option] == values[option]
    assert findings.left == []


def test_many_differences_at_once_are_found_and_named() -> None:
    changed: Settings = {}
    for plan, settings, _questions in DIFFERENCES.values():
        option = next(iter(next(iter(settings.values()))))
        if plan == DEDICATED and option not in changed.get("options", {}):
            changed = merged(changed, settings)
    names = [option for values in changed.values() for option in values]
    assert len(names) >= 15
    findings = found(wanted(), changed)
    _rows, settings = compare(wanted(), findings, {})
    again, _settings = compare(wanted(), findings, settings)
    assert [(row.question.name, row.simulated, row.seen) for row in again if not row.same] == []
    missing = [name for name in names if not any(name in values for values in settings.values())]
    # A POST that is refused hides how its parameters would be read; what is short hides nothing else.
    assert missing == []
    assert findings.left == []


def test_without_permission_nothing_is_changed() -> None:
    asked = wanted(write=False, paid=0, account=False)
    transport = Simulated(asked.situation, {})
    Probes(transport, asked).run()
    paths = {(record.method, record.path) for record in transport.core.journal}
    assert {path for _method, path in paths} == {"/query", "/info/quota", "/resources", "/whitelist/query"}


def test_addresses_that_were_there_before_stay() -> None:
    transport = Simulated(wanted().situation, {"whitelist": ["203.0.113.201"]})
    findings = Probes(transport, wanted()).run()
    assert "203.0.113.201" in findings.ended
    assert transport.core.keys[transport.key].whitelist == ["203.0.113.201"]


@pytest.mark.parametrize("channels", [1, 5])
def test_no_documented_limit_is_exceeded(channels: int) -> None:
    asked = wanted(EXCLUSIVE if channels == 1 else DEDICATED)
    for settings in ({}, {"options": {"list_lag": 20, "quota_lag": 20}}):
        transport = Simulated(asked.situation, {**settings, "channels": channels})
        Probes(transport, asked).run()
        codes = {record.code for record in transport.core.journal}
        assert not codes & {-11, "REQUEST_LIMIT_EXCEEDED", -105, "DELETE_LIMIT_EXCEEDED"}


def test_more_calls_than_a_limit_wait() -> None:
    transport = Simulated(Situation(DEDICATED, channels=1), {})
    caller = Caller(transport, Situation(DEDICATED, channels=1))
    codes = [caller.read("/query").code for _call in range(40)]
    assert set(codes) == {0}
