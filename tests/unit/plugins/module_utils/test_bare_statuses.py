# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A status without the vendor's code proves nothing: a gateway may send it before or after the call is carried out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic import endpoints
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.classic.exchange import ClassicResponseParser
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import AllocationParams
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product.client import ProductResponseParser
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product.endpoints import PRODUCTS
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    CallError,
    Effect,
    QgError,
    UncertainOutcomeError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.ensure import ensure_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.plan import DesiredLeases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.release import release_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.replace import replace_leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.ensure import ensure_held
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.matching import DesiredMonopolies
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.release import release
from simulator.clock import Clock
from simulator.core import Core
from support.in_process import CLASSIC, PATHS, InProcess, books, calls, client, configure, fault, lease_client

HTML = "<html>Forbidden</html>"


def classic(status: int, text: str) -> CallError:
    with pytest.raises(CallError) as caught:
        ClassicResponseParser(()).body(HttpResponse(status, text, {}), endpoints.ALLOCATE)
    return caught.value


def monopoly(status: int, text: str) -> CallError:
    with pytest.raises(CallError) as caught:
        ClassicResponseParser(()).body(HttpResponse(status, text, {}), endpoints.MONOPOLIES_APPLY)
    return caught.value


def product(status: int, text: str) -> CallError:
    with pytest.raises(CallError) as caught:
        ProductResponseParser(()).data(HttpResponse(status, text, {}), PRODUCTS["share"].get)
    return caught.value


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 405, 409, 413, 429, 500, 501, 503])
def test_no_status_proves_that_a_call_was_not_carried_out(status: int) -> None:
    assert {answer(status, HTML).effect for answer in (classic, monopoly, product)} == {Effect.UNKNOWN}


@pytest.mark.parametrize("text", ["", "[]", '{"message": "Forbidden"}', '{"data": []}'])
def test_no_body_without_the_code_of_the_vendor_proves_it_either(text: str) -> None:
    for status in (302, 403, 429):
        assert {answer(status, text).effect for answer in (classic, monopoly, product)} == {Effect.UNKNOWN}


@pytest.mark.parametrize("status", [408, 502, 504, 520, 522, 524, 598, 599])
def test_a_gateway_that_stopped_waiting_leaves_the_call_in_flight(status: int) -> None:
    assert {answer(status, HTML).effect for answer in (classic, monopoly, product)} == {Effect.IN_FLIGHT}


@pytest.mark.parametrize(
    ("answer", "status", "text", "effect"),
    [
        (classic, 403, '{"Code": -12}', Effect.REJECTED),
        (classic, 429, '{"Code": "-11"}', Effect.REJECTED),
        (classic, 500, '{"Code": -1}', Effect.UNKNOWN),
        # A gateway has codes of its own.
        (classic, 403, '{"Code": 403}', Effect.UNKNOWN),
        (classic, 403, '{"Code": 0}', Effect.UNKNOWN),
        (product, 429, '{"code": "REQUEST_LIMIT_EXCEEDED"}', Effect.REJECTED),
        (product, 403, '{"code": "Forbidden"}', Effect.UNKNOWN),
        (product, 403, '{"code": "SUCCESS", "data": []}', Effect.UNKNOWN),
        # The calls for exclusive occupancy report by status: 400 is the vendor's refusal.
        (monopoly, 400, '{"error": "no"}', Effect.REJECTED),
        (monopoly, 500, '{"error": "no"}', Effect.UNKNOWN),
        (monopoly, 200, '{"error": "no"}', Effect.UNKNOWN),
        (monopoly, 403, '{"error": "no"}', Effect.UNKNOWN),
        (monopoly, 429, '{"error": "no"}', Effect.UNKNOWN),
        (monopoly, 403, '{"Code": -12}', Effect.REJECTED),
    ],
)
def test_only_a_refusal_of_the_vendor_proves_that_a_call_was_not_carried_out(
    answer: Callable[[int, str], CallError], status: int, text: str, effect: Effect
) -> None:
    assert answer(status, text).effect is effect


@pytest.fixture
def core() -> Core:
    return Core(clock=Clock(1_800_000_000.0), seed=1)


@pytest.fixture
def wire(core: Core) -> InProcess:
    return InProcess(core)


@pytest.fixture
def hold(core: Core, wire: InProcess, tmp_path: Path) -> Callable[..., Any]:
    def run(count: int, product: str = CLASSIC, max_wait: float = 300) -> Any:
        return ensure_leases(lease_client(core, tmp_path, max_wait, wire, product), DesiredLeases(count))

    return run


def paid(core: Core) -> int:
    return len(books(core).paid)


@pytest.mark.parametrize("status", [302, 403, 429])
@pytest.mark.parametrize("name", [CLASSIC, "exclusive", "overseas"])
def test_leases_of_a_call_with_a_bare_status_are_paid_for_once(
    core: Core, hold: Callable[..., Any], name: str, status: int
) -> None:
    if name != CLASSIC:
        configure(core, plan={"kind": name, "channels": 9, "lifetime": 60})
    fault(core, {"path": PATHS[name].get, "kind": "status", "http_status": status, "executed": True})
    outcome = hold(3, name)
    assert (outcome.error, len(outcome.allocated), paid(core)) == (None, 3, 3)


