# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_proxy_check: many proxies tried from the host by one shell command, judged on the control node."""

from __future__ import annotations

from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.proxy_check import (
    Probe,
    Reply,
    commands,
    judge,
    parse,
    probe_from,
    too_few,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import redact
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import PROXY_API_OPTIONS, Spec
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import QgAction
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._ask import run_on_host

SPEC: Spec = {
    # Not used: defaults for the action group name them, and reach this module too.
    **{name: {**option, "required": False} for name, option in PROXY_API_OPTIONS.items()},
    "proxies": {"type": "list", "elements": "raw", "required": True},
    "url": {"type": "str", "default": "https://d.qg.net/ip"},
    "timeout": {"type": "float", "default": 10.0},
    "parallel": {"type": "int", "default": 50},
    "expect": {"type": "str", "choices": ["any", "lease"], "default": "any"},
    "min_working": {"type": "int"},
}


class ActionModule(QgAction):
    """Asks over the task's connection, also where the task is delegated."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """What each proxy did, and which of them work."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        params = self.validated(SPEC)
        return {**result, **redact(self.guarded(lambda: self._check(params)), params, SPEC)}

    def _check(self, params: dict[str, Any]) -> dict[str, Any]:
        probe = probe_from(params)
        found = judge(probe, self._ask(probe))
        complaint = too_few(probe, found)
        failure = {"failed": True, "msg": complaint} if complaint else {}
        return {"changed": False, **found, **failure}

    def _ask(self, probe: Probe) -> dict[str, Reply]:
        replies: dict[str, Reply] = {}
        for command in commands(probe):
            outcome = run_on_host(self, command.script, "no proxy can be checked from it: check from another host")
            heard = parse(outcome.printed, command)
            if not heard:
                raise QgError(outcome.end)
            # A shell that comes to its end early, for want of memory or processes, leaves some out.
            replies |= dict.fromkeys(command.servers, Reply(error=outcome.end)) | heard
        return replies
