# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_doctor_info on the control node."""

from __future__ import annotations

from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._doctor.operations import DOCTOR_INFO
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import Spec
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import ApiAction
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._run_scope import inventory_id


class ActionModule(ApiAction):
    """Runs the operation in the worker process."""

    operation = DOCTOR_INFO

    def given(self, spec: Spec) -> dict[str, Any]:
        """Return the task's options, with the inventory of this run unless another one is given."""
        options = super().given(spec)
        # localhost is the host of this task, and not a registered one, so it needs no name of its own.
        return {**options, "inventory_id": inventory_id(options.get("inventory_id"), self._variables, is_shared=False)}
