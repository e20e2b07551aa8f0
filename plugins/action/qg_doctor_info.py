# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_doctor_info on the control node."""

from __future__ import annotations

from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._doctor.operations import DOCTOR_INFO
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import Spec
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import ApiAction


class ActionModule(ApiAction):
    """Runs the operation in the worker process."""

    operation = DOCTOR_INFO

    def given(self, spec: Spec) -> dict[str, Any]:
        """Return the task's options, with the inventory of this run unless another one is given."""
        sources = map(str, self._variables.get("ansible_inventory_sources") or ["unnamed"])
        return {"inventory_id": ", ".join(sources), **super().given(spec)}
