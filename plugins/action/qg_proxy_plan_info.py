# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_proxy_plan_info on the control node."""

from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.operations import PROXY_PLAN_INFO
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import ApiAction


class ActionModule(ApiAction):
    """Runs the operation in the worker process."""

    operation = PROXY_PLAN_INFO
