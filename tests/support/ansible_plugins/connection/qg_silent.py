# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection within the worker that waits for a thread and tries again after an exception, as paramiko and ssh do."""

from __future__ import annotations

import threading
from typing import Any

from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: qg_silent
short_description: A connection on which the host says nothing
description: For tests alone.
extends_documentation_fragment:
  - connection_pipelining
"""


class Connection(LocalConnection):
    """Starts no process."""

    transport = "qg_silent"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> Any:
        while True:
            try:
                threading.Event().wait()
            except Exception as error:
                self.last_error = error
