# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs shell commands on a host over its connection, within limits that the control node enforces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._host_limits import (
    MAX_OUTPUT,
    OutputLimitExceeded,
    TimeLimitExceeded,
    run_limited,
)

#: Seconds that a command may take in addition to its requests: for the login, and on a slow or busy machine.
MARGIN = 30.0
#: Ansible's default for the timeout of a connection in seconds.
_CONNECT_SECONDS = 10
#: The maximum number of characters of a host's output that are processed for a message.
_MAX_PRINTED = 4000


class UnusableHostError(QgError):
    """The host has no POSIX shell, or does not observe a limit, so another attempt is useless."""


@dataclass(frozen=True)
class CommandResult:
    """The output of a command, and the error message in case the output contains no reply."""

    output: str
    error: str


def run_on_host(action: ActionBase, script: str, fix: str, *, what: str, seconds: float) -> CommandResult:
    """Run a POSIX shell command on the host.

    ``fix`` says what the user can do if the host has no such shell. ``what`` is the name of the command in messages,
    with ``{}`` for the host. The time limit is the sum of ``seconds``, which its requests may take, the time to connect
    and MARGIN; after that, the host is disconnected.
    """
    family = getattr(action._connection._shell, "SHELL_FAMILY", "sh")
    if family in ("powershell", "cmd"):
        raise UnusableHostError(f"The host has no POSIX shell, so {fix}.")
    # Such a connection would run the command on the control node, whose address would pass as that of the host.
    if isinstance(action._connection, NetworkConnectionBase):
        raise UnusableHostError(f"The host has no POSIX shell, because it is a network device, so {fix}.")
    result = _execute(action, single_line(script), what, seconds)
    printed = one_line((result.get("stderr") or result["stdout"])[-_MAX_PRINTED:])[-200:]
    error = f"The host's shell ended with {result['rc']} and no response: {printed or 'it printed nothing'}."
    return CommandResult(result["stdout"], error)


def _execute(action: ActionBase, command: str, what: str, seconds: float) -> dict[str, Any]:
    """Run the command within its limits; raises UnusableHostError if it exceeds one."""
    connection = action._connection
    limit = seconds + _connect_seconds(connection) + MARGIN
    try:
        result: dict[str, Any] = run_limited(
            lambda: action._low_level_execute_command(command, executable="/bin/sh"), limit, connection
        )
        if len(result["stdout"]) + len(result.get("stderr") or "") > MAX_OUTPUT:
            raise OutputLimitExceeded
    except TimeLimitExceeded:
        excess, fix = f"did not complete within {limit:g} seconds", ", or raise timeout if the host is only slow"
    except OutputLimitExceeded:
        excess, fix = f"printed more than {MAX_OUTPUT // 2**20} MiB", ""
    else:
        return result
    raise UnusableHostError(
        f"{what.format(_host_name(action))} {excess}, so the host was disconnected: check its login shell, curl, wget "
        f"and python3{fix}."
    )


def _host_name(action: ActionBase) -> str:
    """Return the name of the host on which the task runs its commands."""
    variables: dict[str, Any] = getattr(action, "_variables", {})
    return str(action._task.delegate_to or variables.get("inventory_hostname", "the host"))


def _connect_seconds(connection: Any) -> float:
    """Return the maximum seconds for connecting, with all attempts of the connection plugin."""
    attempts = 1 + _option(connection, "reconnection_retries", 0)
    pauses = sum(min(2**attempt - 1, 30) for attempt in range(attempts - 1))
    return float(attempts * _option(connection, "timeout", _CONNECT_SECONDS) + pauses)


def _option(connection: Any, name: str, default: int) -> int:
    """Return a numeric option of a connection plugin; the default if the plugin has no such option."""
    try:
        return max(0, int(connection.get_option(name)))
    except (AttributeError, KeyError, TypeError, ValueError):
        return default


def detect_egress(
    action: ActionBase,
    request: DetectionRequest,
    fix: str = "its egress address cannot be detected: give the address",
) -> DetectionResult:
    """Detect the egress address of a host, and evaluate the replies of its sources."""
    script, nonce = build_command(request)
    what = "The request of {} through the proxy" if request.proxy else "The detection of the egress address of {}"
    seconds = request.timeout * len(request.sources)
    result = run_on_host(action, script, fix, what=what, seconds=seconds)
    replies = parse_replies(result.output, nonce, request)
    if not replies:
        raise QgError(result.error)
    return evaluate_quorum(replies, request)
