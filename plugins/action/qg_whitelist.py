# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_whitelist on the control node."""

from __future__ import annotations

from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import format_sample
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import (
    HERE,
    REQUIRE_SOURCES,
    UNREAD_SOURCE,
    ApiAction,
)


class ActionModule(ApiAction):
    """Runs the operation in the worker process."""

    operation = WHITELIST

    def act(self) -> dict[str, Any]:
        """Refuse state=exact for a part of the hosts, unless allow_partial is set."""
        options = self._task.args
        variables = self._variables
        is_partial = boolean(options.get("allow_partial") or False, strict=False)
        if options.get("state") == "exact" and not is_partial:
            everyone = set(variables.get("ansible_play_hosts_all") or ())
            missing = sorted(everyone.difference(variables.get("ansible_play_batch") or ()))
            if self.limit() or missing:
                reason = f"--limit {self.limit()}"
                if missing:
                    reason = f"not with {format_sample(missing, 5)}"
                raise AnsibleActionFail(
                    f"state=exact is refused in a run that sees only part of its hosts ({reason}), "
                    "because it would remove the addresses of the others: run it for all hosts, or "
                    "set allow_partial=true if ips is complete nevertheless."
                )
            if everyone.difference(HERE) and not constants.INVENTORY_ANY_UNPARSED_IS_FAILED:
                raise AnsibleActionFail(
                    f"state=exact is refused, because {UNREAD_SOURCE}, and their addresses would "
                    f"be removed: {REQUIRE_SOURCES}, or allow_partial=true if ips is complete "
                    "nevertheless."
                )
        return super().act()
