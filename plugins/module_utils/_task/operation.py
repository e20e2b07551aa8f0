# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An operation: what a task does, whether it runs on the control node or on the host it was delegated to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from .._api.deadline_session import REQUESTS_IMPORT_ERROR
from .._api.proxies import environment_secrets, login_secrets
from .._core.errors import OptionError, QgError, UnexpectedError
from .._core.redaction import Redactor
from .._core.text import one_line, visible_everywhere
from .._core.waiting import SILENT, Announcer
from .._store.opening import url_secrets
from .sources import Spec


@dataclass(frozen=True)
class Mode:
    """How the task runs: as a prediction (``check``), with a ``diff``; ``announcer`` announces its waits."""

    check: bool = False
    diff: bool = False
    announcer: Announcer = SILENT


@dataclass(frozen=True)
class Operation:
    """Options, rules between them, and a function from validated options to a result.

    The function raises QgError, or returns a result that may contain ``failed`` and ``msg``. ``reveal`` adds secrets to
    a redacted result and returns whether it did so: only the control node calls it, and then hides the result.
    ``secret_option`` names the option, of type bool, that makes the result itself contain secrets. ``selectors`` are
    the options that select what the operation concerns: null or an empty value is refused for them.
    """

    spec: Spec
    run: Callable[[Mapping[str, Any], Mode], dict[str, Any]]
    rules: Mapping[str, Any] = field(default_factory=dict)
    reveal: Callable[[dict[str, Any], Mapping[str, Any]], bool] = lambda _result, _params: False
    secret_option: str | None = None
    selectors: tuple[str, ...] = ()


def execute(
    operation: Operation, params: Mapping[str, Any], mode: Mode, explained: Callable[[str], str] = str
) -> dict[str, Any]:
    """Run an operation, and return its redacted result; an error becomes a failed result."""
    if REQUESTS_IMPORT_ERROR is not None:
        return {"failed": True, "msg": missing_required_lib("requests"), "exception": REQUESTS_IMPORT_ERROR}
    return redact(guarded(lambda: operation.run(params, mode), (), explained), params, operation.spec)


def guarded(
    work: Callable[[], dict[str, Any]],
    passed_on: tuple[type[Exception], ...] = (),
    explained: Callable[[str], str] = str,
) -> dict[str, Any]:
    """Return the result of the work, or a failed result for any exception except those that are ``passed_on``.

    ``explained`` adds to the message about an option where it was set.
    """
    try:
        return work()
    except OptionError as error:
        return {"failed": True, "changed": False, **error.as_result(), "msg": explained(error.message)}
    except QgError as error:
        return {"failed": True, "changed": False, **error.as_result()}
    except passed_on:
        raise
    except Exception as error:
        unexpected = UnexpectedError(error, "The task was not completed")
        return {"failed": True, "changed": False, **unexpected.as_result()}


def secrets_in(params: Mapping[str, Any], spec: Spec) -> frozenset[str]:
    """Return the values of all options that are marked ``no_log``, and what is secret in URLs."""
    given = (str(params[name]) for name, option in spec.items() if option.get("no_log") and params.get(name))
    # Blank text is a mistake, and not a secret: masking it would make the message about it unreadable.
    found = {value for value in given if value.strip()}
    if "proxy" in spec:
        found.update(login_secrets(params.get("proxy")), environment_secrets())
    if "state_url" in spec:
        found.update(url_secrets(params.get("state_url")))
    return frozenset(found)


def redact(result: dict[str, Any], params: Mapping[str, Any], spec: Spec) -> dict[str, Any]:
    """Return the result without any value of an option marked ``no_log``, as :func:`without_secrets` does."""
    return without_secrets(result, secrets_in(params, spec))


def without_secrets(result: dict[str, Any], secrets: frozenset[str]) -> dict[str, Any]:
    """Return the result without the secrets, in whatever spelling, and safe to be shown.

    This applies to actions and modules alike, to values and names. Messages are on one line, and no text contains
    anything that a terminal obeys.
    """
    cleaned: dict[str, Any] = visible_everywhere(_redactor(secrets).tree(result))
    if isinstance(cleaned.get("msg"), str):
        cleaned["msg"] = one_line(cleaned["msg"])
    if cleaned.get("warnings"):
        cleaned["warnings"] = [one_line(str(text)) for text in cleaned["warnings"]]
    return cleaned


@functools.lru_cache(maxsize=8)
def _redactor(secrets: frozenset[str]) -> Redactor:
    """Return a redactor that is compiled once for all hosts of a play."""
    return Redactor(secrets)
