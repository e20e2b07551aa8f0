# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The applications for resources that the state keeps, by key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.monopoly_store import ORIGIN_TTL, MonopolyStore
from support.stores import open_store

QUANZHOU, GUANGZHOU = "350500", "440100"


@dataclass
class Stores:
    """The stores of several keys on one clock."""

    directory: Path
    now: float = 1_000_000.0

    def of(self, key: str = "key") -> MonopolyStore:
        return MonopolyStore(open_store(self.directory, now=lambda: self.now), key)


@pytest.fixture
def stores(every_store: None, tmp_path: Path) -> Stores:
    return Stores(tmp_path)


def test_applications_are_stored_by_key(stores: Stores) -> None:
    stores.of().save_origin(["a", "b"], QUANZHOU, "telecom", listed=[])
    stores.of("other").save_origin(["a"], None, None, listed=[])
    assert stores.of().origins() == {"a": (QUANZHOU, "telecom"), "b": (QUANZHOU, "telecom")}
    assert stores.of("other").origins() == {"a": (None, None)}
    stores.of().save_origin(["a"], GUANGZHOU, "mobile", listed=[])
    assert stores.of().origins()["a"] == (GUANGZHOU, "mobile")


def test_released_resources_are_forgotten(stores: Stores) -> None:
    stores.of().save_origin(["a", "b"], QUANZHOU, None, listed=[])
    stores.of("other").save_origin(["a"], GUANGZHOU, None, listed=[])
    stores.of().forget(["a"])
    assert stores.of().origins() == {"b": (QUANZHOU, None)}
    assert stores.of("other").origins() == {"a": (GUANGZHOU, None)}


def test_only_resources_that_no_list_has_shown_for_a_long_time_are_forgotten(stores: Stores) -> None:
    stores.of().save_origin(["seen", "unseen"], QUANZHOU, None, listed=[])
    stores.of("other").save_origin(["unseen"], GUANGZHOU, None, listed=[])
    stores.now += ORIGIN_TTL
    stores.of().save_origin([], None, None, listed=["seen"])
    assert set(stores.of().origins()) == {"seen", "unseen"}
    stores.now += 1
    stores.of().save_origin([], None, None, listed=[])
    assert stores.of().origins() == {"seen": (QUANZHOU, None)}
    assert set(stores.of("other").origins()) == {"unseen"}


def test_a_list_of_one_key_says_nothing_of_another_key(stores: Stores) -> None:
    stores.of().save_origin(["a"], QUANZHOU, None, listed=[])
    stores.now += ORIGIN_TTL
    stores.of("other").save_origin([], None, None, listed=["a"])
    stores.now += 1
    stores.of().save_origin([], None, None, listed=[])
    assert stores.of().origins() == {}
