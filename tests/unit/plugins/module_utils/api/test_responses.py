# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a response proves: a status without the vendor's code nothing, since a gateway may send it at any time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.caller import Call, data_of
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.calls import MONOPOLIES_APPLY, PRODUCTS
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import CallError, Effect

HTML = "<html>Forbidden</html>"


def refused(call: Call, status: int, text: str) -> CallError:
    with pytest.raises(CallError) as caught:
        data_of(HttpResponse(status, text, {}), call, lambda _text: None, name=call.name, url_option="api_url")
    return caught.value


classic = partial(refused, PRODUCTS["classic"].allocate)
monopoly = partial(refused, MONOPOLIES_APPLY)
product = partial(refused, PRODUCTS["share"].allocate)


def effects(status: int, text: str) -> set[Effect]:
    return {answer(status, text).effect for answer in (classic, monopoly, product)}


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 405, 409, 413, 429, 500, 501, 503])
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
