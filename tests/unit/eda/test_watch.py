# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a watcher tells: every change once, and nothing without a change."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account.errors import AccountError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account.models import Amount
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.errors import ApiError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.models import BEIJING, Lease, Quota
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.addresses import numeric_order
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import Effect, QgError, TransportError
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch.events import (
    BALANCE,
    LEASES,
    MAX_BLOCK,
    MAX_CODES,
    QUOTA,
    WHITELIST,
    Event,
    Identity,
    Known,
    Rules,
    Seen,
    polls_left_out,
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
)
ALL_TYPES = {
    "quota_low",
    "quota_recovered",
    "lease_expiring",
    "lease_gone",
    "lease_new",
    "whitelist_added",
    "whitelist_removed",
    "whitelist_drift",
    "whitelist_recovered",
    "balance_low",
    "balance_recovered",
    "watch_failed",
    "watch_recovered",
}


def quota(available: int, total: int = 10) -> Quota:
    return Quota(total, available, total - available, {})


def lease(number: int, ends_in: float | None = 3600.0, task: str = "T1") -> Lease:
    """A lease that ends so many seconds after NOW."""
    expires = None if ends_in is None else datetime.datetime.fromtimestamp(int(NOW + ends_in), BEIJING)
    deadline = expires.strftime("%Y-%m-%d %H:%M:%S") if expires else None
    ip = f"198.51.100.{number}"
    return Lease(ip, 8000 + number, f"{ip}:{8000 + number}", deadline, expires, "福建省泉州市电信", task, {})


def amount(text: str) -> Amount:
    return Amount(text, Decimal(text))


def refusal(code: int) -> ApiError:
    return ApiError(code, "/query", http_status=200)


