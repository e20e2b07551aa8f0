# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An operation as an action plugin, in the worker process on the control node.

This file is private to the collection. Its counterpart for delegated tasks is ``module_utils/_task/module.py``. No
module is shipped to the host, so the key never leaves the control node, and the host needs neither Python nor requests.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.validation import check_path, check_selectors
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import SILENT
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    Mode,
    Operation,
    execute,
    guarded,
    redact,
    secrets_in,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.option_errors import (
    check_option_names,
    check_option_types,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import (
    ACCOUNT_API_OPTIONS,
    PRODUCT_OPTIONS,
    PROXY_API_OPTIONS,
    Spec,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._announcer import run_announcer

#: Options that defaults for the action group may set, also for modules of the vendor's other API.
_GROUP_OPTIONS = {*PROXY_API_OPTIONS, *PRODUCT_OPTIONS, *ACCOUNT_API_OPTIONS}
_HERE = ("localhost", "127.0.0.1", "::1")


class QgAction(ActionBase):
    """The base of all actions of the collection: validated options, and results without secrets."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    @property
    def _name(self) -> str:
        return str(self._task.action).rpartition(".")[2]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Refuse async, and return what Ansible prepares for the result; subclasses do their work in addition."""
        if self._task.async_val:
            raise AnsibleActionFail(
                f"async is not supported by {self._name}: remove async and poll from the task. Options such as timeout "
                "limit its duration."
            )
        prepared: dict[str, Any] = super().run(tmp, task_vars)
        return prepared

    def selectors(self) -> tuple[str, ...]:
        """Return the options that select what the task concerns; null or an empty value is refused for them."""
        return ()

    def explained(self, message: str) -> str:
        """Return the message about an option; a subclass adds where the option was set."""
        return message

    def given(self, spec: Spec) -> dict[str, Any]:
        """Return the task's options, without those that defaults for the action group set only for other modules.

        Both the validation here and a delegated module get the options from here, so that neither gets a value that
        Ansible would misread or explain badly: an unknown option, an empty selector, a value of another type, or a path
        for which it raises an exception.
        """
        module = str(self._task.action).rpartition(".")[2]
        aliases = [alias for option in spec.values() for alias in option.get("aliases", ())]
        try:
            check_option_names(module, self._task.args.keys() - _GROUP_OPTIONS, (*spec, *aliases))
            check_selectors(self.selectors(), self._task.args)
            check_option_types(self._task.args, spec)
            for name, value in self._task.args.items():
                if isinstance(value, str) and spec.get(name, {}).get("type") == "path":
                    check_path(name, value)
        except OptionError as error:
            raise self._refusal([error.message], spec) from None
        return {name: value for name, value in self._task.args.items() if name in spec or name not in _GROUP_OPTIONS}

    def validated(self, spec: Spec, rules: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the task's options, validated by the rules of a module."""
        validation = ArgumentSpecValidator(spec, **(rules or {})).validate(_untag(self.given(spec)))
        if validation.error_messages:
            raise self._refusal(validation.error_messages, spec)
        params: dict[str, Any] = validation.validated_parameters
        return params

    def _refusal(self, messages: Iterable[str], spec: Spec) -> AnsibleActionFail:
        """Return the error; messages quote values, which may be secrets of other options, as in a mistyped template."""
        text = "; ".join(map(self.explained, messages))
        return AnsibleActionFail(redact({"msg": text}, {**_from_environment(spec), **self._task.args}, spec)["msg"])

    def guarded(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the result of the work, or a failed result; Ansible's own errors propagate."""
        return guarded(work, (AnsibleError,))

    def mode(self, params: Mapping[str, Any], spec: Spec) -> Mode:
        """Return how the task runs: check mode, diff, and what announces its waits."""
        announcer = SILENT if self._task.no_log else run_announcer(self._name, secrets_in(params, spec))
        return Mode(check=bool(self._task.check_mode), diff=bool(self._task.diff), announcer=announcer)

    def delegated_away(self) -> bool:
        """Whether the task was delegated to another machine."""
        target = self._task.delegate_to
        return bool(target) and not (target in _HERE and self._connection.transport == "local")


def _untag(value: Any) -> Any:
    """Return the value without ansible-core's tags: the validator copies its input, and tags are slow to copy.

    Before ansible-core 2.19, text that is encrypted in the task itself is an object that the validator refuses.
    """
    if isinstance(value, dict):
        return {_untag(name): _untag(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_untag(item) for item in value]
    if isinstance(value, str):
        return str.__str__(value)
    return str(value) if getattr(value, "__ENCRYPTED__", False) else value


def _from_environment(spec: Spec) -> dict[str, str]:
    """Return the options from the environment of this control node, without paths, for a task that runs elsewhere."""
    named = {
        name: option["fallback"][1][0]
        for name, option in spec.items()
        if "fallback" in option and option["type"] != "path"
    }
    return {name: os.environ[variable] for name, variable in named.items() if variable in os.environ}


def _holds_secrets(operation: Operation, params: Mapping[str, Any]) -> bool:
    """Whether the operation's result is secret; options of a delegated task are not validated here."""
    wanted = params.get(operation.secret_option) if operation.secret_option else False
    return bool(boolean(wanted or False, strict=False))


class ApiAction(QgAction):
    """Runs an operation here; a task that is delegated to another host runs there as the module of the same name."""

    operation: ClassVar[Operation]

    def selectors(self) -> tuple[str, ...]:
        """Return the selectors of the operation."""
        return self.operation.selectors

    def check_run(self, variables: Mapping[str, Any]) -> None:
        """Refuse what this run must not do; called first on the control node, also for a delegated task."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the operation, and return its result."""
        result = super().run(tmp, task_vars)
        operation = self.operation
        self.check_run(task_vars or {})
        if self.delegated_away():
            params = {**_from_environment(operation.spec), **self.given(operation.spec)}
            if _holds_secrets(operation, params) and not self._task.no_log:
                # At -vvv, the connection shows what it returns.
                raise AnsibleActionFail(
                    f"{operation.secret_option} in a delegated task needs no_log: set no_log=true on the task, "
                    "or run it on the control node."
                )
            result.update(self._execute_module(module_args=params, task_vars=task_vars))
        else:
            params = self.validated(operation.spec, dict(operation.rules))
            mode = self.mode(params, operation.spec)
            result.update(self.guarded(lambda: redact(execute(operation, params, mode), params, operation.spec)))
        if operation.reveal(result, params) or (_holds_secrets(operation, params) and not result.get("failed")):
            # It can be registered in full, but is neither shown nor logged.
            result["_ansible_no_log"] = True
        return result
