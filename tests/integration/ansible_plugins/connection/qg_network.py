# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection to a network device: as those of ansible.netcommon do, it runs shell commands on
the control node.
"""

from __future__ import annotations

from typing import Any

from ansible.plugins.connection import NetworkConnectionBase

DOCUMENTATION = """
name: qg_network
short_description: The connection to a network device
description: For tests alone.
options:
  persistent_log_messages:
    type: bool
    description: Whether to log all messages.
    default: false
"""


class Connection(NetworkConnectionBase):
    """Needs no device: no test sends it a command of its own."""

    transport = "qg_network"
    # There is no device for which a process would have to stay connected.
    force_persistence = False

    def _connect(self) -> Any:
        return self
