# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The loop that sends calls until the list shows the desired state. No other code of the collection repeats a call."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Generic, TypeVar

from .._core.errors import CallError, QgError, WaitBudgetExceeded

T = TypeVar("T")


class Change(abc.ABC, Generic[T]):
    """A change that one or several calls make."""

    @abc.abstractmethod
    def remaining(self) -> Sequence[T]:
        """Return the resources that are still unchanged in the last reading of the list."""

    @abc.abstractmethod
    def send(self, todo: Sequence[T]) -> None:
        """Send the calls; raises CallError or WaitBudgetExceeded."""

    @abc.abstractmethod
    def verify(self, todo: Sequence[T], error: QgError | None) -> None:
        """Read the list after the calls, and after their error if there was one."""

    @abc.abstractmethod
    def failure(self, error: QgError | None, left: Sequence[T]) -> QgError:
        """Return the error for the resources that could not be changed."""

    def adapt(self, error: QgError | None, left: Sequence[T]) -> bool:
        """Send the next calls differently if that may help after such an error; returns whether it may."""
        return False

    def may_repeat(self, error: QgError | None) -> bool:
        """Whether calls without an effect may have one if they are sent again."""
        return is_worth_retrying(error)

    def look_again(self) -> bool:
        """Before the change fails, read the list for as long as it may lag; returns whether that was worth it."""
        return False

    def pause(self, attempt: int) -> None:
        """Wait before the next attempt; by default, no longer than the reads of the list take."""

    def converge(self, max_repeats: int) -> None:
        """Send the change until nothing remains; raises an error of :meth:`verify` or :meth:`failure`.

        It fails after a permanent error, or after ``max_repeats`` equal repetitions in succession without an effect.
        """
        repeats = 0
        while todo := self.remaining():
            error: QgError | None = None
            try:
                self.send(todo)
            except (CallError, WaitBudgetExceeded) as found:
                error = found
            self.verify(todo, error)
            left = self.remaining()
            if left and isinstance(error, WaitBudgetExceeded):
                raise self.failure(error, left)
            if len(left) < len(todo) or self.adapt(error, left):
                repeats = 0
            else:
                repeats += 1
                if repeats <= max_repeats and self.may_repeat(error):
                    self.pause(repeats)
                elif self.look_again():
                    repeats = 0
                else:
                    raise self.failure(error, left)


def is_worth_retrying(error: QgError | None) -> bool:
    """Whether a repetition of a call without an effect may have one: it succeeded, or failed transiently."""
    return error is None or (isinstance(error, CallError) and error.retryable and error.may_have_effect)
