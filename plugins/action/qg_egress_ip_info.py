# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_egress_ip_info: one shell command on the host, evaluated on the control node."""

from __future__ import annotations

from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import EGRESS_OPTIONS
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Spec, redact
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import QgAction
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._egress import (
    DetectionRequest,
    detect_egress,
)

SPEC: Spec = {
    **EGRESS_OPTIONS,
    "timeout": {"type": "float", "default": 10.0},
    "through_proxy": {"type": "str"},
}


class ActionModule(QgAction):
    """Detects addresses over the task's connection, also if the task is delegated."""

    def act(self) -> dict[str, Any]:
        """Return the addresses, and the reply of each source."""
        params = self.validated(SPEC)

        def detect() -> dict[str, Any]:
            detected = detect_egress(self, DetectionRequest.parse(params))
            return {"changed": False, **detected, "ip": detected["ips"][0]}

        return redact(self.guarded(detect), params, SPEC)
