# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An operation is what a task does, whichever side it runs on.

This file is private to the collection.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from .._api.bounded_session import REQUESTS_IMPORT_ERROR
from .._core.errors import QgError, UnexpectedError
from .._core.redaction import Redactor
from .._core.text import one_line, visible_everywhere
from .options import Spec


def _silent(_text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Mode:
    """How the task runs: as a prediction (``check``), with a ``diff``; ``progress`` hears how far it is."""

    check: bool = False
    diff: bool = False
    progress: Callable[[str], None] = _silent


@dataclass(frozen=True)
class Operation:
    """Options, rules between them, and a function from validated options to a result.

    The function raises QgError, or returns a result that may hold ``failed`` and ``msg``. ``reveal`` adds what is
    secret to a result that was redacted, and says whether it did: only the control node calls it, and hides the result
    then. ``secret_option`` names the option, of type bool, with which the result itself holds secrets. ``selectors``
    are the options that select what the operation concerns: given as null or empty, they are refused on either side.
    """

    spec: Spec
    run: Callable[[Mapping[str, Any], Mode], dict[str, Any]]
    rules: Mapping[str, Any] = field(default_factory=dict)
    reveal: Callable[[dict[str, Any], Mapping[str, Any]], bool] = lambda _result, _params: False
    secret_option: str | None = None
    selectors: tuple[str, ...] = ()


def execute(operation: Operation, params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    """Run an operation."""
    if REQUESTS_IMPORT_ERROR is not None:
        return {"failed": True, "msg": missing_required_lib("requests"), "exception": REQUESTS_IMPORT_ERROR}
    return redact(guarded(lambda: operation.run(params, mode)), params, operation.spec)


def guarded(work: Callable[[], dict[str, Any]], passed_on: tuple[type[Exception], ...] = ()) -> dict[str, Any]:
    """The result of the work, or a failed result for any exception but those that are ``passed_on``."""
    try:
        return work()
    except QgError as problem:
        return {"failed": True, "changed": False, **problem.as_result()}
    except passed_on:
        raise
    except Exception as problem:
        unexpected = UnexpectedError(problem, "The task was not completed")
        return {"failed": True, "changed": False, **unexpected.as_result()}


def redact(result: dict[str, Any], params: Mapping[str, Any], spec: Spec) -> dict[str, Any]:
    """The result without any value of an option marked ``no_log``, in whatever spelling, and fit to be shown.

    This is done for actions and modules alike, for values and names. Messages are on one line, and no text holds
    anything that a terminal obeys.
    """
    secrets = (str(params[name]) for name, option in spec.items() if option.get("no_log") and params.get(name))
    cleaned: dict[str, Any] = visible_everywhere(_redactor(frozenset(secrets)).tree(result))
    if isinstance(cleaned.get("msg"), str):
        cleaned["msg"] = one_line(cleaned["msg"])
    if cleaned.get("warnings"):
        cleaned["warnings"] = [one_line(str(text)) for text in cleaned["warnings"]]
    return cleaned


@functools.lru_cache(maxsize=8)
def _redactor(secrets: frozenset[str]) -> Redactor:
    """What a fleet needs for each host is made once."""
    return Redactor(secrets)
