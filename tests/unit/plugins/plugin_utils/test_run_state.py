# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the process of a run prepares, so that the process of each host does not have to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.qingguo.qgnet.plugins.module_utils._core import clock

#: As the worker of a host: it has what its parent had when it was forked.
WORKER = """
import sys
from ansible_collections.qingguo.qgnet.plugins.lookup import egress_in_sync
from ansible_collections.qingguo.qgnet.plugins.module_utils._core import clock, redaction
loaded = set(sys.modules)
redaction.Redactor(["a secret of any length"]).tree({"msg": "no secret"})
print(clock.boot_id.cache_info().currsize, sorted(set(sys.modules) - loaded))
"""


def test_the_process_of_a_host_neither_reads_the_boot_nor_imports_encodings() -> None:
    collections = str(Path(clock.__file__).parents[6])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((collections, *sys.path))}
    command = [sys.executable, "-c", WORKER]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "1 []\n"
