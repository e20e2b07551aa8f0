# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a key holds, and what contradicts a payment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.lease_client import Leases
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Terms
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import SILENT, use
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.api import LeaseApi
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.matching import Desired, Traits
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.reconciling import (
    locked_holdings,
    look,
    read_quota,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import (
    PROXY_API_OPTIONS,
    Connection,
    key_caller,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import read_options
from support.node import Node
from support.vendor import CLASSIC, Vendor


@pytest.mark.parametrize(("options", "contradicts"), [({}, True), ({"ignore_quota": True}, False)])
def test_the_quota_counts_unless_its_reader_says_otherwise(
    tmp_path: Path, options: dict[str, Any], contradicts: bool
) -> None:
    """A release names no option, and would count the quota if it came to read it."""
    node = Node(tmp_path / "store", Vendor())
    node.vendor.configure(used=2)
    params = {**read_options(PROXY_API_OPTIONS, node.options, place="option"), "product": CLASSIC}
    with use(node.runtime):
        client = Leases(key_caller(Connection.of(params), SILENT))
        with locked_holdings(LeaseApi(client), **options) as holdings:
            # Without a quota that counts, two lists have to agree.
            look(holdings)
            assert read_quota(holdings) is contradicts


def test_whether_a_resource_lasts_long_enough_is_unclear_without_its_end() -> None:
    held = {"a": Traits("a", None, None, None, Terms())}

    plan = Desired(1, min_remaining=30).plan(held, dict)

    assert plan.unclear == ["a"]
    assert plan.error is not None
