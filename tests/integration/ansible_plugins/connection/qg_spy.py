# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The local connection, which keeps all that it is reported to send in the file that QGNET_TEST_SPY
names.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: qg_spy
short_description: The local connection with a record of what is sent
description: For tests alone.
extends_documentation_fragment:
  - connection_pipelining
"""


def _keep(kind: str, content: bytes) -> None:
    with open(os.environ["QGNET_TEST_SPY"], "ab") as record:
        record.write(f"\n== {kind}\n".encode() + content)


class Connection(LocalConnection):
    """Sends as its parent does."""

    transport = "qg_spy"

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> Any:
        _keep("command", cmd.encode())
        if in_data:
            _keep("input", in_data)
        return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)

    def put_file(self, in_path: str, out_path: str) -> Any:
        _keep(f"file {out_path}", Path(in_path).read_bytes())
        return super().put_file(in_path, out_path)
