# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release leases: by address or by task, and verified on a list that may lag."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from support.in_process import CLASSIC, PATHS, Answer, Call, Vendor
from support.lease_runs import LeaseNode, by_ip


@pytest.fixture
def idle_release(core: Vendor) -> None:
    """A vendor that acknowledges each release, and does nothing."""

    def acknowledge(call: Call) -> Answer:
        call.carry_out(IP="192.0.2.1")
        return 200, {"Code": 0, "Data": call.parameters["IP"].split(",")}

    core.around("/release", acknowledge)


def test_a_release_with_a_bare_status_is_reported(core: Vendor, node: LeaseNode) -> None:
    node.ensure(2)
    core.fault("/release", "status", http_status=403, executed=True)
    outcome = node.release()
    assert (outcome.error, len(outcome.released), core.leases) == (None, 2, [])


@pytest.mark.parametrize("name", ["*", " * ", "all", "192.0.2.1,192.0.2.2", "192.0.2.0/24", ""])
@pytest.mark.parametrize("product", ["classic", "exclusive"])
def test_a_release_names_nothing_but_addresses(tmp_path: Path, product: str, name: str) -> None:
    """An entry ``*`` in the vendor's list would release every lease."""
    core = Vendor(kind="dynamic_dedicated" if product == CLASSIC else product, channels=9)
    node = LeaseNode(core, tmp_path, product)
    node.ensure(3)
    core.clock.advance(61)
    first = core.leases[0].ip

    def rename(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rename(item) for key, item in value.items()}
        if isinstance(value, list):
            return [rename(item) for item in value]
        return name if value == first else value

    core.alter(PATHS[product].query, rename)
    with contextlib.suppress(QgError):
        assert node.release(by_ip(name.strip())).released == ()
    assert [call["params"] for call in core.journal.select(PATHS[product].release)] == []
    assert len(core.leases) == 3
