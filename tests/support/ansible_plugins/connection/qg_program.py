# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The local connection, whose commands are passed to a program as one argument, as those of containers are."""

from __future__ import annotations

import shlex
from typing import Any

from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: qg_program
short_description: The local connection through a program
description: For tests alone.
options:
  program:
    description: The program that gets each command.
    required: true
    vars:
      - name: qg_program
extends_documentation_fragment:
  - connection_pipelining
"""


class Connection(LocalConnection):
    """Has no timeout, and waits until the last process that holds its pipes has ended."""

    transport = "qg_program"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> Any:
        command = shlex.join([self.get_option("program"), cmd])
        return super().exec_command(command, in_data=in_data, sudoable=sudoable)
