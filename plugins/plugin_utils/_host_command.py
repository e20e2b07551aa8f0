# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shell commands that run on a host over its connection.

This file is private to the collection.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible.plugins.action import ActionBase
from ansible.plugins.connection import NetworkConnectionBase
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.detect import (
    DetectionRequest,
    DetectionResult,
    build_command,
    evaluate_quorum,
    parse_replies,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.shell import single_line


class NoShellError(QgError):
    """The host has no POSIX shell, so another attempt is useless."""


@dataclass(frozen=True)
class CommandResult:
    """The output of a command, and the error message for an output without any reply."""

    output: str
    error: str


def run_on_host(action: ActionBase, script: str, fix: str) -> CommandResult:
    """Run a POSIX shell command on the host; ``fix`` says what the user can do if the host has no such shell."""
    family = getattr(action._connection._shell, "SHELL_FAMILY", "sh")
    if family in ("powershell", "cmd"):
        raise NoShellError(f"The host has no POSIX shell, so {fix}.")
    # Such a connection would run the command on the control node, and its address would pass for that of the host.
    if isinstance(action._connection, NetworkConnectionBase):
        raise NoShellError(f"The host has no POSIX shell, because it is a network device, so {fix}.")
    result = action._low_level_execute_command(single_line(script), executable="/bin/sh")
    printed = one_line(result.get("stderr") or result["stdout"])[-200:]
    error = f"The host's shell ended with {result['rc']} and no response: {printed or 'it printed nothing'}."
    return CommandResult(result["stdout"], error)


def detect_egress(
    action: ActionBase,
    request: DetectionRequest,
    fix: str = "its egress address cannot be detected: give the address",
) -> DetectionResult:
    """Detect the egress address of a host, and evaluate the replies of its sources."""
    script, nonce = build_command(request)
    result = run_on_host(action, script, fix)
    replies = parse_replies(result.output, nonce, request)
    if not replies:
        raise QgError(result.error)
    return evaluate_quorum(replies, request)
