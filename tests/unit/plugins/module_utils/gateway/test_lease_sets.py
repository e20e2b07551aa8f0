# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pools of a run share leases, and which ones only share the key."""

from __future__ import annotations

from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.declaration import Pool
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.lease_sets import (
    Need,
    lease_sets,
)


def need(host: str, login: str, isp: str | None = None) -> Need:
    pool = Pool("qg", count=1, drain=15, product="share", isp=isp)
    return Need(host, "gateway", f"1 {host}", pool, login, interval=10, exits={}, has_answer=True)


def test_the_neighbors_of_a_set_have_its_key_and_other_terms() -> None:
    one = need("web1", "a key")
    two = need("web2", "a key")
    telecom = need("web3", "a key", isp="telecom")
    foreign = need("web4", "another key")

    first, second, third = lease_sets([one, telecom, foreign, two])

    assert first.needs == [one, two]
    assert first.neighbors == [telecom]
    assert second.needs == [telecom]
    assert second.neighbors == [one, two]
    assert third.needs == [foreign]
    assert third.neighbors == []
