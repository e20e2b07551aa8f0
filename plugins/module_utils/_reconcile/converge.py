# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Calls that may be repeated, such as releases: send them until the list shows the desired state."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Generic, TypeVar

from .._core.errors import CallError, QgError, WaitBudgetExceeded

T = TypeVar("T")


class Change(abc.ABC, Generic[T]):
    """A change that leads to the same state, however often it is sent."""

    @abc.abstractmethod
    def remaining(self) -> Sequence[T]:
        """What the last reading of the list shows to be unchanged yet."""

    @abc.abstractmethod
    def send(self, todo: Sequence[T]) -> None:
        """Send the calls; raises CallError or WaitBudgetExceeded."""

    @abc.abstractmethod
    def verify(self, todo: Sequence[T], error: QgError | None) -> None:
        """Read the list after the calls, and after their error if there was one."""

    @abc.abstractmethod
    def failure(self, error: QgError | None, left: Sequence[T]) -> QgError:
        """The error that names what could not be changed."""

    def adapt(self, error: QgError | None, left: Sequence[T]) -> bool:
        """Change how the calls are sent if that can help after such an error; returns whether it can."""
        return False

    def pause(self, attempt: int) -> None:
        """Wait before the next attempt, unless reading the list has taken some seconds."""


def converge(change: Change[T], max_repeats: int) -> None:
    """Send a change until nothing remains.

    Each call that changes something starts the count anew; after ``max_repeats`` repetitions without an effect, or an
    error that will not pass, the change fails.
    """
    repeats = 0
    while todo := change.remaining():
        error: QgError | None = None
        try:
            change.send(todo)
        except (CallError, WaitBudgetExceeded) as found:
            error = found
        change.verify(todo, error)
        left = change.remaining()
        if left and isinstance(error, WaitBudgetExceeded):
            raise change.failure(error, left)
        if len(left) < len(todo):
            repeats = 0
        elif not change.adapt(error, left):
            repeats += 1
            if repeats > max_repeats or not may_pass(error):
                raise change.failure(error, left)
            change.pause(repeats)


def may_pass(error: QgError | None) -> bool:
    """Whether the same call may have an effect the next time: it succeeded without one, or failed transiently."""
    return error is None or (isinstance(error, CallError) and error.retryable and error.may_have_effect)
