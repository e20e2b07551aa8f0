# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The local connection, which is lost at the first command that contains the text in QGNET_TEST_LOST_AT."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: qg_lost
short_description: The local connection, which is lost at a certain command
description: For tests alone.
extends_documentation_fragment:
  - connection_pipelining
"""


class Connection(LocalConnection):
    """Works as its parent does until then."""

    transport = "qg_lost"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> Any:
        if os.environ["QGNET_TEST_LOST_AT"] in cmd:
            raise AnsibleConnectionFailure("the host is gone")
        return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
