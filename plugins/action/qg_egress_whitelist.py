# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_egress_whitelist: a host's egress addresses on the whitelist, one write for all hosts of a play."""

from __future__ import annotations

import re
import time
from typing import Any

import ansible.errors
from ansible.errors import AnsibleActionFail
from ansible.module_utils.basic import missing_required_lib
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.bounded_session import REQUESTS_IMPORT_ERROR
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.validation import (
    check_addresses,
    check_range,
    check_url,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.detect import Question, question_from
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.runs import run_id
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.write_queue import WriteQueue
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import redact
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import (
    EGRESS_OPTIONS,
    PROXY_API_OPTIONS,
    Spec,
    check_proxy_api,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.batch import queue_for
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.host_operations import (
    apply_and_report,
    find_request,
    host_request,
    submit_host,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import QgAction
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._ask import ask

#: What the template of an omitted value raises from ansible-core 2.19 on; before, it is the value of "omit".
_OMITTED: Any = getattr(ansible.errors, "AnsibleValueOmittedError", ())

#: Where module_defaults may set options of this module, the one that wins last.
_DEFAULTS_OF = ("group/qingguo.qgnet.qg", "qingguo.qgnet.qg_egress_whitelist")

#: The strategy in which all hosts are through with a task before the next one begins.
_IN_STEP = ("linear", "ansible.builtin.linear", "ansible.legacy.linear")

SPEC: Spec = {
    "step": {"type": "str", "choices": ["detect", "register"], "required": True},
    "vars_prefix": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "ips": {"type": "list", "elements": "str"},
    "detect": {"type": "bool", "default": True},
    "inventory_id": {"type": "str"},
    "max_removals": {"type": "int", "default": 10},
    "fail": {"type": "bool", "default": True},
    "verify_proxy": {"type": "str"},
    "verify_url": {"type": "str"},
    "verify_wait": {"type": "float", "default": 30.0},
    **EGRESS_OPTIONS,
    **PROXY_API_OPTIONS,
}
#: The option that a message is about: the first that it names.
_OPTION = re.compile(rf"\b(?:{'|'.join(name for name in SPEC if name not in ('step', 'vars_prefix'))})\b")


class ActionModule(QgAction):
    """Detecting runs over the host's connection; registering runs on the control node alone."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of the step that the task names."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        self._adopt_variables(variables)
        params = self.validated(SPEC)
        if REQUESTS_IMPORT_ERROR is not None:
            return {
                **result,
                "failed": True,
                "msg": missing_required_lib("requests"),
                "exception": REQUESTS_IMPORT_ERROR,
            }
        if self._task.delegate_to:
            raise AnsibleActionFail(
                "qg_egress_whitelist speaks for the host it runs for and cannot be delegated. Where only another host "
                "reaches the API, use qg_egress_ip_info and delegate qg_whitelist."
            )
        params["inventory_id"] = params["inventory_id"] or _inventory_id(variables)
        step = self._detect if params["step"] == "detect" else self._register

        def checked() -> dict[str, Any]:
            try:
                _check(params)
                return step(params, variables)
            except OptionError as error:
                raise OptionError(self.explained(error.message), **error.details) from None

        own = self.guarded(checked)
        return {**result, **self.guarded(lambda: redact(own, params, SPEC))}

    def selectors(self) -> tuple[str, ...]:
        """Without addresses the host is asked, or all that is remembered for it removed."""
        return ("ips",)

    def explained(self, message: str) -> str:
        """The message, headed by the variable that the option is taken from: a user of the role knows no other name."""
        prefix, found = self._task.args.get("vars_prefix"), _OPTION.search(message)
        if not prefix or not found or found[0] in self._own_options:
            return message
        return f"{prefix}{found[0]}: {message}"

    def _adopt_variables(self, variables: dict[str, Any]) -> None:
        """Options that the task leaves out are taken from the variables that it names.

        For a fleet this is much cheaper than to write each of them into the task as a template: only those are
        evaluated that somebody set. They say more of a host than the defaults of a play do.
        """
        arguments = self._task.args
        prefix = arguments.get("vars_prefix")
        defaults = self._defaults() if prefix else {}
        #: Options that the task or module_defaults set, and no variable.
        self._own_options = set(arguments)
        for option in SPEC if prefix else ():
            name = f"{prefix}{option}"
            if name in variables and arguments.get(option) == defaults.get(option):
                try:
                    value = self._templar.template(variables[name])
                except _OMITTED:
                    continue
                # A variable that is null is not set, but for an option that selects.
                if option in self.selectors() if value is None else value != variables.get("omit"):
                    arguments[option] = value
                    self._own_options.discard(option)

    def _defaults(self) -> dict[str, Any]:
        """What module_defaults set for this module; Ansible has put it into the task's options already."""
        merged: dict[str, Any] = {}
        for entry in self._task.module_defaults or ():
            merged.update(entry)
        found = {name: self._templar.template(merged[name]) for name in _DEFAULTS_OF if merged.get(name)}
        return {option: value for options in found.values() for option, value in options.items()}

    def _detect(self, params: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        answers: list[dict[str, Any]] = []
        ips = _known_addresses(params)
        queue, run, host = self._queue(params), run_id(), variables["inventory_hostname"]
        detected = not ips and params["detect"]
        if detected:
            question = question_from(params)
            queue.cancel(run, host)
            try:
                verdict = ask(self, question)
            except QgError as problem:
                if params["fail"]:
                    raise
                nothing = {"changed": False, "ips": [], "source_replies": [], "registered": []}
                return {**nothing, "warnings": [problem.message], **problem.details}
            ips, answers = tuple(verdict.ips), verdict.answers
        request = host_request(params, run, host, ips, detected=detected)
        registered = submit_host(queue, request, params, self.mode(), self._task_in_step())
        return {"changed": False, "ips": list(ips), "source_replies": answers, "registered": registered}

    def _task_in_step(self) -> str | None:
        """This task, the same for all hosts, where each host is through with it before any goes on to the next."""
        in_step = self._task.get_play().strategy in _IN_STEP
        return str(self._task._uuid) if in_step else None

    def _register(self, params: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        queue, run, host = self._queue(params), run_id(), variables["inventory_hostname"]
        request = find_request(queue, params, run, host)
        if request is None:
            if params["fail"]:
                raise QgError(f"No egress address of {host} was submitted in this run: run the step detect first.")
            text = f"No egress address of {host} is known, and therefore none was registered."
            return {
                "changed": False,
                "ips": [],
                "registered": [],
                "unregistered": [],
                "obsolete": [],
                "warnings": [text],
            }
        result = apply_and_report(queue, request, params, self.mode())
        if "summary" in result:
            if "diff" in result["summary"]:
                result["diff"] = result["summary"].pop("diff")
            lost = _lost(variables, queue.hosts(run))
            result["summary"]["unregistered_hosts"] = lost
            if lost:
                result["warnings"] = [f"Failed or unreachable before, and therefore not registered: {', '.join(lost)}."]
        if result.get("failed") is False:
            result.setdefault("warnings", []).append(result.pop("msg"))
        proof = params["verify_proxy"] and params["state"] == "present" and not self._task.check_mode
        if proof and not result.get("unregistered") and not result.get("failed"):
            try:
                result["exit_ips"] = self._prove(params)
            except QgError as problem:
                # What was done to the whitelist is reported all the same.
                result.update({**problem.as_result(), "failed": True})
        return result

    def _queue(self, params: dict[str, Any]) -> WriteQueue:
        return queue_for(params, State(params["state_dir"], params["max_wait"]), check=self.mode().check)

    def _prove(self, params: dict[str, Any]) -> list[str]:
        """Ask an echo service through the proxy until it answers: the vendor needs a moment after a change."""
        question = _proof(params)
        give_up = time.monotonic() + params["verify_wait"]
        while True:
            try:
                return ask(self, question).ips
            except QgError as problem:
                if time.monotonic() + 1 > give_up:
                    raise QgError(
                        f"The address is on the whitelist, but {params['verify_proxy']} does not let the host through: "
                        f"{problem.message}",
                        **problem.details,
                    ) from None
            time.sleep(1)


def _check(params: dict[str, Any]) -> None:
    """Find every mistake in the options, whichever step uses them, before a host or the vendor is asked."""
    check_proxy_api(params)
    if not _known_addresses(params):
        if params["detect"]:
            question_from(params)
        elif params["state"] == "present":
            raise OptionError(
                "ips is missing and detect is false: give the host's addresses in ips, or set detect to true."
            )
    for option in ("verify_proxy", "verify_url"):
        if params[option]:
            check_url(option, params[option])
    check_range("verify_wait", params["verify_wait"], 0, 600)
    if params["max_removals"] < 0:
        raise OptionError(f"max_removals={params['max_removals']} is out of range: give 0 or more.")
    if params["verify_proxy"]:
        if "@" in params["verify_proxy"]:
            raise OptionError("verify_proxy holds a user name: leave it out, the whitelist is what lets the host in.")
        _proof(params)


def _known_addresses(params: dict[str, Any]) -> tuple[str, ...]:
    """The addresses of the host that its options give."""
    only_global = params["state"] == "present" and not params["allow_non_global"]
    return check_addresses("ips", params["ips"] or (), only_global=only_global)


def _proof(params: dict[str, Any]) -> Question:
    """The question that a host asks through ``verify_proxy``."""
    return question_from(
        {
            **params,
            "sources": [params["verify_url"]] if params["verify_url"] else params["sources"][:1],
            "quorum": 1,
            "samples": 1,
            "family": None,
            "proxy": params["verify_proxy"],
        }
    )


def _inventory_id(variables: dict[str, Any]) -> str:
    """The inventories that are in use: a host of the same name in another inventory is another host."""
    return "\n".join(str(source) for source in variables.get("ansible_inventory_sources") or ["unnamed"])


def _lost(variables: dict[str, Any], known: set[str]) -> list[str]:
    """Hosts of the play that dropped out of it before they were registered."""
    alive = set(variables.get("ansible_play_hosts") or ())
    return sorted(host for host in variables.get("ansible_play_hosts_all") or () if host not in alive | known)
