# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs an operation as an action plugin, in the worker process on the control node.

Its counterpart for delegated tasks is ``module_utils/_task/module.py``. No module is sent to the host, so the key never
leaves the control node, and the host needs neither Python nor requests.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.caller import set_caller
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.validation import check_path
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
    check_selectors,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import GROUP_OPTIONS, SHARED_OPTIONS
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import (
    Spec,
    environment_name,
    explain_missing,
    from_this_environment,
    missing_options,
    shared_options,
    variable_name,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._announcer import run_announcer, show_once
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._run_state import prepare_workers
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._sources import from_variables

_WORD = re.compile(r"\w+")
_HERE = ("localhost", "127.0.0.1", "::1")

prepare_workers()


class QgAction(ActionBase):
    """The base of all actions of the collection: validated options, and results without secrets."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    @property
    def _name(self) -> str:
        return str(self._task.action).rpartition(".")[2]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Refuse async, store the variables, and return Ansible's initial result; a subclass does the work."""
        if self._task.async_val:
            raise AnsibleActionFail(
                f"async is not supported by {self._name}: remove async and poll from the task. Options such as timeout "
                "limit its duration."
            )
        prepared: dict[str, Any] = super().run(tmp, task_vars)
        self._variables = task_vars or {}
        sources = self._variables.get("ansible_inventory_sources") or ()
        set_caller(host=str(self._variables.get("inventory_hostname", "")), inventory=", ".join(map(str, sources)))
        #: The options of the task, completed here. The worker returns the task's own attributes, which the variable
        #: ansible_failed_task and callbacks show: they must not contain the value of a variable, which may be a secret.
        self._options: dict[str, Any] = dict(self._task.args)
        #: The options that a variable set, with its name.
        self._set_by: dict[str, str] = {}
        return prepared

    def selectors(self) -> tuple[str, ...]:
        """Return the options that select objects; null or an empty value is refused for them."""
        return ()

    def explained(self, message: str) -> str:
        """Return a message about an option, prefixed with the name of the variable that set the option, if any."""
        options = (word for word in _WORD.findall(message) if word in self._options or word in GROUP_OPTIONS)
        option = next(options, None)
        origin = self.origin(option) if option else None
        return f"{origin}: {message}" if origin else message

    def origin(self, option: str) -> str | None:
        """Return the variable or environment variable that set an option; None if the task itself did."""
        in_environment = environment_name(option)
        if option in SHARED_OPTIONS and option not in self._options and os.environ.get(in_environment):
            return in_environment
        return self._set_by.get(option)

    def option_place(self) -> str:
        """Return where a user sets an option, for messages, with ``{}`` for its name if necessary."""
        return "option of the task or of module_defaults"

    def default_levels(self) -> list[dict[str, Any]]:
        """Return the options from module_defaults, which Ansible has already added to the task's; the weakest first."""
        merged: dict[str, Any] = {}
        for entry in self._task.module_defaults or ():
            merged.update(entry)
        places = ("group/qingguo.qgnet.qg", f"qingguo.qgnet.{self._name}")
        return [self._templar.template(merged[name]) for name in places if merged.get(name)]

    def _given(self) -> set[str]:
        """Return the names of the options that have a value."""
        return {name for name, value in self._options.items() if value is not None}

    def adopt_variables(self, spec: Spec) -> None:
        """Set options that the task omits from variables."""
        found = from_variables(spec, self._given(), self._variables, self._templar)
        self._options.update(found)
        self._set_by.update({option: variable_name(option) for option in found})

    def check_missing(self, spec: Spec) -> None:
        """Refuse a task without a required option, and name all places where it can be set."""
        missing = missing_options(spec, self._given())
        keyword = {name for each in self._task.environment or () if isinstance(each, Mapping) for name in each}
        if missing:
            hint = "; the keyword environment of a task or play does not apply to the control node"
            wanted = [name for name in map(environment_name, missing) if name in keyword]
            if wanted:
                hint = f"; {' and '.join(wanted)} in the keyword environment of this task does not reach it"
            raise AnsibleActionFail(explain_missing(missing, self.option_place(), hint=hint).message)
        unset = {environment_name(option): option for option in shared_options(spec) if option not in self._options}
        for name in sorted(keyword.intersection(unset) if not self.delegated_away() else ()):
            text = f"{name} in the keyword environment does not reach the control node, on which {self._name} runs"
            text = f"[WARNING]: {text}: set the variable {variable_name(unset[name])} instead."
            show_once(text, text, math.inf)

    def given(self, spec: Spec) -> dict[str, Any]:
        """Return the task's options, without those that defaults for the action group set only for other modules.

        They are checked here, before Ansible's validation in this process or in a delegated module, for mistakes that
        Ansible misreads or explains badly: unknown options, empty selectors, values of another type, and paths that
        raise an exception.
        """
        try:
            self.adopt_variables(spec)
            foreign = self._foreign_defaults(spec)
            check_option_names(self._name, [name for name in self._options if name not in foreign], spec)
            check_selectors(self.selectors(), self._options)
            check_option_types({**from_this_environment(spec), **self._options}, spec)
            for name, value in self._options.items():
                if isinstance(value, str) and spec.get(name, {}).get("type") == "path":
                    check_path(name, value)
        except OptionError as error:
            raise self._refusal([error.message], spec) from None
        self.check_missing(spec)
        return {
            name: value
            for name, value in self._options.items()
            if name not in foreign and not (value is None and "fallback" in spec.get(name, {}))
        }

    def _foreign_defaults(self, spec: Spec) -> set[str]:
        """Return the options of other modules of the action group that defaults for the group have set."""
        foreign = {name for name in self._options if name in GROUP_OPTIONS and name not in spec}
        return foreign and foreign.intersection(name for level in self.default_levels() for name in level)

    def validated(self, spec: Spec, rules: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the task's options, validated by the rules of a module."""
        validation = ArgumentSpecValidator(spec, **(rules or {})).validate(_untag(self.given(spec)))
        if validation.error_messages:
            raise self._refusal(validation.error_messages, spec)
        params: dict[str, Any] = validation.validated_parameters
        return params

    def _refusal(self, messages: Iterable[str], spec: Spec) -> AnsibleActionFail:
        """Return the error without secrets: after a mistake, a message may quote the secret of another option."""
        text = "; ".join(map(self.explained, messages))
        return AnsibleActionFail(redact({"msg": text}, {**from_this_environment(spec), **self._options}, spec)["msg"])

    def guarded(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the result of the work, or a failed result; Ansible's own errors propagate."""
        return guarded(work, (AnsibleError,), self.explained)

    def mode(self, params: Mapping[str, Any], spec: Spec) -> Mode:
        """Return the modes of the task, and its announcer."""
        announcer = SILENT if self._task.no_log else run_announcer(self._name, secrets_in(params, spec))
        return Mode(bool(self._task.check_mode), bool(self._task.diff), announcer, self.origin)

    def delegated_away(self) -> bool:
        """Whether the task was delegated to another machine."""
        target = self._task.delegate_to
        return bool(target) and not (target in _HERE and self._connection.transport == "local")


def _untag(value: Any) -> Any:
    """Return a value without ansible-core's tags: the validator copies its input, and tags are slow to copy.

    Before ansible-core 2.19, text that is encrypted in the task itself is an object that the validator refuses, and
    becomes text here.
    """
    if isinstance(value, dict):
        return {_untag(name): _untag(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_untag(item) for item in value]
    if isinstance(value, str):
        return str.__str__(value)
    return str(value) if getattr(value, "__ENCRYPTED__", False) else value


def _holds_secrets(operation: Operation, params: Mapping[str, Any]) -> bool:
    """Whether the operation's result contains secrets; options of a delegated task are not validated here."""
    wanted = params.get(operation.secret_option) if operation.secret_option else False
    return bool(boolean(wanted or False, strict=False))


class ApiAction(QgAction):
    """Runs an operation on the control node; a delegated task runs as the module of the same name on its host."""

    operation: ClassVar[Operation]

    def selectors(self) -> tuple[str, ...]:
        """Return the selectors of the operation."""
        return self.operation.selectors

    def check_run(self, variables: Mapping[str, Any]) -> None:
        """Raise an error if this run must not execute the task; called first, also for a delegated task."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the operation, and return its result."""
        result = super().run(tmp, task_vars)
        operation, is_away = self.operation, self.delegated_away()
        self.check_run(task_vars or {})
        if is_away:
            params = {**from_this_environment(operation.spec), **self.given(operation.spec)}
        else:
            params = self.validated(operation.spec, dict(operation.rules))
        holds_secrets = _holds_secrets(operation, params)
        if is_away:
            if holds_secrets and not self._task.no_log:
                # At -vvv, the connection displays the result.
                raise AnsibleActionFail(
                    f"{operation.secret_option} in a delegated task needs no_log: set no_log=true on the task, "
                    "or run it on the control node."
                )
            result.update(self._execute_module(module_args=params, task_vars=task_vars))
        else:
            mode = self.mode(params, operation.spec)
            result.update(self.guarded(lambda: execute(operation, params, mode, self.explained)))
        if operation.reveal(result, params) or (holds_secrets and not result.get("failed")):
            # Ansible still registers the full result, but neither displays nor logs it.
            result["_ansible_no_log"] = True
        return result
