# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a paid call is sent again, whatever the resource is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    CallError,
    Effect,
    QgError,
    TransportError,
    UncertainOutcomeError,
    WaitBudgetExceeded,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.lost_response import (
    EARLIER_ATTEMPT,
    NO_TIME,
    NOTHING_NEW,
    UNLISTED,
    Creation,
    uncertain_outcome,
)
from support.call_failures import IN_FLIGHT, LOST, REJECTED, failure


@dataclass
class Order(Creation):
    """A paid call: ``results`` of its attempts, and the attempt after which the list shows something new."""

    results: list[QgError | None]
    shown_after: int | None = None
    adopted_after: int | None = None
    unlisted: bool = False
    unreadable: QgError | None = None
    attempts: int = 0

    def pay(self) -> None:
        self.attempts += 1
        if result := self.results[self.attempts - 1]:
            raise result

    def is_verifiable(self, error: CallError) -> bool:
        return error.effect is not Effect.REJECTED

    def find_new(self, _error: CallError | None) -> bool:
        if self.unreadable:
            raise self.unreadable
        return self.attempts == self.shown_after

    def adopt_new(self) -> bool:
        return self.attempts == self.adopted_after

    def has_unlisted(self, _error: CallError) -> bool:
        return self.unlisted

    def is_lost(self, error: CallError) -> bool:
        return error is LOST

    def may_follow_lost(self, error: CallError) -> bool:
        return error is REJECTED

    def uncertain(self, error: QgError | None, reason: str) -> UncertainOutcomeError:
        return uncertain_outcome(error, "it was ordered", reason, listing="the list", advice="Look.", endpoint="/order")

    def exhausted(self, error: CallError, attempts: int) -> QgError:
        return QgError(f"{error.message}, {attempts} attempts")


def create_once(order: Order, attempts: int) -> CallError | None:
    """Send an order at most so often, and return the error of the last attempt."""
    order.converge(attempts - 1)
    return order.error


@pytest.mark.parametrize(
    ("order", "attempts"),
    [
        pytest.param(Order([None], shown_after=1), 1, id="accepted"),
        pytest.param(Order([LOST], shown_after=1), 1, id="lost-and-listed"),
        pytest.param(Order([LOST], adopted_after=1), 1, id="lost-and-listed-after-the-quota-was-read"),
        pytest.param(Order([None], adopted_after=1), 1, id="accepted-and-listed-late"),
        pytest.param(Order([IN_FLIGHT], shown_after=1), 1, id="in-flight-and-listed"),
        pytest.param(Order([LOST, None], shown_after=2), 2, id="lost-without-an-effect-then-accepted"),
        pytest.param(Order([LOST, LOST, LOST], shown_after=3), 3, id="the-last-attempt-is-listed"),
    ],
)
def test_a_paid_call_is_sent_until_its_effect_shows(order: Order, attempts: int) -> None:
    order = replace(order)
    assert create_once(order, 3) is order.results[attempts - 1]
    assert order.attempts == attempts


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        pytest.param(Order([None, None]), NOTHING_NEW, id="accepted-but-not-listed"),
        pytest.param(Order([IN_FLIGHT, None]), NOTHING_NEW, id="in-flight"),
        pytest.param(Order([LOST, None], unlisted=True), UNLISTED, id="the-quota-shows-more"),
        pytest.param(Order([LOST, None], adopted_after=1, unlisted=True), UNLISTED, id="the-quota-shows-even-more"),
        pytest.param(Order([LOST, None], unreadable=WaitBudgetExceeded("no time")), NO_TIME, id="no-time-to-look"),
        pytest.param(
            Order([LOST, None], unreadable=QgError("garbled")), "{list} cannot be read: garbled", id="unreadable-list"
        ),
    ],
)
def test_a_paid_call_that_may_have_an_effect_is_never_sent_again(order: Order, reason: str) -> None:
    order = replace(order)
    with pytest.raises(UncertainOutcomeError) as caught:
        create_once(order, 3)
    assert order.attempts == 1
    said = order.results[0].message if order.results[0] else "The vendor reports success."
    shown = reason.replace("{list}", "the list")
    assert caught.value.message == f"{said} Whether it was ordered is unknown: {shown} Look."
    assert caught.value.details["endpoint"] == "/order"


def test_an_unreadable_list_after_a_success_keeps_its_details() -> None:
    order = Order([None], unreadable=QgError("garbled", http_status=502, endpoint="/list"))
    with pytest.raises(UncertainOutcomeError, match=r"^The vendor reports success\. Whether") as caught:
        create_once(order, 3)
    assert caught.value.details["http_status"] == 502


def test_an_error_that_is_uncertain_already_is_raised_as_it_is() -> None:
    found = UncertainOutcomeError("it is unknown", endpoint="/order")
    with pytest.raises(UncertainOutcomeError) as caught:
        create_once(Order([LOST], unreadable=found), 3)
    assert caught.value is found


def test_a_refusal_is_final() -> None:
    order = Order([REJECTED, None])
    with pytest.raises(TransportError) as caught:
        create_once(order, 3)
    assert caught.value is REJECTED
    assert order.attempts == 1


def test_a_refusal_after_a_lost_attempt_may_be_due_to_it() -> None:
    order = Order([LOST, failure(Effect.UNKNOWN), REJECTED])
    with pytest.raises(UncertainOutcomeError, match=EARLIER_ATTEMPT):
        create_once(order, 3)
    other = failure(Effect.REJECTED)
    with pytest.raises(TransportError) as caught:
        create_once(Order([LOST, other]), 3)
    assert caught.value is other


def test_attempts_without_an_effect_end() -> None:
    order = Order([LOST, LOST, LOST])
    with pytest.raises(QgError, match="it failed: UNKNOWN, 2 attempts"):
        create_once(order, 2)
    assert order.attempts == 2


def test_without_time_for_the_first_attempt_that_is_said_and_later_what_the_last_one_said() -> None:
    late = WaitBudgetExceeded("no time")
    with pytest.raises(WaitBudgetExceeded) as caught:
        create_once(Order([late]), 3)
    assert caught.value is late
    with pytest.raises(QgError, match="it failed: UNKNOWN, 1 attempts"):
        create_once(Order([LOST, late]), 3)


class PlainOrder(Order):
    """An order of which any attempt may have an effect, and any refusal may be due to that."""

    is_lost, may_follow_lost, exhausted = Creation.is_lost, Creation.may_follow_lost, Creation.exhausted


def test_by_default_each_attempt_that_may_have_an_effect_counts_as_lost() -> None:
    with pytest.raises(UncertainOutcomeError, match=EARLIER_ATTEMPT):
        create_once(PlainOrder([failure(Effect.UNKNOWN), failure(Effect.REJECTED)]), 3)
    with pytest.raises(UncertainOutcomeError, match=NOTHING_NEW.replace("{list}", "the list")):
        create_once(PlainOrder([LOST, LOST]), 2)
    refused = failure(Effect.NOT_SENT)
    order = PlainOrder([refused, REJECTED])
    order.is_verifiable = lambda error: error is refused  # type: ignore[method-assign]
    with pytest.raises(TransportError) as caught:
        create_once(order, 3)
    assert caught.value is REJECTED
