# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs an operation as a module, on the host that the task is delegated to.

Its counterpart for the control node is ``plugin_utils/_action.py``, which has checked the options
before it sends the module.
"""

from __future__ import annotations

import json
import sys
from typing import Any

# Every module of the collection imports this file first, before files that an older Python cannot
# parse. This file must be valid for an older Python.
if sys.hexversion < 0x030A0000:
    version = ".".join(map(str, sys.version_info[:2]))
    message = (
        "qingguo.qgnet needs Python 3.10 or newer on the host that the task is delegated to, but "
        f"{sys.executable} is Python {version}: set ansible_python_interpreter of that host to a "
        "newer one, or run the task on the control node."
    )
    sys.stdout.write(json.dumps({"failed": True, "changed": False, "msg": message}))
    raise SystemExit(1)

from ansible.module_utils.basic import AnsibleModule

from .._core.text import database_secrets, without_secrets
from .operation import Mode, Operation, execute


class _Module(AnsibleModule):
    """A module whose result contains no options, not even if AnsibleModule refuses them, and whose
    log on the host contains no password of a database.

    ansible-core before 2.21 adds all options as they were given, also a key that was written into
    the wrong one. It logs all options, and does not find each password in a URL.
    """

    def log(self, msg: str, log_args: Any = None) -> None:
        secrets = database_secrets(self.params.get("store"))
        super().log(*without_secrets([msg, log_args], secrets))

    def exit_json(self, **kwargs: Any) -> None:
        super().exit_json(**{**kwargs, "invocation": {}})

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        super().fail_json(msg, **{**kwargs, "invocation": {}})


def run_module(operation: Operation) -> None:
    """Validate the options, run the operation, and end the process with its result."""
    module = _Module(argument_spec=operation.spec, supports_check_mode=True)
    # As the control node does: a password of one letter would make each sentence unreadable.
    module.no_log_values = {value for value in module.no_log_values if len(value) > 3}
    result = execute(operation, module.params, Mode(check=module.check_mode, diff=module._diff))
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)
