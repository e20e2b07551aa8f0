# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_whitelist on the control node."""

from __future__ import annotations

from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import format_sample
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import ApiAction


class ActionModule(ApiAction):
    """Runs the operation in the worker process."""

    operation = WHITELIST

    def act(self) -> dict[str, Any]:
        """Refuse state=exact in a run that sees only part of its hosts, unless allow_partial is
        set.
        """
        options, variables = self._task.args, self._variables
        if options.get("state") == "exact" and not boolean(
            options.get("allow_partial") or False, strict=False
        ):
            limit = str(
                context.CLIARGS.get("subset") or variables.get("ansible_limit") or ""
            ).strip()
            everyone, batch = (
                variables.get(f"ansible_play_{name}") or () for name in ("hosts_all", "batch")
            )
            missing = sorted(set(everyone) - set(batch))
            if limit not in ("", "all", "*") or missing:
                reason = f"not with {format_sample(missing, 5)}" if missing else f"--limit {limit}"
                raise AnsibleActionFail(
                    f"state=exact is refused in a run that sees only part of its hosts ({reason}), "
                    "because it would remove the addresses of the others: run it for all hosts, or "
                    "set allow_partial=true if ips is complete nevertheless."
                )
        return super().act()