def test_leases_that_are_listed_late_after_a_bare_status_are_paid_for_once(
    core: Core, hold: Callable[..., Any]
) -> None:
    configure(core, options={"list_lag": 40})
    fault(core, {"path": "/allocate", "kind": "status", "http_status": 429, "executed": True})
    outcome = hold(3)
    assert (outcome.error, len(outcome.allocated), paid(core)) == (None, 3, 3)


def test_an_unknown_code_of_a_gateway_is_looked_into(core: Core, hold: Callable[..., Any]) -> None:
    fault(core, {"path": "/allocate", "kind": "replace", "body": {"Code": 403}, "executed": True})
    outcome = hold(3)
    assert (outcome.error, len(outcome.allocated), paid(core)) == (None, 3, 3)


def test_a_bare_429_without_an_effect_is_followed_by_another_attempt_in_a_minute(
    core: Core, wire: InProcess, hold: Callable[..., Any]
) -> None:
    fault(core, {"path": "/allocate", "kind": "status", "http_status": 429})
    outcome = hold(3)
    first, second = (record.at for record in core.journal if record.path == "/allocate")
    assert (outcome.error, paid(core)) == (None, 3)
    assert second - first >= 60


def test_a_bare_429_without_time_for_another_attempt_is_the_reason(core: Core, hold: Callable[..., Any]) -> None:
    fault(core, {"path": "/allocate", "kind": "status", "http_status": 429})
    outcome = hold(3, max_wait=20)
    assert "HTTP 429" in outcome.error.message
    assert "After it, the list of leases shows nothing new" in outcome.error.message
    assert (calls(core, "/allocate"), paid(core)) == (["/allocate"], 0)


def test_a_bare_403_without_an_effect_ends_the_task(core: Core, hold: Callable[..., Any]) -> None:
    fault(core, {"path": "/allocate", "kind": "status", "http_status": 403, "times": -1})
    outcome = hold(3)
    assert not isinstance(outcome.error, UncertainOutcomeError)
    assert "HTTP 403" in outcome.error.message
    assert (calls(core, "/allocate"), paid(core)) == (["/allocate"], 0)


@pytest.mark.parametrize("status", [403, 429])
def test_a_replacement_with_a_bare_status_is_not_sent_again(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path, status: int
) -> None:
    hold(3)
    fault(core, {"path": "/replace", "kind": "status", "http_status": status, "executed": True})
    outcome = replace_leases(lease_client(core, tmp_path, 300, wire), None, 2, AllocationParams())
    assert (outcome.error, paid(core), calls(core, "/replace")) == (None, 3 + 2, ["/replace"])


def test_a_release_with_a_bare_status_is_reported(
    core: Core, wire: InProcess, hold: Callable[..., Any], tmp_path: Path
) -> None:
    hold(2)
    fault(core, {"path": "/release", "kind": "status", "http_status": 403, "executed": True})
    outcome = release_leases(lease_client(core, tmp_path, 300, wire), lambda _lease: True)
    assert (outcome.error, len(outcome.released), len(books(core).leases)) == (None, 2, 0)


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("lag", [0, 40])
def test_an_application_with_a_bare_status_is_not_sent_again(
    core: Core, wire: InProcess, tmp_path: Path, status: int, lag: int
) -> None:
    configure(core, plan={"kind": "exclusive_occupancy", "channels": 9}, options={"list_lag": lag})
    executed = {"kind": "status", "http_status": status, "executed": True}
    fault(core, {"path": "/monopolies", "method": "POST", **executed})
    outcome = ensure_held(client(core, tmp_path, 300, wire), DesiredMonopolies(3), wait=False)
    assert len(books(core).monopolies) == 3
    assert outcome.error is None or isinstance(outcome.error, UncertainOutcomeError)
    again = ensure_held(client(core, tmp_path, 300, wire), DesiredMonopolies(3), wait=False)
    assert (again.error, len(books(core).monopolies)) == (None, 3)


def test_a_release_of_resources_with_a_bare_status_is_reported(core: Core, wire: InProcess, tmp_path: Path) -> None:
    configure(core, plan={"kind": "exclusive_occupancy", "channels": 9})
    ensure_held(client(core, tmp_path, 300, wire), DesiredMonopolies(2))
    wire.advance(13 * 3600)
    executed = {"kind": "status", "http_status": 403, "executed": True}
    fault(core, {"path": "/monopolies", "method": "DELETE", **executed})
    outcome = release(client(core, tmp_path, 300, wire), None)
    error: QgError | None = outcome.error
    assert (error, len(outcome.released), len(books(core).monopolies)) == (None, 2, 0)
