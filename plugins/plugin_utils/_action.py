# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs an operation as an action plugin, in the worker process on the control node.

Its counterpart for delegated tasks is ``module_utils/_task/module.py``. No module is sent to the
host, so the key never leaves the control node, and the host needs neither Python nor requests.
"""

from __future__ import annotations

import contextlib
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible import constants, context
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    MissingOption,
    OptionError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import SILENT, set_actor
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import (
    extra_var,
    format_sample,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import (
    GROUP_OPTIONS,
    SHARED_OPTIONS,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    DEFAULT,
    TASK,
    UNSET,
    Mode,
    Operation,
    Spec,
    environment_name,
    execute,
    explained,
    from_this_environment,
    given_options,
    guarded,
    plain,
    read_options,
    variable_name,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._variables import (
    check_extra_variables,
    check_role_parameters,
    check_settings,
    owners_of,
    variable_value,
)

_GROUP = "group/qingguo.qgnet.qg"
#: The names of the control node in inventories.
HERE = ("localhost", "127.0.0.1", "::1")
#: Why a run may lack hosts, and what fails it then.
UNREAD_SOURCE = "Ansible would go on without the hosts of an inventory source that cannot be read"
REQUIRE_SOURCES = "set ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=true"


class QgAction(ActionBase):
    """The base of all actions: options from tasks and variables, and results without secrets."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    #: The options that select objects.
    selectors: tuple[str, ...] = ()

    @property
    def _name(self) -> str:
        return str(self._task.action).rpartition(".")[2]

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return Ansible's initial result, with that of the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self._variables = task_vars or {}
        #: The options of the task.
        self._args: dict[str, Any] = dict(self._task.args)
        #: The options that a variable set, with its name.
        self._set_by: dict[str, str] = {}
        sources = self.inventory_sources()
        set_actor(
            host=str(self._variables.get("inventory_hostname", "")),
            sources=sources,
            is_default_inventory=sources == constants.DEFAULT_HOST_LIST,
        )
        result.update(self.act())
        return result

    @abstractmethod
    def act(self) -> dict[str, Any]:
        """Do the work, and return its result."""

    def inventory_sources(self) -> list[str]:
        """Return the paths and lists of hosts that the run has as its inventory."""
        return [str(source) for source in self._variables.get("ansible_inventory_sources") or ()]

    def inventory(self, params: Mapping[str, Any]) -> str:
        """Return the name of the inventory with which the store records hosts."""
        return params["inventory_id"] or ", ".join(self.inventory_sources()) or "unnamed"

    def limit(self) -> str:
        """Return the hosts to which --limit restricts the run; empty if it leaves all."""
        limit = context.CLIARGS.get("subset") or self._variables.get("ansible_limit")
        text = str(limit or "").strip()
        return "" if text in ("all", "*") else text

    def given(self, spec: Spec) -> dict[str, Any]:
        """Return the options of the task, without defaults of the action group for others."""
        environment = set[str]()
        for variables in self._task.environment or ():
            environment.update(variables)
        try:
            others = check_settings(self._variables.keys(), environment)
            extra = load_extra_vars(self._loader)
            check_extra_variables(self._playbook(), extra, self._variables)
        except OptionError as error:
            # A task that runs once ends the play for all hosts.
            host = self._variables.get("inventory_hostname", "localhost")
            fix = f"{error.fix}. This task has run for {host}"
            raise OptionError(error.option, error.problem, fix) from None
        for name in others:
            self.mode().announcer(f"{name} in the environment has no effect", "it is no setting")
        role = getattr(self._task, "_role", None)
        if role is not None:
            given = (*role.get_role_params(), *role.vars)
            check_role_parameters(role.get_name(include_role_fqcn=False), given)
        defaults = set[str]()
        for entry in self._task.module_defaults or ():
            defaults.update(entry.get(_GROUP) or ())
        foreign = defaults & GROUP_OPTIONS.keys() - spec.keys()
        return {name: value for name, value in self._args.items() if name not in foreign}

    def _playbook(self) -> Path:
        """Return the path of the playbook that the task belongs to."""
        return Path(self._task.get_play().get_path().rpartition(":")[0]).resolve()

    def variable(self, option: str) -> Any:
        """Return the value of the variable of an option."""
        for name in self.variable_names(option):
            value = variable_value(name, self._variables.get(name, UNSET), self._templar)
            if value is not UNSET:
                self._set_by[option] = name
                return value
        return UNSET

    def variable_names(self, option: str) -> list[str]:
        """Return the names of the variables of an option: they begin with vars_prefix if the option
        is one of this action alone, or with qg_.
        """
        prefix = self._args.get("vars_prefix")
        names = []
        if prefix and option not in GROUP_OPTIONS:
            names.append(f"{prefix}{option}")
        if option in SHARED_OPTIONS:
            names.append(variable_name(option))
        return names

    def origin(self, option: str) -> str:
        """Return what has set an option: a variable of either kind, the task or the default."""
        if option in self._set_by:
            return self._set_by[option]
        if option in self._args:
            return TASK
        name = environment_name(option)
        return name if os.environ.get(name) else DEFAULT

    def validated(self, spec: Spec) -> dict[str, Any]:
        """Return the options as their types."""
        return self._explaining(lambda: read_options(spec, self.given(spec), **self._sources))

    def _explaining(self, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return options; a mistake in them fails the task."""
        try:
            return read()
        except OptionError as error:
            message = explained(error, self.origin)
            if isinstance(error, MissingOption):
                message += self.elsewhere(error.option)
        # Within the handler, ansible-core 2.16 would show a traceback at -vvv.
        raise AnsibleActionFail(message)

    def elsewhere(self, option: str) -> str:
        """Return which groups of the inventory set an option that the control node lacks."""
        if self._variables.get("inventory_hostname") not in HERE:
            return ""
        name = variable_name(option)
        owners = owners_of(self._owners(option), self._variables["groups"])
        if not owners:
            return ""
        return (
            f" In the inventory, {format_sample(owners)} set {name}, and localhost does not: run "
            f"playbooks of the collection with {extra_var('qg_hosts', owners[0])}, and other tasks "
            "on these hosts."
        )

    def check_cap(self, params: Mapping[str, Any]) -> None:
        """Refuse to buy without a cap if other hosts of the inventory have one for the same key."""
        if params["max_new_per_day"] is not None:
            return
        hosts = []
        for host, variables in self._owners("max_new_per_day").items():
            # A key that is not known may be the same one.
            key = os.environ.get(environment_name("key"))
            with contextlib.suppress(AnsibleError):
                key = plain(variables.get(variable_name("key"), key))
            if key is None or key == params.get("key", key):
                hosts.append(host)
        if hosts:
            name = variable_name("max_new_per_day")
            owners = owners_of(hosts, self._variables["groups"])
            host = self._variables["inventory_hostname"]
            raise AnsibleActionFail(
                f"max_new_per_day is not set for {host}, and {format_sample(owners)} set {name}: "
                f"set {name} for all hosts, in group_vars/all of the inventory, or run playbooks "
                f"of the collection with {extra_var('qg_hosts', owners[0])}."
            )

    def _owners(self, option: str) -> dict[str, Mapping[str, Any]]:
        """Return the variables of the hosts of the inventory that set the variable of an option."""
        hostvars = self._variables.get("hostvars") or {}
        owners = {}
        for host in self._variables.get("groups", {}).get("all", ()):
            variables = hostvars[host]
            if variable_name(option) in variables:
                owners[host] = variables
        return owners

    @property
    def _sources(self) -> dict[str, Any]:
        place = "option of the task or of module_defaults"
        return {"place": place, "variable": self.variable, "selectors": self.selectors}

    def guarded(self, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the result of the work, or a failed result; Ansible's own errors propagate."""
        return guarded(work, (AnsibleError,), self.origin)

    def mode(self) -> Mode:
        """Return the modes of the task, and its announcer."""
        announcer = SILENT if self._task.no_log else self._announce
        return Mode(
            check=bool(self._task.check_mode),
            diff=bool(self._task.diff),
            announcer=announcer,
            origin=self.origin,
        )

    def _announce(self, reason: str, detail: str) -> None:
        # Imported only for a wait.
        from ansible_collections.qingguo.qgnet.plugins.plugin_utils._announcer import run_announcer

        run_announcer(self._name)(reason, detail)

    def check_every_host(self) -> None:
        """Refuse run_once where each host has to do its part."""
        hosts = self._variables.get("ansible_play_batch", ())
        if self._task.run_once and len(hosts) > 1:
            fix = f"leave it out, so that the role runs for all of {format_sample(sorted(hosts))}"
            raise OptionError("run_once", "=true would let the role run for one host alone", fix)

    def delegated_away(self) -> bool:
        """Whether the task was delegated to another machine."""
        target = self._task.delegate_to
        return bool(target) and not (target in HERE and self._connection.transport == "local")


class ApiAction(QgAction):
    """Runs an operation on the control node, or for a delegated task the module on its host.

    Each module has an action of its own: Ansible's main process loads it by the name of the module,
    and with it what its operation needs, before it forks a worker for each host.
    """

    operation: ClassVar[Operation]

    def act(self) -> dict[str, Any]:
        """Run the operation, and return its result."""
        return self.perform(self.operation)

    def perform(self, operation: Operation) -> dict[str, Any]:
        """Run an operation with the options of the task, and return its result."""
        self.selectors = operation.selectors
        # The module on another host reads them again, but its sentence about a mistake would be
        # Ansible's.
        params = self.validated(operation.spec)
        if operation.may_buy(params):
            self.check_cap(params)
        if self.delegated_away():
            spec = operation.spec
            given = self._explaining(lambda: given_options(spec, self.given(spec), **self._sources))
            params = {**from_this_environment(operation.spec), **given}
            has_secrets = _is_true(params.get(operation.secret_option or ""))
            if has_secrets and not operation.reveal and not self._task.no_log:
                # At -vvv, the connection displays the result.
                raise AnsibleActionFail(
                    f"{operation.secret_option} in a delegated task needs no_log: set no_log=true "
                    "on the task, or run it on the control node."
                )
            result: dict[str, Any] = self._execute_module(
                module_args=params, task_vars=self._variables
            )
        else:
            result = self.guarded(lambda: execute(operation, params, self.mode()))
        # A result that is hidden would hide the reason of a failure.
        if _is_true(params.get(operation.secret_option or "")) and not result.get("failed"):
            if operation.reveal and params.get("password"):
                operation.reveal(result, str(params["key"]), str(params["password"]))
            # Ansible still registers the full result, but neither displays it nor hands it to
            # callbacks.
            result["_ansible_no_log"] = True
            # Before ansible-core 2.19, callbacks get the result of a whole loop unless the task
            # itself says so.
            self._task.no_log = True
        return result


def _is_true(value: object) -> bool:
    """Whether a boolean option is true, which is text of the playbook in a delegated task."""
    return bool(boolean(value or False, strict=False))
