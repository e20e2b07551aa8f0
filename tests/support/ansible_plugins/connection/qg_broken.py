# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection that lacks a program on the control node, as ssh lacked sshpass before ansible-core 2.19."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: qg_broken
short_description: A connection that fails with a plain error of Ansible
description: For tests alone.
extends_documentation_fragment:
  - connection_pipelining
"""


class Connection(LocalConnection):
    """Fails with each command."""

    transport = "qg_broken"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> Any:
        raise AnsibleError("you must install the sshpass program")
