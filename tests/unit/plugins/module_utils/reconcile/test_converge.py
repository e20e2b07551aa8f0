# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a repeatable call is sent again, whatever the resource is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    Effect,
    QgError,
    WaitBudgetExceeded,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.converge import (
    Change,
    is_worth_retrying,
)
from support.call_failures import IN_FLIGHT, LOST, REJECTED, failure


@dataclass
class Release(Change[int]):
    """A change of ``left`` resources: for each call, how many it releases and the error that it raises."""

    left: int
    steps: list[tuple[int, QgError | None]]
    adapts: int = 0
    pauses: list[int] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    verified: list[QgError | None] = field(default_factory=list)

    def remaining(self) -> Sequence[int]:
        return range(self.left)

    def send(self, todo: Sequence[int]) -> None:
        self.sent.append(len(todo))
        released, error = self.steps[len(self.sent) - 1]
        self.left -= released
        if error:
            raise error

    def verify(self, todo: Sequence[int], error: QgError | None) -> None:
        assert len(todo) == self.sent[-1]
        self.verified.append(error)

    def adapt(self, _error: QgError | None, _left: Sequence[int]) -> bool:
        self.adapts -= 1
        return self.adapts >= 0

    def failure(self, error: QgError | None, left: Sequence[int]) -> QgError:
        return QgError(f"{len(left)} left: {error.message if error else 'no effect'}")

    def pause(self, attempt: int) -> None:
        self.pauses.append(attempt)


@pytest.mark.parametrize(
    ("release", "sent", "pauses"),
    [
        pytest.param(Release(0, []), [], [], id="nothing-to-do"),
        pytest.param(Release(3, [(3, None)]), [3], [], id="at-once"),
        pytest.param(Release(3, [(1, None), (2, LOST)]), [3, 2], [], id="in-part"),
        pytest.param(Release(2, [(0, None), (0, LOST), (2, None)]), [2, 2, 2], [1, 2], id="repeated"),
        pytest.param(
            Release(2, [(0, LOST), (0, LOST), (1, None), (0, LOST), (0, LOST), (1, None)]),
            [2, 2, 2, 1, 1, 1],
            [1, 2, 1, 2],
            id="an-effect-starts-the-count-anew",
        ),
        pytest.param(Release(2, [(0, REJECTED), (2, None)], adapts=1), [2, 2], [], id="adapted"),
        pytest.param(Release(2, [(2, WaitBudgetExceeded("no time"))]), [2], [], id="done-when-the-time-is-over"),
    ],
)
def test_a_change_is_sent_until_nothing_remains(release: Release, sent: list[int], pauses: list[int]) -> None:
    release = replace(release, pauses=[], sent=[], verified=[])
    release.converge(2)
    assert release.sent == sent
    assert release.pauses == pauses
    assert release.verified == [error for _released, error in release.steps]


@pytest.mark.parametrize(
    ("release", "sent", "message"),
    [
        pytest.param(Release(2, [(0, LOST)] * 3), 3, "2 left: it failed: UNKNOWN", id="no-effect-at-all"),
        pytest.param(Release(2, [(0, None)] * 3), 3, "2 left: no effect", id="success-without-an-effect"),
        pytest.param(Release(2, [(0, REJECTED)]), 1, "2 left: it failed: REJECTED", id="refused"),
        pytest.param(Release(2, [(1, WaitBudgetExceeded("no time"))]), 1, "1 left: no time", id="time-is-over"),
    ],
)
def test_a_change_fails_with_what_remains(release: Release, sent: int, message: str) -> None:
    release = replace(release, pauses=[], sent=[], verified=[])
    with pytest.raises(QgError, match=f"^{message}$"):
        release.converge(2)
    assert len(release.sent) == sent


class PlainRelease(Release):
    """A release that cannot be sent in another way, and needs no pause."""

    adapt, pause = Change.adapt, Change.pause


def test_by_default_a_change_is_repeated_as_it_is_and_at_once() -> None:
    release = PlainRelease(2, [(0, LOST), (2, None)])
    release.converge(1)
    assert (release.sent, release.pauses) == ([2, 2], [])
    with pytest.raises(QgError, match="2 left: it failed: REJECTED"):
        PlainRelease(2, [(0, REJECTED)] * 2).converge(2)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, True),
        (LOST, True),
        (IN_FLIGHT, True),
        (REJECTED, False),
        (failure(Effect.UNKNOWN, retryable=False), False),
        (QgError("no call"), False),
    ],
)
def test_a_call_may_pass_the_next_time_if_it_failed_transiently(error: QgError | None, expected: bool) -> None:
    assert is_worth_retrying(error) is expected
