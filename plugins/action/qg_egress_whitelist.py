# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_egress_whitelist: registers the egress addresses of hosts, with one write for all hosts of a play."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.deadline_session import (
    MISSING_REQUESTS,
    REQUESTS_IMPORT_ERROR,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.clock import elapsed
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.processes import run_id
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import Wait
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.detect import DetectionRequest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import Claims, RunClaims
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import Store, StorePlace
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import redact
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import PROXY_API_OPTIONS, STORE_OPTIONS
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import Spec
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.batch import claims_for
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.host_operations import (
    adopt_registrations,
    apply_and_report,
    find_claim,
    forgotten_hosts,
    host_claim,
    submit_claim,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.pruning import find_unpruned, gone_hosts
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.run_summary import (
    Unpruned,
    common_reasons,
    complete_result,
    merge_results,
    reads_of,
    recorded_part,
    summary_line,
    without_repetition,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.turns import Turns
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import QgAction
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._announcer import show_once
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._host_command import UnusableHostError, detect_egress
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._run_scope import (
    CONTROL_NODE,
    check_inventory,
    inventory_hosts,
    inventory_id,
    run_age,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._run_variables import register_as, summary_of_play
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._sources import UNSET, variable_value
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._step_options import SPEC, StepOptions
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._variable_names import check_prefixed

#: The names of the strategy in which all hosts complete a task before the next one begins.
_IN_STEP = ("linear", "ansible.builtin.linear", "ansible.legacy.linear")
#: Strategies that run a task with run_once on every host.
_IGNORING_RUN_ONCE = ("free", "host_pinned")
#: The variables with the prefix that the steps set.
_SET = ("result", "summary")
#: The minimum seconds between the lines that sum up a run that goes on, as with serial.
_LINE_INTERVAL = 10.0
#: The recorded reason for a host whose command failed with an error of Ansible.
_NOT_RUN = "The command could not be run on the host; see its task."
#: Finds the option that a message is about: the first one in it.
_OPTION = re.compile(rf"\b(?:{'|'.join(name for name in SPEC if name not in ('step', 'vars_prefix'))})\b")


class ActionModule(QgAction):
    """Detects addresses over the connection of the host, and registers them from the control node."""

    _opened: Store | None = None
    #: The recorded reason for an error of Ansible, whose own text may quote the value of a variable.
    _safe_reason = "A variable of the host is wrong; see its task."
    #: Whether the host was unreachable in the step detect, and ignore_unreachable let it continue.
    _was_unreachable = False
    #: The hosts to forget, for which the step detect records its result instead of its own host.
    _recorded: Sequence[str] = ()

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the step of the task, and return its result, which has all of its keys even if the host has failed."""
        result = super().run(tmp, task_vars)
        if self._options.get("step") == "summarize":
            self._set_variable("summary")
            return {**result, **self.guarded(self._summarize)}
        try:
            self._adopt_prefixed()
            own = self._result_of_host()
        except AnsibleConnectionFailure as error:
            own = {"unreachable": True, "msg": one_line(str(error))}
        except (AnsibleActionFail, OptionError) as error:
            own = {"failed": True, "msg": one_line(str(error))}
        except AnsibleError as error:
            own = {"failed": True, "msg": one_line(str(error)), "reasons": [self._safe_reason]}
        own = complete_result(own)
        if own.get("failed") and self._has_failed_before():
            # The result of the first step remains. With run_once, the host must not fail, as in _without_request.
            text = f"Nothing was changed for {self._host}: see the error of its first step."
            return {**result, **without_repetition(complete_result({"failed": not self._task.run_once, "msg": text}))}
        self._record(own)
        # A host that acts for all hosts must not replace their results. The result of an unreachable host remains the
        # one from its first step: if this task returned the same, Ansible would treat the host as unreachable again.
        if not (self._was_unreachable or (self._task.run_once and self._options.get("step") == "register")):
            self._set_variable("result")
        return {**result, **without_repetition(own)}

    @property
    def _host(self) -> str:
        return str(self._variables["inventory_hostname"])

    def _has_failed_before(self) -> bool:
        """Whether the host has failed in the step detect of the role, and ignore_errors let it continue."""
        before = self._variables.get(f"{self._options.get('vars_prefix')}{_SET[0]}")
        is_register = self._options.get("step") == "register"
        return is_register and isinstance(before, Mapping) and before.get("failed") is True

    def _result_of_host(self) -> dict[str, Any]:
        params = self.validated(SPEC)
        if REQUESTS_IMPORT_ERROR is not None:
            return {"failed": True, "msg": MISSING_REQUESTS, "exception": REQUESTS_IMPORT_ERROR}
        if self._task.delegate_to:
            raise AnsibleActionFail(
                "qg_egress_whitelist acts for its own host and cannot be delegated. If only another host reaches the "
                "API, use qg_egress_ip_info and delegate qg_whitelist."
            )
        is_shared = StorePlace.of(params).is_shared and not params["forget"]
        params["inventory_id"] = inventory_id(params["inventory_id"], self._variables, is_shared=is_shared)
        self._mode = self.mode(params, SPEC)
        step = self._detect if params["step"] == "detect" else self._register
        self._safe_reason = _NOT_RUN
        own = self.guarded(lambda: step(StepOptions.parse(params)))
        return self.guarded(lambda: redact(own, params, SPEC))

    def selectors(self) -> tuple[str, ...]:
        """Return ips: without it, the host detects its addresses, or all of its registered addresses are removed."""
        return ("ips",)

    def explained(self, message: str) -> str:
        """Return a message, prefixed with the option's variable, which users of the role set instead."""
        prefix, found = self._options.get("vars_prefix"), _OPTION.search(message)
        if not prefix or not found or found[0] in self._own_options:
            return message
        return f"{self.origin(found[0]) or prefix + found[0]}: {message}"

    def option_place(self) -> str:
        """Return the variable of an option for messages."""
        prefix = self._options.get("vars_prefix")
        return f"variable {prefix}{{}}" if prefix else super().option_place()

    def _adopt_prefixed(self, spec: Spec = SPEC) -> None:
        """Set options that the task omits from variables with its vars_prefix.

        For many hosts, this is much faster than a template for each option in the task: only existing variables are
        evaluated. They have precedence over module_defaults, since they can be specific to a host.
        """
        arguments, variables = self._options, self._variables
        prefix = arguments.get("vars_prefix")
        if prefix and spec is SPEC:
            check_prefixed(prefix, set(variables), {f"{prefix}{name}" for name in (*SPEC, *_SET)})
        levels = self.default_levels() if prefix else []
        defaults = {name: value for level in levels for name, value in level.items()}
        #: Options that the task or module_defaults have set, and not a variable.
        self._own_options = set(arguments)
        for option in spec if prefix else ():
            name = f"{prefix}{option}"
            if name in variables and arguments.get(option) == defaults.get(option):
                value = variable_value(name, variables, self._templar)
                # Null counts as unset, except for a selector, where it is an error.
                unset = (UNSET,) if option in self.selectors() else (UNSET, None)
                if not any(value is each for each in unset) and not (value == "" and option in PROXY_API_OPTIONS):
                    arguments[option] = value
                    self._own_options.discard(option)

    def _detect(self, options: StepOptions) -> dict[str, Any]:
        if self._acts_for_others():
            raise QgError(
                "run_once is refused for the step detect, because it would leave the other hosts out: limit the play "
                "to one host instead."
            )
        source_replies: list[dict[str, Any]] = []
        ips, detection = options.ips, options.detection
        claims, run, host, variables = self._claims(options), run_id(), self._host, self._variables
        if options.forget:
            return self._submit_forgotten(options, claims)
        gone: dict[str, list[str]] = {}
        if options.host.prune:
            check_inventory(context.CLIARGS.get("subset") or variables.get("ansible_limit"), variables)
            began = claims.store.now() - run_age()
            find_hosts = partial(inventory_hosts, variables, options.prune_groups)
            gone = gone_hosts(claims, options.host, run, began, find_hosts)
        if detection:
            claims.cancel(run, host)
            try:
                result = detect_egress(self, detection)
            except QgError as error:
                if options.host.fail:
                    raise
                return {"source_replies": [], "reasons": [error.message], "warnings": [error.message], **error.details}
            ips, source_replies = tuple(result.ips), result.source_replies
        adopted: list[dict[str, str]] = []
        # With a shared state, localhost is another machine in each inventory.
        if options.adopt and not (host in CONTROL_NODE and options.host.api.store.is_shared):
            adopted = adopt_registrations(claims, options.host, host, ips, self._mode)
        # In check mode, they still belong to the other inventories.
        adopts = bool(adopted) and self._mode.check
        claim = host_claim(options.host, run, host, ips, detected=detection is not None, gone=gone, adopt=adopts)
        submitted = submit_claim(claims, claim, options.host, self._mode, self._task_in_step())
        found = {"ips": list(ips), "source_replies": source_replies, **submitted}
        return {"changed": bool(adopted), **found, "adopted": adopted}

    def _submit_forgotten(self, options: StepOptions, claims: Claims) -> dict[str, Any]:
        """Make the claims of hosts that need not be in the inventory."""
        if len(self._variables.get("ansible_play_hosts_all") or ()) > 1:
            raise OptionError(
                "forget names the hosts to deregister, and is refused in a play with several hosts: run it on one host "
                "alone, such as localhost."
            )
        self._recorded = forgotten_hosts(claims, options.host, options.forget)
        for name in self._recorded:
            submit_claim(claims, host_claim(options.host, run_id(), name, ()), options.host, self._mode, None)
        return {}

    def _task_in_step(self) -> str | None:
        """Return the task's identifier, which is the same for all hosts, if the strategy runs them in lockstep."""
        in_step = self._task.get_play().strategy in _IN_STEP
        return str(self._task._uuid) if in_step else None

    def _register(self, options: StepOptions) -> dict[str, Any]:
        claims, run, host = self._claims(options), run_id(), self._host
        if self._acts_for_others() and not RunClaims(claims.store, run).is_in_sync():
            raise QgError(
                "run_once is true for the step register although changes are pending, so that other hosts would get no "
                "result: use the lookup qingguo.qgnet.egress_in_sync as its value, or remove run_once."
            )
        claim = None if options.forget else find_claim(claims, options.host, run, host)
        if claim:
            result = apply_and_report(Turns(claims), claim, options.host, self._mode)
        elif options.forget:
            result = self._apply_forgotten(options, claims)
        else:
            return self._without_claim(claims, run, host, fail=options.host.fail)
        if options.adopt:
            result["adopted"] = (RunClaims(claims.store, run).get(host) or {}).get("adopted", [])
        if result.get("failed") is False:
            result.setdefault("warnings", []).append(result.pop("msg"))
        verify = options.verification if options.host.state == "present" and not self._task.check_mode else None
        if verify and not result.get("unregistered") and not result.get("failed"):
            try:
                result["exit_ips"] = self._verify_through_proxy(verify, options.verify_wait)
            except QgError as error:
                # The result still contains the changes of the whitelist.
                result.update({**error.as_result(), "reasons": [error.message], "failed": True})
            except AnsibleConnectionFailure as error:
                text = f"The host became unreachable before {verify.proxy} was verified: {one_line(str(error))}"
                result.update({"unreachable": True, "msg": text, "reasons": [text]})
            except AnsibleError as error:
                result.update({"failed": True, "msg": one_line(str(error)), "reasons": [_NOT_RUN]})
        return result

    def _apply_forgotten(self, options: StepOptions, claims: Claims) -> dict[str, Any]:
        """Deregister the hosts to forget, and return their common result."""
        found = [find_claim(claims, options.host, run_id(), name) for name in dict.fromkeys(options.forget)]
        # The first one writes for all.
        results = {own.host: apply_and_report(Turns(claims), own, options.host, self._mode) for own in found if own}
        for name, own in results.items():
            RunClaims(claims.store, run_id()).finish(name, recorded_part(complete_result(own)))
        return merge_results(list(results.values()))

    def _without_claim(self, claims: Claims, run: str, host: str, *, fail: bool) -> dict[str, Any]:
        """Return the result of a host that has made no claim, with the reasons from its first step.

        This happens if Ansible ignores the failure of the first step. With run_once, the host must not fail, because
        all others would fail with it.
        """
        before = RunClaims(claims.store, run).get(host) or {}
        reasons: list[str] = before.get("reasons") or []
        self._was_unreachable = bool(before.get("unreachable"))
        text = f"No egress address of {host} is known, and therefore nothing was changed for it."
        if self._was_unreachable:
            text = f"Nothing was changed for {host}, because it was unreachable: {' '.join(reasons)}"
        elif fail and not reasons:
            raise QgError(f"No egress address of {host} was submitted in this run: run the step detect first.")
        elif fail and not self._task.run_once:
            return {"failed": True, "msg": " ".join(reasons), "reasons": reasons}
        return {"reasons": reasons or [text], "warnings": [text]}

    def _acts_for_others(self) -> bool:
        """Whether Ansible runs this task only on this host of several."""
        is_followed = self._task.get_play().strategy.rpartition(".")[2] not in _IGNORING_RUN_ONCE
        return bool(self._task.run_once and is_followed and len(self._variables.get("ansible_play_batch") or ()) > 1)

    def _summarize(self) -> dict[str, Any]:
        """Return the summary of the hosts of the play. It must not fail: that would hide earlier failures."""
        results: dict[str, dict[str, Any] | None] = {}
        warnings = []
        unpruned = Unpruned()
        try:
            results = RunClaims(self._state(), run_id()).of_play(_play_id(self._task))
            unpruned = find_unpruned(self._state(), run_id())
        except QgError as error:
            warnings.append(error.message)
        except AnsibleError:
            warnings.append("The summary is incomplete, because store cannot be evaluated.")
        prefix = self._options.get("vars_prefix") or ""
        is_shared = self._task_in_step() is not None
        summary = summary_of_play(self._variables, results, unpruned, warnings, prefix=prefix, is_shared=is_shared)
        line = summary_line(summary, check=bool(self._task.check_mode))
        if not self._task.no_log:
            self._show([line, *common_reasons(summary)], is_complete=not summary["pending_hosts"])
        return {**summary, "msg": line}

    def _show(self, lines: Sequence[str], *, is_complete: bool) -> None:
        """Show the outcome of the run: once if it is complete, and at intervals as long as hosts are pending."""
        owner = (self._options.get("vars_prefix") or "").rstrip("_") or self._name
        text = "\n".join(f"{owner}: {line}" for line in lines)
        if is_complete:
            show_once(text, f"{_play_id(self._task)} {self._task_in_step()} {text}", math.inf)
        else:
            show_once(text, _play_id(self._task), _LINE_INTERVAL)

    def _record(self, own: dict[str, Any]) -> None:
        """Store the result of the host for the summary. Other steps report a state that cannot be used."""
        host = self._host
        with contextlib.suppress(QgError, AnsibleError):
            results = RunClaims(self._state(), run_id())
            if self._options.get("step") == "register":
                earlier = results.get(host) or own
                if own["reasons"] and not own["ips"]:
                    own["ips"] = earlier["ips"]
                was_unreachable = {"unreachable": True} if self._was_unreachable else {}
                results.finish(host, {**recorded_part(own), **was_unreachable, **reads_of(earlier)})
            else:
                final = bool(own["registered"] or own["reasons"])
                for name in self._recorded or [host]:
                    results.begin(name, _play_id(self._task), self._task_in_step(), recorded_part(own), final=final)

    def _set_variable(self, name: str) -> None:
        if prefix := self._options.get("vars_prefix"):
            register_as(self._task, f"{prefix}{name}")

    def _claims(self, options: StepOptions) -> Claims:
        api = options.host.api
        self._opened = api.store.open(api.transport.max_wait, self._mode.announcer)
        return claims_for(api, self._opened, check=self._mode.check)

    def _state(self) -> Store:
        """Return the state, even if options other than those of the state are wrong."""
        if self._opened is None:
            self._adopt_prefixed(STORE_OPTIONS)
            self.adopt_variables(STORE_OPTIONS)
            self._opened = _open_state(self._options)
        return self._opened

    def _verify_through_proxy(self, request: DetectionRequest, max_wait: float) -> list[str]:
        """Return the exits of the proxy; retry for ``max_wait``, since a change may take effect with a delay."""
        began = elapsed()
        fix = "the proxy cannot be verified from it: leave verify_proxy out"
        wait = Wait(f"{request.proxy} does not let the host through yet", max_wait, option="verify_wait")
        while True:
            before = elapsed()
            try:
                return detect_egress(self, request, fix).ips
            except UnusableHostError:
                raise
            except QgError as error:
                now = elapsed()
                left = wait.after(now - began)
                if left.allowed < 1:
                    raise QgError(
                        f"The address is on the whitelist, but {request.proxy} does not let the host through: "
                        f"{error.message}",
                        **error.details,
                    ) from None
            self._mode.announcer.passed(now - before, left)
            self._mode.announcer.sleep(1, left)


def _play_id(task: Any) -> str:
    return str(task.get_play()._uuid)


def _open_state(arguments: Mapping[str, Any]) -> Store:
    """Open the state that the task's options specify, or the default one."""
    given = {name: arguments[name] for name in STORE_OPTIONS if arguments.get(name) is not None}
    validation = ArgumentSpecValidator(STORE_OPTIONS).validate(given)
    if validation.error_messages:
        raise OptionError("; ".join(validation.error_messages))
    return StorePlace.of(validation.validated_parameters).open(max_wait=0)
