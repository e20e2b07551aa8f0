# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_proxy_check: checks many proxies from a host with one shell command, and evaluates the replies."""

from __future__ import annotations

from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.proxy_check import (
    ProxyCheckRequest,
    ProxyReply,
    build_commands,
    describe_shortage,
    evaluate,
    parse_replies,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import redact
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import Spec
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import QgAction
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._host_command import run_on_host

SPEC: Spec = {
    "proxies": {"type": "list", "elements": "raw", "required": True},
    "url": {"type": "str", "default": "https://d.qg.net/ip"},
    "timeout": {"type": "float", "default": 10.0},
    "parallel": {"type": "int", "default": 50},
    "expect": {"type": "str", "choices": ["any", "lease"], "default": "any"},
    "min_working": {"type": "int"},
}


class ActionModule(QgAction):
    """Checks proxies over the task's connection, also if the task is delegated."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the check of each proxy, and the working ones."""
        result = super().run(tmp, task_vars)
        params = self.validated(SPEC)
        return {**result, **redact(self.guarded(lambda: self._check(params)), params, SPEC)}

    def _check(self, params: dict[str, Any]) -> dict[str, Any]:
        request = ProxyCheckRequest.parse(params)
        result = evaluate(request, self._run_commands(request))
        error = describe_shortage(request, result)
        failure = {"failed": True, "msg": error} if error else {}
        return {"changed": False, **result, **failure}

    def _run_commands(self, request: ProxyCheckRequest) -> dict[str, ProxyReply]:
        replies: dict[str, ProxyReply] = {}
        for command in build_commands(request):
            result = run_on_host(
                self,
                command.script,
                "no proxy can be checked from it: check from another host",
                what="The check of proxies from {}",
                seconds=request.max_seconds(command),
            )
            received = parse_replies(result.output, command)
            if not received:
                raise QgError(result.error)
            # A shell that ends early, for lack of memory or processes, omits some replies.
            replies |= dict.fromkeys(command.targets, ProxyReply(error=result.error)) | received
        return replies
