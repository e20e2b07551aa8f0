# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lookup may be evaluated in the process that Ansible's workers are made from, which must not
keep the state open.

SQLite does not work in a child of a process that has the same file open: it waits for a lock that
no process holds.
"""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.qingguo.qgnet.plugins.lookup import proxy
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import use
from support.documents import lookup_of
from support.node import Node
from support.vendor import Vendor


def opened(directory: Path) -> list[str]:
    """Files below a directory that this process has open."""
    descriptors = Path("/proc/self/fd")
    paths = []
    for name in os.listdir(descriptors):
        # The directory that is being listed is itself closed by then.
        if os.path.lexists(descriptors / name):
            paths.append(os.readlink(descriptors / name))
    return [path for path in paths if path.startswith(str(directory))]


def test_nothing_stays_open(tmp_path: Path) -> None:
    lookup, _names = lookup_of(proxy)
    node = Node(tmp_path, Vendor())
    during = list[str]()
    node.vendor.before("/query", lambda: during.extend(opened(tmp_path)))
    with use(node.runtime):
        lookup.run([], {}, **node.options, product="classic", at_least=0)
    assert opened(tmp_path) == []
    assert during
