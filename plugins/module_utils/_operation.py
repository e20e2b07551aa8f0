# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 4: an operation is what a task does, whichever side it runs on.

This file is private to the collection.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.parameters import remove_values
from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._http import REQUESTS_IMPORT_ERROR
from ansible_collections.qingguo.qgnet.plugins.module_utils._options import Spec


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
    """Run an operation; the one place where an error becomes a failed result."""
    if REQUESTS_IMPORT_ERROR is not None:
        return {"failed": True, "msg": missing_required_lib("requests"), "exception": REQUESTS_IMPORT_ERROR}
    try:
        return operation.run(params, mode)
    except QgError as problem:
        return {"failed": True, "changed": False, **problem.as_result()}


def redact(result: dict[str, Any], params: Mapping[str, Any], spec: Spec) -> dict[str, Any]:
    """The result without any value of an option marked ``no_log``, as AnsibleModule does it."""
    secrets = {params[name] for name, option in spec.items() if option.get("no_log") and params.get(name)}
    # JSON writes each sign of a text by itself, so a secret that is anywhere in the result is in its JSON, too; to
    # look there first costs a long list of addresses next to nothing.
    text = json.dumps(result)
    if not any(json.dumps(secret)[1:-1] in text for secret in secrets):
        return result
    cleaned: dict[str, Any] = remove_values(result, secrets)
    return cleaned
