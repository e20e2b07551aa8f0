# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of a task, which runs on the control node or on the host that the task is delegated to."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._api.proxies import environment_secrets
from .._api.transport import MISSING_REQUESTS, REQUESTS_IMPORT_ERROR
from .._core.errors import OptionError, QgError, UnexpectedError
from .._core.runtime import REAL, Runtime, use
from .._core.text import clean
from .._core.waiting import SILENT, Announcer
from .._store.opening import url_secrets
from .sources import Spec

try:
    from ansible.module_utils.secrets import register_secret
except ImportError:
    # Before ansible-core 2.22, which masks registered secrets in all of its output.
    def register_secret(secret: str) -> None: ...


#: What has set an option, if no variable has.
TASK, DEFAULT = "the task", "the default"


@dataclass(frozen=True)
class Mode:
    """The modes of a task: ``check`` and ``diff``, and the ``announcer`` of its waits.

    ``origin`` returns what has set an option: a variable, an environment variable, the task or the default. ``runtime``
    is what the task takes from the machine: its clocks, sleep, random delays and transport.
    """

    check: bool = False
    diff: bool = False
    announcer: Announcer = SILENT
    origin: Callable[[str], str] = lambda _option: TASK
    runtime: Runtime = REAL


@dataclass(frozen=True)
class Operation:
    """The specification of options, the rules between them, and a function from validated options to a result.

    The function raises QgError, or returns a result that may contain ``failed`` and ``msg``. ``reveal`` adds secrets to
    a redacted result, and returns whether it did so: only the control node calls it, and then hides the result.
    ``secret_option`` is the boolean option that adds secrets to the result itself. ``selectors`` are the options that
    select objects: null or an empty value is refused for them. ``needs_requests`` is false if it also runs without that
    library.
    """

    spec: Spec
    run: Callable[[Mapping[str, Any], Mode], dict[str, Any]]
    rules: Mapping[str, Any] = field(default_factory=dict)
    reveal: Callable[[dict[str, Any], Mapping[str, Any]], bool] = lambda _result, _params: False
    secret_option: str | None = None
    selectors: tuple[str, ...] = ()
    needs_requests: bool = True


def execute(operation: Operation, params: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    """Run an operation, and return its redacted result; turn an error into a failed result."""
    if REQUESTS_IMPORT_ERROR is not None and operation.needs_requests:
        return {"failed": True, "msg": MISSING_REQUESTS, "exception": REQUESTS_IMPORT_ERROR}
    with use(mode.runtime):
        result = guarded(lambda: operation.run(params, mode), origin=mode.origin)
    return redact(result, params, operation.spec)


def guarded(
    work: Callable[[], dict[str, Any]],
    passed_on: tuple[type[Exception], ...] = (),
    origin: Callable[[str], str] = Mode.origin,
) -> dict[str, Any]:
    """Return the result of the work, or a failed result for any exception except those ``passed_on``."""
    try:
        return work()
    except QgError as error:
        return {"failed": True, "changed": False, **error.as_result(), "msg": explained(error, origin)}
    except passed_on:
        raise
    except Exception as error:
        unexpected = UnexpectedError(error, "The task was not completed")
        return {"failed": True, "changed": False, **unexpected.as_result()}


def explained(error: QgError, origin: Callable[[str], str]) -> str:
    """Return the message of an error with what has set its option, if the option is in no task or may be in none."""
    option = error.details.get("option")
    named = re.match(r"(?:argument ')?(\w+)", error.message) if isinstance(error, OptionError) else None
    if named and origin(named[1]) not in (TASK, DEFAULT):
        option = named[1]
    # Most often the URL of an API that cannot be reached is wrong.
    return f"{error.message.rstrip('.')}. {option} comes from {origin(option)}." if option else error.message


def secrets_in(params: Mapping[str, Any], spec: Spec) -> frozenset[str]:
    """Return the values of all options that are marked ``no_log``, and the secrets in URLs."""
    given = (str(params[name]) for name, option in spec.items() if option.get("no_log") and params.get(name))
    # Blank text is a mistake, and not a secret: masking it would make the message about it unreadable.
    found = {value for value in given if value.strip()}
    if "timeout" in spec:
        found.update(environment_secrets())
    if "store" in spec:
        found.update(url_secrets(params.get("store")))
    for secret in found:
        register_secret(secret)
    return frozenset(found)


def redact(result: dict[str, Any], params: Mapping[str, Any], spec: Spec) -> dict[str, Any]:
    """Return the result without any value of an option marked ``no_log``, and safe to display."""
    return clean(result, secrets_in(params, spec))
