# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What responses have shown about a key is kept for a time, for this key alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.facts import (
    LEASE_LIST,
    LIFETIME,
    PRODUCT,
    Facts,
)
from support.machine_clock import MachineClock
from support.stores import open_store

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
        assert (facts.get(name), Facts(store, "other").get(name)) == ("first", None)
        now[0] += 2
        assert facts.get(name) is None
        facts.save(name, "second")
        assert Facts(store, "key").get(name) == "second"
    facts.forget(PRODUCT)
    assert (facts.get(PRODUCT), facts.get(LEASE_LIST)) == (None, "second")


@dataclass
class Keys:
    """The facts about several keys on one clock."""

    directory: Path
    now: float = 1_000_000.0

    def of(self, key: str = "key") -> Facts:
        return Facts(open_store(self.directory, now=lambda: self.now), key)

    def known(self, key: str = "key") -> dict[str, str]:
        return {about: value for about, (value, _at) in self.of(key).objects(LIFETIME).items()}


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


def test_facts_about_objects_are_kept_by_key(keys: Keys) -> None:
    keys.of().save(LIFETIME, "1", ["a", "b"])
    keys.of("other").save(LIFETIME, "2", ["a"])
    keys.of().save(LIFETIME, "3", ["a"])
    assert (keys.known(), keys.known("other")) == ({"a": "3", "b": "1"}, {"a": "2"})
    keys.of().forget(LIFETIME, ["a"])
    assert (keys.known(), keys.known("other")) == ({"b": "1"}, {"a": "2"})
