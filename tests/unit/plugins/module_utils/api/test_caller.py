# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the classic proxy API: how it reads responses, when it tries again, and what its errors show."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.key import KeyCaller
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.lease_client import Leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Lease
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.monopolies import Monopolies
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.responses import CODES
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.whitelist import Whitelist
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    CallError,
    Effect,
    Kind,
    TransportError,
    WaitBudgetExceeded,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import WaitBudget
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.rate_limiter import RateLimiter
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import open_store
from support.scripted_transport import ScriptedTransport, Step, json_response

KEY, PWD = "SECRETKEY1", "s3cr3t+pass/word"
LOST = TransportError("the response was lost", endpoint="/whitelist/query", effect=Effect.UNKNOWN)


def client(tmp_path: Path, *script: Step, max_wait: float = 300.0) -> tuple[KeyCaller, ScriptedTransport]:
    """A client that does not wait."""
    transport = ScriptedTransport(*script)
    limiter = RateLimiter(open_store(str(tmp_path / "state")))
    budget = WaitBudget(max_wait, sleep=lambda _seconds: None)
    return KeyCaller(transport, limiter, budget, url="https://api.example", key=KEY, password=PWD), transport


@pytest.mark.parametrize("body", [{"Code": 0}, {"Code": 0, "Data": None}, {"Code": "0", "Data": []}], ids=repr)
def test_an_empty_list_has_three_forms(tmp_path: Path, body: object) -> None:
    api, _transport = client(tmp_path, json_response(body))
    assert Whitelist(api).whitelist() == (frozenset(), ())


@pytest.mark.parametrize("code", [code for code in CODES if isinstance(code, int)])
@pytest.mark.parametrize("status", [200, 400])
def test_each_documented_code_is_reported_with_meaning_and_fix(tmp_path: Path, code: int, status: int) -> None:
    api, transport = client(tmp_path, json_response({"Code": code, "Msg": "text"}, status))
    with pytest.raises(CallError) as caught:
        Whitelist(api).whitelist()
    details = caught.value.details
    assert (details["code"], details["endpoint"]) == (code, "/whitelist/query")
    assert CODES[code].meaning in caught.value.message
    assert CODES[code].fix in caught.value.message
    assert len(transport.requests) == (6 if code in (-1, -104) else 1), (
        "not what is final, or takes longer than max_wait"
    )


def test_an_undocumented_code_is_reported_too(tmp_path: Path) -> None:
    api, _transport = client(tmp_path, json_response({"Code": "-999"}))
    with pytest.raises(CallError, match="code -999"):
        Whitelist(api).whitelist()


@pytest.mark.parametrize(
    "response",
    [
        HttpResponse(200, f"<html>{KEY} {PWD} s3cr3t%2Bpass%2Fword</html>", {}),
        HttpResponse(502, f"Bad gateway for ?Key={KEY}", {}),
        HttpResponse(404, f"no {KEY}", {}),
        HttpResponse(302, "", {"Location": f"https://elsewhere.example/?Key={KEY}"}),
        json_response({"Code": -1, "Msg": KEY}),
        json_response({"Code": True, "Msg": KEY}),
        json_response([KEY]),
        json_response({"Code": 0, "Data": KEY}),
        json_response({"Code": 0, "Data": [[KEY]]}),
        HttpResponse(429, "slow down", {"Retry-After": "1"}),
        json_response({"Code": 0}, 500),
    ],
)
def test_no_message_quotes_a_secret(tmp_path: Path, response: HttpResponse) -> None:
    api, _transport = client(tmp_path, response, max_wait=0)
    with pytest.raises(CallError) as caught:
        Whitelist(api).whitelist()
    shown = f"{caught.value.message} {caught.value.details} {caught.value!r}"
    assert KEY not in shown
    assert PWD not in shown
    assert "s3cr3t%2B" not in shown
    assert "/whitelist/query" in shown


