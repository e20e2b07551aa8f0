# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Detects the egress addresses of a host by one shell command over its connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.plugins.connection import NetworkConnectionBase
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.detect import (
    DetectionRequest,
    build_command,
    evaluate_quorum,
    parse_replies,
)


def detect_egress(action: ActionBase, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the egress addresses of a host, ``ips``, and the reply of each source."""
    request = DetectionRequest.parse(params)
    connection = action._connection
    family = getattr(getattr(connection, "_shell", None), "SHELL_FAMILY", "sh")
    # A network connection would run the command on the control node, whose address would pass as that of the host.
    if family in ("powershell", "cmd") or isinstance(connection, NetworkConnectionBase):
        raise QgError("The host has no POSIX shell, so its egress address cannot be detected: give the address in ips.")
    command, nonce = build_command(request)
    result = action._low_level_execute_command(command, executable="/bin/sh")
    replies = parse_replies(result["stdout"], nonce, request)
    if not replies:
        printed = one_line((result.get("stderr") or result["stdout"])[-4000:])[-200:] or "it printed nothing"
        raise QgError(f"The host's shell ended with {result['rc']} and no response: {printed}.")
    return {"ips": evaluate_quorum(replies, request), "source_replies": replies}
