# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The names under which hosts are registered."""

from __future__ import annotations

import os

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.registrations import (
    inventory_name,
    registered_name,
)


@pytest.mark.parametrize(
    ("host", "is_shared", "name"),
    [
        ("crawler1", True, "crawler1"),
        ("crawler1", False, "crawler1"),
        ("localhost", False, "localhost"),
        # Each control node with a database has one.
        ("localhost", True, f"localhost on {os.uname().nodename}"),
        ("127.0.0.1", True, f"127.0.0.1 on {os.uname().nodename}"),
    ],
)
def test_the_name_of_a_host_in_the_store(host: str, is_shared: bool, name: str) -> None:
    assert registered_name(host, is_shared=is_shared) == name
    assert inventory_name(name) == host
