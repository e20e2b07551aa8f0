# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a run that a defect of the collection ends, which no other test may come across."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.operations import ALLOCATE
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.ensure import Ensuring
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    Mode,
    execute,
    read_options,
)
from support import phrases
from support.node import Node
from support.vendor import Vendor


def test_what_was_paid_for_is_in_the_result_whatever_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_run: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(Ensuring, "check_new", fail)
    node = Node(tmp_path / "store", Vendor())

    params = read_options(ALLOCATE.spec, {**node.options, "count": 2}, place="option")
    result = execute(ALLOCATE, params, Mode(runtime=node.runtime))

    assert result["failed"] is True
    assert result["changed"] is True
    assert {lease["ip"] for lease in result["allocated"]} == node.vendor.ips
    assert phrases.IS_A_DEFECT in result["msg"]
    assert "in fail" in result["exception"]
