# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run has done to what a key holds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .._core.errors import QgError, UnexpectedError
from .._store.store import StateError
from .._task.operation import Mode
from .holdings import Holdings

R = TypeVar("R")


@dataclass
class Result(Generic[R]):
    """What the key held ``before`` and ``after`` a run, and what calls of this run have changed.

    ``missing`` is the number of resources that are still missing, or that a run without check mode
    would buy. With an ``error``, the other fields are still correct.
    """

    holdings: Holdings[R]
    before: list[R] = field(default_factory=list)
    after: list[R] = field(default_factory=list)
    allocated: list[R] = field(default_factory=list)
    released: list[R] = field(default_factory=list)
    missing: int = 0
    error: QgError | None = None

    def __post_init__(self) -> None:
        self.before = list((self.holdings.first or {}).values())
        self.after = list(self.before)

    @property
    def warnings(self) -> list[str]:
        """The warnings of the run."""
        return self.holdings.warnings

    def common(self, mode: Mode, what: str, before: str, after: str) -> dict[str, Any]:
        """Return what the result of any task has: the warnings, the difference and the error."""
        common: dict[str, Any] = {}
        if self.warnings:
            common["warnings"] = self.warnings
        if mode.diff:
            headers = {"before_header": what, "after_header": what}
            common["diff"] = {**headers, "before": before, "after": after}
        if self.error is not None:
            common |= {"failed": True, **self.error.as_result()}
        return common

    @contextlib.contextmanager
    def completed(self) -> Iterator[None]:
        """Keep the error of the body, and add the effects of its calls, even if they fail."""
        holdings = self.holdings
        try:
            yield
        except StateError as error:
            message = f"{error.message} {holdings.payments()}"
            if holdings.effects.bought or holdings.effects.unanswered:
                message += (
                    " With the same store, the next run counts what was bought, and does not buy "
                    "it again."
                )
            self.error = StateError(message, **error.details)
        except QgError as error:
            self.error = error
        except Exception as error:
            # A defect hides nothing that was paid for.
            self.error = UnexpectedError(error, "The task was not completed")
        self.after = list(holdings.held.values())
        self.allocated = list(holdings.effects.bought.values())
        self.released = list(holdings.released.values())
