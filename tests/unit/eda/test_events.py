# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The events of a watcher: one for each change, and none without a change."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account.errors import AccountError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account.models import Amount
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.errors import ApiError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Lease, Quota
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.parsing import BEIJING
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.addresses import numeric_order
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import Effect, QgError, TransportError
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.caps import RefusedPurchase
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch.events import (
    BALANCE,
    CAPS,
    LEASES,
    MAX_BACKOFF,
    MAX_CODES,
    QUOTA,
    WHITELIST,
    Event,
    Identity,
    Rules,
    Snapshot,
    WatchState,
    polls_to_skip,
    step,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_900_000_000.0
RULES = Rules(
    quota_below=3,
    expires_within=10,
    whitelist=True,
    expected=frozenset({"203.0.113.1", "203.0.113.2"}),
    balance_below=Decimal("50"),
    leases_below=1,
)
ALL_TYPES = {
    *("quota_low", "quota_recovered", "lease_expiring", "lease_gone", "lease_new", "whitelist_added"),
    *("whitelist_removed", "whitelist_drift", "whitelist_recovered", "balance_low", "balance_recovered"),
    *("watch_failed", "watch_recovered", "watch_started", "leases_low", "leases_recovered"),
}


def quota(available: int, total: int = 10) -> Quota:
    return Quota(total, available, total - available, {})


def volume(left: int) -> Quota:
    """The quota of a plan by volume, as its client reads it: what is left is the total as well."""
    return Quota(left, left, 0, {}, balance=left)


def lease(number: int, ends_in: float | None = 3600.0, task: str = "T1") -> Lease:
    """A lease that ends this many seconds after NOW."""
    expires = None if ends_in is None else datetime.datetime.fromtimestamp(int(NOW + ends_in), BEIJING)
    deadline = expires.strftime("%Y-%m-%d %H:%M:%S") if expires else None
    ip = f"198.51.100.{number}"
    return Lease(ip, 8000 + number, f"{ip}:{8000 + number}", deadline, expires, "福建省泉州市电信", task, {})


def amount(text: str) -> Amount:
    return Amount(text, Decimal(text))


def refusal(code: int) -> ApiError:
    return ApiError(code, "/query", http_status=200)


LOST = TransportError(
    "/query: no usable response from proxy.qg.net: connection reset by peer.", endpoint="/query", effect=Effect.UNKNOWN
)

quotas = st.builds(lambda total, used: quota(max(0, total - used), total), st.integers(0, 12), st.integers(0, 12))
leases = st.lists(
    st.builds(lease, st.integers(1, 5), st.sampled_from([None, -60.0, 60.0, 599.0, 700.0, 3600.0]), st.just("T1")),
    max_size=5,
    unique_by=lambda held: held.identity,
)
whitelists = st.frozensets(st.sampled_from([f"203.0.113.{number}" for number in range(1, 6)]))
cents = st.one_of(st.sampled_from([0, 4999, 5000, 5001, 5499, 5500]), st.integers(0, 10_000))
balances = st.builds(lambda number: amount(f"{Decimal(number) / 100:.2f}"), cents)
errors = st.one_of(
    st.just(LOST), st.sampled_from([-1, -11, -14, -100]).map(refusal), st.just(QgError("state_dir cannot be used."))
)


@st.composite
def polls(draw: st.DrawFn) -> Snapshot:
    """A poll, in which each subject is read, fails, or is skipped."""
    values: dict[str, Any] = {}
    failed: dict[str, QgError] = {}
    for subject, strategy in ((QUOTA, quotas), (LEASES, leases), (WHITELIST, whitelists), (BALANCE, balances)):
        how = draw(st.sampled_from(["read", "read", "read", "failed", "left out"]))
        if how == "read":
            values[subject] = draw(strategy)
        elif how == "failed":
            failed[subject] = draw(errors)
    return Snapshot(**values, failed=failed)


#: Polls, and the seconds before each.
stories = st.lists(st.tuples(polls(), st.integers(1, 600)), max_size=12)


def replay(
    story: list[tuple[Snapshot, int]], rules: Rules = RULES
) -> Iterator[tuple[Snapshot, float, list[Event], WatchState]]:
    """Yield each poll of a story with its time, its events, and the state after it."""
    state, now = WatchState(), NOW
    for snapshot, passed in story:
        now += passed
        state, events = step(state, rules, snapshot, now)
        yield snapshot, now, events, state


def of(events: list[Event], *kinds: str) -> list[Event]:
    return [event for event in events if event["type"] in kinds]


def kinds_of(
    *snapshots: Snapshot, rules: Rules = RULES, at: Iterable[float] = itertools.repeat(NOW)
) -> list[list[str]]:
    """The types of the events of each poll, at its time."""
    state, found = WatchState(), []
    for snapshot, now in zip(snapshots, at, strict=False):
        state, events = step(state, rules, snapshot, now)
        found.append([event["type"] for event in events])
    return found


# One event for each change, and none without one: compared with models that are written in another way.


@given(stories)
def test_an_unchanged_snapshot_causes_no_events(story: list[tuple[Snapshot, int]]) -> None:
    for snapshot, now, _events, state in replay(story):
        after, events = step(state, RULES, dataclasses.replace(snapshot, failed={}), now)
        assert events == []
        assert after == state


@given(stories)
def test_each_lease_and_each_entry_that_appears_or_disappears_causes_one_event(
    story: list[tuple[Snapshot, int]],
) -> None:
    held: set[Identity] | None = None
    listed: set[str] | None = None
    for snapshot, _now, events, _state in replay(story):
        expected: Counter[tuple[str, object]] = Counter()
        if snapshot.leases is not None:
            current = {lease.identity for lease in snapshot.leases}
            before = current if held is None else held
            expected.update(("lease_gone", identity) for identity in before - current)
            expected.update(("lease_new", identity) for identity in current - before)
            held = current
        if snapshot.whitelist is not None:
            entries = set(snapshot.whitelist)
            were = entries if listed is None else listed
            expected.update(("whitelist_removed", ip) for ip in were - entries)
            expected.update(("whitelist_added", ip) for ip in entries - were)
            listed = entries
        names = Counter(
            (event["type"], (event["task_id"], event["ip"], event["server"]) if "server" in event else event["ip"])
            for event in of(events, "lease_gone", "lease_new", "whitelist_removed", "whitelist_added")
        )
        assert names == expected


@given(stories)
def test_each_lease_is_reported_as_expiring_once_for_each_deadline(story: list[tuple[Snapshot, int]]) -> None:
    known_to_end: set[tuple[Identity, str | None]] = set()
    for snapshot, now, events, _state in replay(story):
        if snapshot.leases is None:
            assert not of(events, "lease_expiring")
            continue
        here = {(held.identity, held.deadline): held.remaining(now) for held in snapshot.leases}
        near = {name for name, remaining in here.items() if remaining is not None and remaining <= 600}
        assert Counter(event["server"] for event in of(events, "lease_expiring")) == Counter(
            identity[2] for identity, _deadline in near - known_to_end
        )
        known_to_end = (known_to_end | near) & set(here)


@given(stories)
def test_a_threshold_causes_an_event_when_it_is_crossed_and_not_while_the_number_swings(
    story: list[tuple[Snapshot, int]],
) -> None:
    low = {QUOTA: False, BALANCE: False}
    for snapshot, _now, events, _state in replay(story):
        for subject in low:
            kinds = [event["type"] for event in of(events, f"{subject}_low", f"{subject}_recovered")]
            if getattr(snapshot, subject) is None:
                assert kinds == []
                continue
            if subject == QUOTA and snapshot.quota is not None:
                falls = snapshot.quota.available < 3
                rises = snapshot.quota.available >= 4 or (
                    snapshot.quota.available == snapshot.quota.total and not falls
                )
            elif snapshot.balance is not None:
                falls, rises = snapshot.balance.exact < 50, snapshot.balance.exact >= 55
            crossing = rises if low[subject] else falls
            assert kinds == ([f"{subject}_{'recovered' if low[subject] else 'low'}"] if crossing else [])
            low[subject] ^= crossing


@given(stories)
def test_drift_is_reported_whenever_it_has_changed(story: list[tuple[Snapshot, int]]) -> None:
    before: tuple[list[str], list[str]] = ([], [])
    for snapshot, _now, events, _state in replay(story):
        found = of(events, "whitelist_drift", "whitelist_recovered")
        if snapshot.whitelist is None or RULES.expected is None:
            assert not found
            continue
        listed = set(snapshot.whitelist)
        now = (numeric_order(RULES.expected - listed), numeric_order(listed - RULES.expected))
        expected = [] if now == before else ["whitelist_drift" if now != ([], []) else "whitelist_recovered"]
        assert [event["type"] for event in found] == expected
        assert all((event["missing"], event["unexpected"]) == now for event in found)
        before = now


@given(stories)
def test_a_failure_and_its_end_are_reported_once(story: list[tuple[Snapshot, int]]) -> None:
    codes: dict[str, set[object]] = {}
    failures: Counter[str] = Counter()
    for snapshot, _now, events, _state in replay(story):
        for subject in (QUOTA, LEASES, WHITELIST, BALANCE):
            here = [event for event in of(events, "watch_failed", "watch_recovered") if event["watched"] == subject]
            if subject in snapshot.failed:
                code = snapshot.failed[subject].details.get("code")
                news = subject not in codes or (code is not None and code not in codes[subject])
                assert [event["type"] for event in here] == ["watch_failed"] * news
                codes.setdefault(subject, set()).update({code} - {None})
                failures[subject] += 1
            elif getattr(snapshot, subject) is not None and subject in codes:
                assert [(event["type"], event["failures"]) for event in here] == [
                    ("watch_recovered", failures[subject])
                ]
                del codes[subject], failures[subject]
            else:
                assert here == []


@given(stories)
def test_the_state_holds_only_the_last_snapshot(story: list[tuple[Snapshot, int]]) -> None:
    for snapshot, _now, _events, state in replay(story):
        if snapshot.leases is not None:
            assert state.leases == {held.identity: held for held in snapshot.leases}
            assert {identity for identity, _deadline in state.expiring} <= set(state.leases)
        if snapshot.whitelist is not None:
            assert state.whitelist == frozenset(snapshot.whitelist)
        assert set(state.failing) <= {QUOTA, LEASES, WHITELIST, BALANCE}
        assert all(len(failing.codes) <= MAX_CODES for failing in state.failing.values())


@given(stories)
def test_every_event_has_the_fields_of_its_type(story: list[tuple[Snapshot, int]]) -> None:
    lease_fields = {"ip", "port", "server", "deadline", "expires_at", "remaining_seconds", "region", "isp"}
    lease_fields |= {"area_code", "task_id"}
    fields = {
        "quota": {"unit", "available", "used", "total", "below"},
        "lease": lease_fields,
        "leases": {"count", "below"},
        "whitelist": {"ip", "count"},
        "balance": {"balance", "amount", "below"},
        "watch": {"watched", "failures"},
        "watch_started": {"watched", "count"},
        "watch_failed": {"watched", "msg", "code", "meaning", "endpoint", "http_status", "request_id"},
        "lease_gone": lease_fields | {"expired"},
        "whitelist_drift": {"missing", "unexpected", "count"},
        "whitelist_recovered": {"missing", "unexpected", "count"},
    }
    for _seen, _now, events, _state in replay(story):
        for event in events:
            kind = event["type"]
            assert kind in ALL_TYPES
            assert set(event) == {"type", "meta"} | fields.get(kind, fields.get(kind.partition("_")[0], set()))
            assert event["meta"] == {}


# Examples, where the words of a rule say more than a model.


@given(stories)
def test_the_first_snapshot_of_a_list_is_reported_once(story: list[tuple[Snapshot, int]]) -> None:
    started: set[str] = set()
    for snapshot, _now, events, _state in replay(story):
        lists = {LEASES: snapshot.leases, WHITELIST: snapshot.whitelist}
        new = {subject: values for subject, values in lists.items() if values is not None and subject not in started}
        found = [(event["watched"], event["count"]) for event in of(events, "watch_started")]
        assert found == [(subject, len(values)) for subject, values in new.items()]
        started |= set(new)


def test_a_plan_with_no_more_channels_than_the_threshold_recovers_when_all_are_free() -> None:
    polls = [Snapshot(quota=quota(free, 2)) for free in (0, 1, 2)]
    assert kinds_of(*polls, rules=Rules(quota_below=2)) == [["quota_low"], [], ["quota_recovered"]]


def test_too_few_leases_cause_one_event_until_there_are_enough() -> None:
    polls = [Snapshot(leases=[lease(number) for number in range(count)]) for count in (1, 1, 2, 2, 0)]
    events = kinds_of(*polls, rules=Rules(leases_below=2))
    found = [[kind for kind in kinds if kind.startswith("leases_")] for kinds in events]
    assert found == [["leases_low"], [], ["leases_recovered"], [], ["leases_low"]]
    (low,) = of(step(WatchState(), Rules(leases_below=2), polls[0], NOW)[1], "leases_low")
    assert (low["count"], low["below"]) == (1, 2)


@pytest.mark.parametrize(
    ("rules", "kind", "polls"),
    [
        (Rules(quota_below=20), "quota", [{"quota": quota(free, 99)} for free in (20, 19, 20, 21, 22, 19)]),
        (Rules(quota_below=20), "quota", [{"quota": volume(left)} for left in (20, 19, 20, 21, 22, 19)]),
        (
            Rules(balance_below=Decimal(50)),
            "balance",
            [{"balance": amount(text)} for text in ("50.00", "49.99", "50.00", "54.99", "55.00", "49.99")],
        ),
    ],
)
def test_a_number_that_swings_around_the_threshold_causes_no_further_events(
    rules: Rules, kind: str, polls: list[dict[str, Any]]
) -> None:
    low, recovered = [f"{kind}_low"], [f"{kind}_recovered"]
    assert kinds_of(*(Snapshot(**values) for values in polls), rules=rules) == [[], low, [], [], recovered, low]


def test_a_balance_is_compared_as_it_is_written() -> None:
    rules = Rules(balance_below=Decimal("0.3"))
    assert step(WatchState(), rules, Snapshot(balance=amount("0.30")), NOW)[1] == []
    event = step(WatchState(), rules, Snapshot(balance=amount("0.29")), NOW)[1][0]
    assert (event["balance"], event["amount"], event["below"]) == ("0.29", 0.29, 0.3)


def test_lease_gone_says_whether_the_lease_expired() -> None:
    state, _events = step(WatchState(), RULES, Snapshot(leases=[lease(1, 30), lease(2), lease(3, None)]), NOW)
    _state, events = step(state, RULES, Snapshot(leases=[]), NOW + 60)
    assert [(event["ip"], event["expired"]) for event in of(events, "lease_gone")] == [
        ("198.51.100.1", True),
        ("198.51.100.2", False),
        ("198.51.100.3", None),
    ]
    assert [event["remaining_seconds"] for event in of(events, "lease_gone")] == [0, 3540, None]


def test_a_clock_that_is_set_back_causes_no_event_twice() -> None:
    polls = [Snapshot(leases=[lease(1, 60)])] * 3
    assert kinds_of(*polls, at=(NOW, NOW - 3600, NOW))[1:] == [[], []]


def test_without_whitelist_only_the_drift_is_reported() -> None:
    rules = Rules(expected=frozenset({"203.0.113.1"}))
    state, _events = step(WatchState(), rules, Snapshot(whitelist=["203.0.113.1"]), NOW)
    (event,) = step(state, rules, Snapshot(whitelist=["203.0.113.9"]), NOW)[1]
    drift = ("whitelist_drift", ["203.0.113.1"], ["203.0.113.9"])
    assert (event["type"], event["missing"], event["unexpected"]) == drift


def test_a_failure_has_the_code_of_the_vendor() -> None:
    event = step(WatchState(), RULES, Snapshot(failed={LEASES: refusal(-100)}), NOW)[1][0]
    expected = {"watched": "leases", "code": -100, "meaning": "plan missing or expired", "endpoint": "/query"}
    assert {**event, **expected, "http_status": 200} == event
    assert event["msg"].startswith("/query was refused with code -100 (plan missing or expired). Check the key")
    error = AccountError(
        "/merchant/getBalance", code="5", said="no", request_id="R1", http_status=200, asked="x", ahead=None
    )
    event = step(WatchState(), RULES, Snapshot(failed={BALANCE: error}), NOW)[1][0]
    assert (event["code"], event["meaning"], event["request_id"]) == ("5", "no", "R1")


def test_a_server_that_invents_codes_causes_a_limited_number_of_events() -> None:
    state, events = WatchState(), 0
    for code in range(1, 1000):
        state, new = step(state, RULES, Snapshot(failed={QUOTA: refusal(-code)}), NOW)
        events += len(new)
    assert events == MAX_CODES
    assert state.failing[QUOTA].count == 999


@pytest.mark.parametrize(
    ("failures", "interval", "polls"),
    [(1, 60, 0), (2, 60, 1), (3, 60, 3), (4, 60, 7), (5, 60, 14), (10**9, 60, 14), (9, 10, 89), (5, 3600, 0)],
)
def test_a_failing_subject_is_polled_with_backoff(failures: int, interval: float, polls: int) -> None:
    assert polls_to_skip(failures, interval) == polls
    assert (polls + 1) * interval <= max(MAX_BACKOFF, interval)


@pytest.mark.parametrize(
    ("rules", "subjects"),
    [
        (Rules(), ()),
        (Rules(quota_below=1), (QUOTA,)),
        (Rules(leases=True), (LEASES,)),
        (Rules(expires_within=1), (LEASES,)),
        (Rules(leases_below=1), (LEASES,)),
        (Rules(whitelist=True), (WHITELIST,)),
        (Rules(expected=frozenset()), (WHITELIST,)),
        (Rules(balance_below=Decimal(1)), (BALANCE,)),
        (Rules(caps=True), (CAPS,)),
        (RULES, (QUOTA, LEASES, WHITELIST, BALANCE)),
    ],
)
def test_only_the_subjects_of_the_rules_are_polled(rules: Rules, subjects: tuple[str, ...]) -> None:
    assert rules.subjects == subjects


def test_a_cap_is_reported_once_and_that_of_a_run_for_each_run() -> None:
    of_day = RefusedPurchase("max_new_per_day", 20, 18, 5, "run 1", "ann", "h1")
    of_run = dataclasses.replace(of_day, option="max_new_per_run", limit=4)
    readings = [
        (None, []),
        (of_day, [("cap_reached", 18)]),
        (dataclasses.replace(of_day, bought=17, run="run 2"), []),
        (None, [("cap_recovered", 17)]),
        (of_run, [("cap_reached", 18)]),
        (of_run, []),
        (dataclasses.replace(of_run, run="run 2", bought=3), [("cap_reached", 3)]),
    ]
    state, fields = WatchState(), set(vars(of_day))
    for refused, expected in readings:
        state, events = step(state, Rules(caps=True), Snapshot(caps=[refused] if refused else []), NOW)
        assert [(event["type"], event["bought"]) for event in events] == expected
        assert all(fields < event.keys() for event in events)


def test_a_subject_without_a_rule_causes_no_event() -> None:
    snapshot = Snapshot(quota=quota(0), balance=amount("0"))
    assert step(WatchState(), Rules(), snapshot, NOW)[1] == []
