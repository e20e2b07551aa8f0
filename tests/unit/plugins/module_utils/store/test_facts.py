# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What responses have shown about a key is kept for a time, for this key alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.facts import (
    LEASE_LIST,
    PRODUCT,
    REPLACEMENT,
    Facts,
)
from support.machine_clock import MachineClock

from .conftest import open_store

pytestmark = pytest.mark.usefixtures("every_store")
DAY = 86400.0


def test_a_fact_is_used_for_its_time_and_replaced_by_a_newer_one(tmp_path: Path) -> None:
    now = [0.0]
    store = open_store(tmp_path, machine=MachineClock(lambda: now[0]))
    facts = Facts(store, "key")
    for name, days in ((PRODUCT, 30), (LEASE_LIST, 1)):
        assert facts.get(name) is None
        facts.save(name, "first")
        now[0] += days * DAY - 1
        assert facts.get(name) == "first"
        assert Facts(store, "other").get(name) is None
        now[0] += 2
        assert facts.get(name) is None
        facts.save(name, "second")
        assert Facts(store, "key").get(name) == "second"
    facts.forget(PRODUCT)
    assert facts.get(PRODUCT) is None
    assert facts.get(LEASE_LIST) == "second"


def test_facts_about_objects_are_kept_by_key(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    own = Facts(store, "key")
    other = Facts(store, "other")

    def known() -> list[str | None]:
        return [facts.get(REPLACEMENT, about) for facts in (own, other) for about in ("a", "b")]

    own.save(REPLACEMENT, "1", "a")
    own.save(REPLACEMENT, "1", "b")
    other.save(REPLACEMENT, "2", "a")
    own.save(REPLACEMENT, "3", "a")
    assert known() == ["3", "1", "2", None]
    own.forget(REPLACEMENT, "a")
    assert known() == [None, "1", "2", None]
