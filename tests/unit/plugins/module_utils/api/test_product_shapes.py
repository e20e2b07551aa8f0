# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes in which product hosts return leases and quotas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Lease
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.parsing import ResponseShapeError
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.product_shapes import (
    read_balance,
    read_product_held,
    read_product_new,
    read_product_quota,
    read_product_released,
)
from hypothesis import given
from hypothesis import strategies as st

LEASE = {
    "proxy_ip": "192.0.2.30",
    "server": "198.51.100.8:22294",
    "area_code": 130227,
    "area": "河北省唐山市迁西县",
    "isp": "电信",
    "deadline": "2030-03-03 21:38:38",
}
TUNNEL = {"server": "tunpool-demo1.qg.net:19702", "area": "110100", "distinct": False}
#: By the product and call whose shape it is.
SHAPES: dict[str, Any] = {
    "exclusive get": {"task_id": "T", "num": 1, "ips": [LEASE]},
    "longterm get of 2026": [{**LEASE, "task_id": "T"}],
    "exclusive query": {"tasks": [{"task_id": "T", "ips": [LEASE]}]},
    "longterm query, tasks by name": {"tasks": {"T": [LEASE]}},
    "longterm query, tasks by name with ips": {"tasks": {"T": {"ips": [LEASE]}}},
    "a lone lease": {**LEASE, "task_id": "T"},
}


def held(data: object) -> list[Lease]:
    return read_product_held(data) or []


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_lease(shape: str) -> None:
    (found,) = held(SHAPES[shape])
    assert found.ip == "192.0.2.30"
    assert found.server == "198.51.100.8:22294"
    assert found.port == 22294
    assert found.task_id == "T"
    described = found.described(now=0)
    assert described["region"] == "河北省唐山市迁西县"
    assert described["isp"] == "telecom"
    assert described["area_code"] == "130227"
    assert described["expires_at"] == "2030-03-03T21:38:38+08:00"


def test_a_lease_without_a_task_has_none() -> None:
    (found,) = held([LEASE])
    assert found.described(now=0)["task_id"] is None


def test_a_tunnel_entry_has_neither_exit_nor_deadline() -> None:
    (found,) = held([TUNNEL])
    described = found.described(now=0)
    assert found.server == "tunpool-demo1.qg.net:19702"
    assert described["ip"] is described["deadline"] is described["remaining_seconds"] is None


def test_a_provider_without_a_number_keeps_its_name() -> None:
    (found,) = held([{**LEASE, "isp": "Example Telecom LLC"}])
    assert found.described(now=0)["isp"] == "Example Telecom LLC"


@pytest.mark.parametrize(
    "data", [None, [], {}, {"ips": []}, {"tasks": []}, {"tasks": {}}, {"num": 0}]
)
def test_no_leases_have_several_shapes(data: object) -> None:
    assert held(data) == []
    with pytest.raises(ResponseShapeError):
        read_product_new(data)


@pytest.mark.parametrize(
    "data",
    [
        "192.0.2.30:22294",
        [7],
        [{"proxy_ip": "192.0.2.30"}],
        {"ips": [LEASE], "num": 2},
        {"unknown": []},
        [{}],
        {"ips": None},
        {"tasks": None},
        {"task_id": "T", "num": 1},
    ],
)
def test_a_list_that_may_be_incomplete_is_refused(data: object) -> None:
    """Mistaking a full list for an empty one would buy all leases again."""
    with pytest.raises(ResponseShapeError):
        held(data)


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["ips", "tasks", "task_id", "num", "server", "proxy_ip"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_other_json_is_refused_and_never_fails_otherwise(data: object) -> None:
    found = []
    is_refused = False
    try:
        found = held(data)
    except ResponseShapeError:
        is_refused = True
    # Nobody would be told of what was paid for if text could be read as no lease at all.
    assert is_refused or isinstance(data, list | dict) or data is None
    for lease in found:
        json.dumps(lease.described(now=0), allow_nan=False)
        assert lease.name
        assert not lease.is_usable or lease.server.endswith(f":{lease.port}")


def test_the_quota_of_a_plan_by_channels() -> None:
    found = read_product_quota({"total": 10, "idle": "5"}).described()
    assert found == {"unit": "channels", "total": 10, "available": 5, "used": 5}


def test_the_balance_of_a_plan_by_volume() -> None:
    assert read_balance({"balance": "950"}).described() == {
        "unit": "addresses",
        "total": None,
        "available": 950,
        "used": None,
    }


@pytest.mark.parametrize("data", [None, [], {}, {"total": 3}, {"balance": None}])
def test_a_quota_of_another_shape_is_refused(data: object) -> None:
    for read in (read_product_quota, read_balance):
        with pytest.raises(ResponseShapeError):
            read(data)


@pytest.mark.parametrize(("data", "number"), [(2, 2), ("2", 2), (1, 0), (None, 2), ([], 2)])
def test_a_release_may_report_how_many(data: object, number: int) -> None:
    assert len(read_product_released(data, held([LEASE, TUNNEL]))) == number
