# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a response proves, and what the error for it says.

A status without the vendor's code proves nothing, since a gateway may send it at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.calls import (
    MONOPOLIES_APPLY,
    PRODUCTS,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.exchange import Call, HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.responses import CODES, data_of
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    CallError,
    Effect,
    Reason,
)
from qgnet_simulator.api.codes import PRODUCT_MESSAGES
from support import phrases

HTML = "<html>Forbidden</html>"


def quoted(text: object) -> str | None:
    return text if isinstance(text, str) else None


def refused(call: Call, status: int, text: str) -> CallError:
    with pytest.raises(CallError) as caught:
        data_of(HttpResponse(status, text, {}), call, quoted, name=call.name, url_option="api_url")
    return caught.value


classic = partial(refused, PRODUCTS["classic"].allocate)
monopoly = partial(refused, MONOPOLIES_APPLY)
product = partial(refused, PRODUCTS["share"].allocate)


def effects(status: int, text: str) -> set[Effect]:
    return {answer(status, text).effect for answer in (classic, monopoly, product)}


@pytest.mark.parametrize(
    "status", [200, 204, 302, 400, 401, 403, 404, 405, 409, 413, 429, 500, 501, 503]
)
def test_no_status_proves_that_a_call_was_not_carried_out(status: int) -> None:
    assert effects(status, HTML) == {Effect.UNKNOWN}


@pytest.mark.parametrize("text", ["", "[]", '{"message": "Forbidden"}', '{"data": []}'])
@pytest.mark.parametrize("status", [302, 403, 429])
def test_no_body_without_the_code_of_the_vendor_proves_it_either(status: int, text: str) -> None:
    assert effects(status, text) == {Effect.UNKNOWN}


@pytest.mark.parametrize("status", [408, 502, 504, 520, 522, 524, 598, 599])
def test_a_gateway_that_stopped_waiting_leaves_the_call_in_flight(status: int) -> None:
    assert effects(status, HTML) == {Effect.IN_FLIGHT}


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


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (400, '{"error": "wrong"}', Reason.REFUSED),
        (200, '{"error": "wrong"}', Reason.OTHER),
        (200, '{"data": null, "error": "wrong"}', Reason.OTHER),
        (500, '{"error": "wrong"}', Reason.UNKNOWN),
        (200, '{"Code": -14}', Reason.CALLER),
        (404, "no", None),
    ],
)
def test_calls_by_status_have_the_reason_of_their_status_or_code(
    status: int, text: str, reason: Reason | None
) -> None:
    assert monopoly(status, text).reason is reason


# What an error says


def test_each_code_of_the_vendor_has_a_meaning() -> None:
    assert {code for code in CODES if isinstance(code, str)} == set(PRODUCT_MESSAGES)


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("code", CODES)
def test_a_documented_code_is_reported_with_meaning_and_fix(code: int | str, status: int) -> None:
    if isinstance(code, str):
        error = product(status, f'{{"code": "{code}", "message": "说明", "request_id": "R-7"}}')
        assert error.details["request_id"] == "R-7"
        assert f"{phrases.NUMBER_OF_REQUEST} R-7." in error.message
    else:
        error = classic(status, f'{{"Code": {code}, "Msg": "说明"}}')
    assert error.details["code"] == code
    assert "说明" in error.message
    assert CODES[code].meaning in error.message
    assert CODES[code].fix in error.message


def test_an_undocumented_code_is_reported_too() -> None:
    assert "code -999" in classic(200, '{"Code": "-999"}').message