LOST = TransportError(
    "/query: no usable answer from proxy.qg.net: connection reset by peer.", endpoint="/query", effect=Effect.UNKNOWN
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
problems = st.one_of(
    st.just(LOST), st.sampled_from([-1, -11, -14, -100]).map(refusal), st.just(QgError("state_dir cannot be used."))
)


@st.composite
def polls(draw: st.DrawFn) -> Seen:
    """A poll, in which each thing is read, or fails, or is not looked at."""
    values: dict[str, Any] = {}
    failed: dict[str, QgError] = {}
    for thing, strategy in ((QUOTA, quotas), (LEASES, leases), (WHITELIST, whitelists), (BALANCE, balances)):
        how = draw(st.sampled_from(["read", "read", "read", "failed", "left out"]))
        if how == "read":
            values[thing] = draw(strategy)
        elif how == "failed":
            failed[thing] = draw(problems)
    return Seen(**values, failed=failed)


#: Polls, and the seconds before each.
stories = st.lists(st.tuples(polls(), st.integers(1, 600)), max_size=12)


def told(story: list[tuple[Seen, int]], rules: Rules = RULES) -> Iterator[tuple[Seen, float, list[Event], Known]]:
    """Each poll of a story with its time, its events, and what is known then."""
    known, now = Known(), NOW
    for seen, passed in story:
        now += passed
        known, events = step(known, rules, seen, now)
        yield seen, now, events, known


def of(events: list[Event], *kinds: str) -> list[Event]:
    return [event for event in events if event["type"] in kinds]


# Every change once, and nothing without one: told by models that are written in another way.


@given(stories)
def test_nothing_is_told_twice(story: list[tuple[Seen, int]]) -> None:
    for seen, now, _events, known in told(story):
        after, events = step(known, RULES, dataclasses.replace(seen, failed={}), now)
        assert events == []
        assert after == known


@given(stories)
def test_each_lease_and_each_entry_that_comes_or_goes_is_told_exactly_once(story: list[tuple[Seen, int]]) -> None:
    held: set[Identity] | None = None
    listed: set[str] | None = None
    for seen, _now, events, _known in told(story):
        expected: Counter[tuple[str, object]] = Counter()
        if seen.leases is not None:
            current = {lease.identity for lease in seen.leases}
            before = current if held is None else held
            expected.update(("lease_gone", identity) for identity in before - current)
            expected.update(("lease_new", identity) for identity in current - before)
            held = current
        if seen.whitelist is not None:
            entries = set(seen.whitelist)
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
def test_each_lease_is_told_to_end_soon_once_for_each_deadline(story: list[tuple[Seen, int]]) -> None:
    known_to_end: set[tuple[Identity, str | None]] = set()
    for seen, now, events, _known in told(story):
        if seen.leases is None:
            assert not of(events, "lease_expiring")
            continue
        here = {(held.identity, held.deadline): held.remaining(now) for held in seen.leases}
        near = {name for name, remaining in here.items() if remaining is not None and remaining <= 600}
        assert Counter(event["server"] for event in of(events, "lease_expiring")) == Counter(
            identity[2] for identity, _deadline in near - known_to_end
        )
        known_to_end = (known_to_end | near) & set(here)


@given(stories)
def test_a_threshold_is_told_when_it_is_crossed_and_not_while_the_number_swings(story: list[tuple[Seen, int]]) -> None:
    low = {QUOTA: False, BALANCE: False}
    for seen, _now, events, _known in told(story):
        for thing in low:
            kinds = [event["type"] for event in of(events, f"{thing}_low", f"{thing}_recovered")]
            if getattr(seen, thing) is None:
                assert kinds == []
                continue
            if thing == QUOTA and seen.quota is not None:
                falls = seen.quota.available < 3
                rises = seen.quota.available >= 4 or (seen.quota.available == seen.quota.total and not falls)
            elif seen.balance is not None:
                falls, rises = seen.balance.exact < 50, seen.balance.exact >= 55
            crossing = rises if low[thing] else falls
            assert kinds == ([f"{thing}_{'recovered' if low[thing] else 'low'}"] if crossing else [])
            low[thing] ^= crossing


@given(stories)
def test_drift_is_told_whenever_it_has_changed(story: list[tuple[Seen, int]]) -> None:
    before: tuple[list[str], list[str]] = ([], [])
    for seen, _now, events, _known in told(story):
        found = of(events, "whitelist_drift", "whitelist_recovered")
        if seen.whitelist is None or RULES.expected is None:
            assert not found
            continue
        listed = set(seen.whitelist)
        now = (numeric_order(RULES.expected - listed), numeric_order(listed - RULES.expected))
        expected = [] if now == before else ["whitelist_drift" if now != ([], []) else "whitelist_recovered"]
        assert [event["type"] for event in found] == expected
        assert all((event["missing"], event["unexpected"]) == now for event in found)
        before = now


@given(stories)
def test_a_failure_is_told_once_and_so_is_its_end(story: list[tuple[Seen, int]]) -> None:
    codes: dict[str, set[object]] = {}
    failures: Counter[str] = Counter()
    for seen, _now, events, _known in told(story):
        for thing in (QUOTA, LEASES, WHITELIST, BALANCE):
            here = [event for event in of(events, "watch_failed", "watch_recovered") if event["watched"] == thing]
            if thing in seen.failed:
                code = seen.failed[thing].details.get("code")
                news = thing not in codes or (code is not None and code not in codes[thing])
                assert [event["type"] for event in here] == ["watch_failed"] * news
                codes.setdefault(thing, set()).update({code} - {None})
                failures[thing] += 1
            elif getattr(seen, thing) is not None and thing in codes:
                assert [(event["type"], event["failures"]) for event in here] == [("watch_recovered", failures[thing])]
                del codes[thing], failures[thing]
            else:
                assert here == []


@given(stories)
def test_what_is_known_is_no_more_than_what_was_seen_last(story: list[tuple[Seen, int]]) -> None:
    for seen, _now, _events, known in told(story):
        if seen.leases is not None:
            assert known.held == {held.identity: held for held in seen.leases}
            assert {identity for identity, _deadline in known.expiring} <= set(known.held)
        if seen.whitelist is not None:
            assert known.listed == frozenset(seen.whitelist)
        assert set(known.failing) <= {QUOTA, LEASES, WHITELIST, BALANCE}
        assert all(len(failing.codes) <= MAX_CODES for failing in known.failing.values())


@given(stories)
def test_every_event_has_the_fields_of_its_type(story: list[tuple[Seen, int]]) -> None:
    lease_fields = {"ip", "port", "server", "deadline", "expires_at", "remaining_seconds", "region", "isp", "task_id"}
    fields = {
        "quota": {"available", "used", "total", "below"},
        "lease": lease_fields,
        "whitelist": {"ip", "count"},
        "balance": {"balance", "amount", "below"},
        "watch": {"watched", "failures"},
        "watch_failed": {"watched", "msg", "code", "meaning", "endpoint", "http_status", "request_id"},
        "lease_gone": lease_fields | {"expired"},
        "whitelist_drift": {"missing", "unexpected", "count"},
        "whitelist_recovered": {"missing", "unexpected", "count"},
    }
    for _seen, _now, events, _known in told(story):
        for event in events:
            kind = event["type"]
            assert kind in ALL_TYPES
            assert set(event) == {"type", "meta"} | fields.get(kind, fields.get(kind.partition("_")[0], set()))
            assert event["meta"] == {}


# Examples, where the words of a rule say more than a model.


def test_the_first_look_is_no_change() -> None:
    seen = Seen(quota=quota(9), leases=[lease(1)], whitelist=["203.0.113.1", "203.0.113.2"], balance=amount("80.00"))
    assert step(Known(), RULES, seen, NOW)[1] == []


def test_what_is_wrong_at_the_first_look_is_told() -> None:
    seen = Seen(quota=quota(0), leases=[lease(1, 60)], whitelist=[], balance=amount("1.00"))
    kinds = [event["type"] for event in step(Known(), RULES, seen, NOW)[1]]
    assert kinds == ["quota_low", "lease_expiring", "whitelist_drift", "balance_low"]


def test_a_plan_with_no_more_channels_than_the_threshold_recovers_when_all_are_free() -> None:
    rules = Rules(quota_below=2)
    known, events = step(Known(), rules, Seen(quota=quota(0, 2)), NOW)
    assert [event["type"] for event in events] == ["quota_low"]
    known, events = step(known, rules, Seen(quota=quota(1, 2)), NOW)
    assert events == []
    known, events = step(known, rules, Seen(quota=quota(2, 2)), NOW)
    assert [event["type"] for event in events] == ["quota_recovered"]


@pytest.mark.parametrize(
    ("rules", "seen", "kinds"),
    [
        (Rules(quota_below=20), [{"quota": quota(free, 99)} for free in (20, 19, 20, 21, 22, 19)], ["quota"] * 3),
        (
            Rules(balance_below=Decimal(50)),
            [{"balance": amount(text)} for text in ("50.00", "49.99", "50.00", "54.99", "55.00", "49.99")],
            ["balance"] * 3,
        ),
    ],
)
def test_a_number_that_swings_around_the_threshold_is_no_news(
    rules: Rules, seen: list[dict[str, Any]], kinds: list[str]
) -> None:
    known, polls_with_news = Known(), []
    for number, values in enumerate(seen):
        known, events = step(known, rules, Seen(**values), NOW)
        polls_with_news += [(number, event["type"]) for event in events]
    ends = ["low", "recovered", "low"]
    assert polls_with_news == [(poll, f"{kind}_{end}") for poll, kind, end in zip((1, 4, 5), kinds, ends, strict=True)]


def test_a_balance_is_compared_as_it_is_written() -> None:
    rules = Rules(balance_below=Decimal("0.3"))
    assert step(Known(), rules, Seen(balance=amount("0.30")), NOW)[1] == []
    event = step(Known(), rules, Seen(balance=amount("0.29")), NOW)[1][0]
    assert (event["balance"], event["amount"], event["below"]) == ("0.29", 0.29, 0.3)


def test_a_lease_that_is_gone_tells_whether_it_ended_by_itself() -> None:
    known, _events = step(Known(), RULES, Seen(leases=[lease(1, 30), lease(2), lease(3, None)]), NOW)
    _known, events = step(known, RULES, Seen(leases=[]), NOW + 60)
    assert [(event["ip"], event["expired"]) for event in events] == [
        ("198.51.100.1", True),
        ("198.51.100.2", False),
        ("198.51.100.3", None),
    ]
    assert [event["remaining_seconds"] for event in events] == [0, 3540, None]


def test_a_lease_with_a_new_deadline_is_told_anew() -> None:
    known, events = step(Known(), RULES, Seen(leases=[lease(1, 60)]), NOW)
    assert [event["type"] for event in events] == ["lease_expiring"]
    known, events = step(known, RULES, Seen(leases=[lease(1, 3600)]), NOW)
    assert events == []
    _known, events = step(known, RULES, Seen(leases=[lease(1, 3600)]), NOW + 3000)
    assert [event["type"] for event in events] == ["lease_expiring"]


def test_a_clock_that_is_set_back_tells_nothing_again() -> None:
    known, _events = step(Known(), RULES, Seen(leases=[lease(1, 60)]), NOW)
    known, events = step(known, RULES, Seen(leases=[lease(1, 60)]), NOW - 3600)
    assert events == []
    assert step(known, RULES, Seen(leases=[lease(1, 60)]), NOW)[1] == []


def test_without_whitelist_only_the_difference_is_told() -> None:
    rules = Rules(expected=frozenset({"203.0.113.1"}))
    known, _events = step(Known(), rules, Seen(whitelist=["203.0.113.1"]), NOW)
    _known, events = step(known, rules, Seen(whitelist=["203.0.113.9"]), NOW)
    assert [(event["type"], event["missing"], event["unexpected"]) for event in events] == [
        ("whitelist_drift", ["203.0.113.1"], ["203.0.113.9"])
    ]


def test_what_happened_while_nothing_could_be_seen_is_told_afterwards() -> None:
    known, _events = step(Known(), RULES, Seen(whitelist=["203.0.113.1", "203.0.113.2"]), NOW)
    known, events = step(known, RULES, Seen(failed={WHITELIST: LOST}), NOW)
    assert [event["type"] for event in events] == ["watch_failed"]
    _known, events = step(known, RULES, Seen(whitelist=["203.0.113.1"]), NOW)
    assert [event["type"] for event in events] == ["watch_recovered", "whitelist_removed", "whitelist_drift"]


def test_a_failure_tells_the_code_of_the_vendor() -> None:
    event = step(Known(), RULES, Seen(failed={LEASES: refusal(-100)}), NOW)[1][0]
    assert event["watched"] == "leases"
    assert event["code"] == -100
    assert event["meaning"] == "plan missing or expired"
    assert event["endpoint"] == "/query"
    assert event["http_status"] == 200
    assert event["msg"].startswith("/query was refused with code -100 (plan missing or expired). Check the key")


def test_a_failure_of_the_account_api_tells_its_own_code() -> None:
    problem = AccountError(
        "/merchant/getBalance", code="5", said="no", request_id="R1", http_status=200, asked="x", ahead=None
    )
    event = step(Known(), RULES, Seen(failed={BALANCE: problem}), NOW)[1][0]
    assert (event["code"], event["meaning"], event["request_id"]) == ("5", "no", "R1")


def test_a_server_that_makes_up_codes_is_not_told_for_ever() -> None:
    known, events = Known(), 0
    for code in range(1, 1000):
        known, new = step(known, RULES, Seen(failed={QUOTA: refusal(-code)}), NOW)
        events += len(new)
    assert events == MAX_CODES
    assert known.failing[QUOTA].times == 999


@pytest.mark.parametrize(
    ("times", "interval", "polls"),
    [(1, 60, 0), (2, 60, 1), (3, 60, 3), (4, 60, 7), (5, 60, 14), (10**9, 60, 14), (9, 10, 89), (5, 3600, 0)],
)
def test_what_fails_rests_longer_and_longer(times: int, interval: float, polls: int) -> None:
    assert polls_left_out(times, interval) == polls
    assert (polls + 1) * interval <= max(MAX_BLOCK, interval)


@pytest.mark.parametrize(
    ("rules", "things"),
    [
        (Rules(), ()),
        (Rules(quota_below=1), (QUOTA,)),
        (Rules(leases=True), (LEASES,)),
        (Rules(expires_within=1), (LEASES,)),
        (Rules(whitelist=True), (WHITELIST,)),
        (Rules(expected=frozenset()), (WHITELIST,)),
        (Rules(balance_below=Decimal(1)), (BALANCE,)),
        (RULES, (QUOTA, LEASES, WHITELIST, BALANCE)),
    ],
)
def test_only_what_is_asked_for_is_looked_at(rules: Rules, things: tuple[str, ...]) -> None:
    assert rules.things == things


def test_what_no_rule_asks_for_is_not_told() -> None:
    assert step(Known(), Rules(), Seen(quota=quota(0), balance=amount("0"), whitelist=["203.0.113.1"]), NOW)[1] == []