def test_no_entry_that_is_not_an_address_quotes_a_secret(tmp_path: Path) -> None:
    api, _transport = client(tmp_path, json_response({"Code": 0, "Data": [f"{'x' * 90}{KEY}"]}))
    _entries, (entry,) = Whitelist(api).whitelist()
    assert KEY[:4] not in entry
    assert len(entry) <= 100


def test_a_read_is_repeated_after_a_transient_failure_and_that_is_reported(tmp_path: Path) -> None:
    unavailable = HttpResponse(503, "", {"Retry-After": "2"})
    api, transport = client(tmp_path, LOST, unavailable, json_response({"Code": 0, "Data": []}))
    assert Whitelist(api).whitelist() == (frozenset(), ())
    report = api.usage()
    assert (report["calls"], report["retries"], len(transport.requests)) == (3, 2, 3)
    assert report["waited_seconds"] >= 2


def test_a_write_whose_response_was_lost_is_not_repeated_blindly(tmp_path: Path) -> None:
    api, transport = client(tmp_path, LOST)
    with pytest.raises(TransportError):
        Whitelist(api).add(["203.0.113.1"])
    assert len(transport.requests) == 1


def test_a_write_that_was_never_sent_is_repeated(tmp_path: Path) -> None:
    unsent = TransportError("refused", endpoint="/whitelist/add", effect=Effect.NOT_SENT)
    api, transport = client(tmp_path, unsent, json_response({"Code": 0, "Data": ["203.0.113.1"], "Num": 1}))
    assert Whitelist(api).add(["203.0.113.1"]) == {"203.0.113.1"}
    assert len(transport.requests) == 2


def test_without_time_to_wait_the_failure_is_reported_and_not_the_waiting(tmp_path: Path) -> None:
    api, transport = client(tmp_path, LOST, max_wait=0)
    with pytest.raises(TransportError, match="the response was lost"):
        Whitelist(api).whitelist()
    assert len(transport.requests) == 1


#: Too many for a query.
MANY = [f"{net}.{n}" for net in ("192.0.2", "198.51.100", "203.0.113") for n in range(250)]


def test_a_long_list_is_one_form_and_a_short_one_a_query(tmp_path: Path) -> None:
    api, transport = client(tmp_path, json_response({"Code": 0}))
    for ips in (MANY[:200], MANY):
        Whitelist(api).add(ips)
    assert [request.method for request in transport.requests] == ["GET", "POST"]
    assert transport.sent("IP") == [",".join(MANY[:200]), ",".join(MANY)]


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (json_response({"error": "wrong"}, 400), Kind.REFUSED),
        (json_response({"error": "wrong"}), Kind.OTHER),
        (json_response({"data": None, "error": "wrong"}), Kind.OTHER),
        (json_response({"Code": -14}), Kind.CALLER),
        (json_response({}), None),
        (json_response({"data": {}}), None),
        (json_response({"data": [{"uuid": ""}]}), None),
        (HttpResponse(404, "no", {}), None),
    ],
)
def test_calls_by_status_are_refused_or_unreadable(tmp_path: Path, response: HttpResponse, kind: Kind | None) -> None:
    api, _transport = client(tmp_path, response)
    with pytest.raises(CallError) as caught:
        Monopolies(api).monopolies()
    assert caught.value.kind is kind


def test_an_unknown_error_by_status_is_tried_again_where_that_is_harmless(tmp_path: Path) -> None:
    api, transport = client(tmp_path, json_response({"error": "?"}, 500), json_response({"data": None}))
    assert Monopolies(api).monopolies() is None
    assert len(transport.requests) == 2


def test_a_released_address_counts_beside_its_call(tmp_path: Path) -> None:
    api, _transport = client(tmp_path, json_response({"Code": 0}), max_wait=0)
    leases = [Lease.from_item({"IP": f"192.0.2.{n}", "port": 1}, "T") for n in range(2)]
    Leases(api).release(leases)
    # As long as the number of channels is not known, the limit is that of the smallest plan.
    with pytest.raises(WaitBudgetExceeded, match="limit of 2 a minute"):
        Leases(api).release(leases)
