# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which leases match a desired state, and what a plan adds, keeps and releases."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import (
    AllocationParams,
    Lease,
    oldest_first,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.parsing import BEIJING
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.plan import (
    DesiredLeases,
    LeaseMatch,
    Origin,
    Plan,
    classify,
    codes_by_name,
    format_leases,
    plan,
)
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000.0
GUANGZHOU, GUANGDONG, QUANZHOU, FUJIAN = "440100", "440000", "350500", "350000"
NAMES = {"广东省": GUANGDONG, "广东省广州市": GUANGZHOU, "福建省": FUJIAN, "福建省泉州市": QUANZHOU}


def lease(number: int, *, minutes: float | None = 60, region: str | None = None, task: str = "T") -> Lease:
    expires = None if minutes is None else datetime.datetime.fromtimestamp(NOW + minutes * 60, BEIJING)
    ip = f"192.0.2.{number}"
    return Lease(ip, 8000, f"{ip}:8000", str(expires), expires, region, task, {})


leases = st.lists(
    st.builds(
        lease,
        st.integers(1, 250),
        minutes=st.one_of(st.none(), st.integers(-5, 200)),
        region=st.sampled_from([None, "广东省广州市电信", "福建省泉州市联通", "广东省广州市", "BGP"]),
        task=st.sampled_from(["A", "B", "C"]),
    ),
    max_size=12,
    unique_by=lambda one: one.identity,
)
desired_states = st.builds(
    DesiredLeases,
    count=st.integers(1, 8),
    params=st.builds(
        AllocationParams, areas=st.sampled_from([(), (GUANGZHOU,)]), isp=st.sampled_from([None, "telecom"])
    ),
    min_remaining=st.integers(0, 90),
    exact=st.booleans(),
    on_uncertain=st.sampled_from(["fail", "ignore", "match"]),
)
origins = st.dictionaries(
    st.sampled_from(["A", "B", "C"]),
    st.builds(Origin, st.sampled_from([(), (GUANGZHOU,), (QUANZHOU,)]), st.sampled_from([None, "telecom", "mobile"])),
)


@given(held=leases, desired=desired_states, known=origins)
def test_a_plan_reaches_the_desired_state_with_the_fewest_changes(
    held: list[Lease], desired: DesiredLeases, known: dict[str, Origin]
) -> None:
    found = classify(held, desired, NOW, known, NAMES)
    groups = [*found.matching, *found.expiring, *found.undetermined, *found.undetermined_expiring]
    assert len(groups) == len({one.identity for one in groups})
    assert list(found.matching) == oldest_first(found.matching)
    try:
        made = plan(found, desired)
    except QgError:
        assert desired.on_uncertain == "fail"
        assert found.undetermined or found.undetermined_expiring
        return
    assert len(made.keep) + made.missing >= desired.count
    assert made.missing <= desired.count
    keep, surplus = ({one.identity for one in leases} for leases in (made.keep, made.surplus))
    assert not keep & surplus
    assert keep | surplus <= {one.identity for one in held}
    if desired.exact:
        assert len(made.keep) + made.missing == desired.count
        latest = [one.expires for one in made.keep if one.expires]
        assert all(one.expires <= least for one in made.surplus if one.expires for least in latest[:1])
    else:
        assert not made.surplus


def verdict(one: Lease, desired: DesiredLeases, known: Mapping[str, Origin] | None = None) -> bool | None:
    """Whether a lease that lasts long enough matches; None where that is unknown."""
    found = classify([one], desired, NOW, known or {}, NAMES)
    assert not found.expiring
    assert not found.undetermined_expiring
    return None if found.undetermined else bool(found.matching)


def test_leases_are_ordered_by_deadline_then_by_identity() -> None:
    unknown, last, first = lease(1, minutes=None), lease(2, minutes=9), lease(3, minutes=1)
    twin, other = lease(4, minutes=9), lease(5, minutes=None)
    assert oldest_first([other, unknown, twin, last, first]) == [first, last, twin, unknown, other]


@pytest.mark.parametrize(
    ("region", "origin", "wanted", "expected"),
    [
        pytest.param("福建省泉州市电信", Origin((GUANGZHOU,)), GUANGZHOU, True, id="asked-for-there"),
        pytest.param("广东省广州市电信", Origin((QUANZHOU,)), GUANGZHOU, False, id="asked-for-elsewhere"),
        pytest.param("广东省广州市电信", Origin(), GUANGZHOU, True, id="region-names-it"),
        pytest.param("福建省泉州市电信", Origin(), GUANGZHOU, False, id="region-names-another-city"),
        pytest.param("福建省厦门市电信", Origin(), GUANGZHOU, False, id="region-names-a-city-of-another-province"),
        pytest.param("广东省广州市电信", Origin(), GUANGDONG, True, id="region-names-a-city-of-the-province"),
        pytest.param("广东省电信", Origin(), GUANGZHOU, None, id="region-names-only-the-province"),
        pytest.param("福建省泉州市电信", Origin(), GUANGDONG, False, id="region-names-another-province"),
        pytest.param("上海市电信", Origin(), GUANGZHOU, None, id="region-has-no-known-name"),
        pytest.param("广东省广州市电信", Origin((GUANGDONG,)), GUANGZHOU, True, id="asked-for-in-the-province"),
        pytest.param(None, Origin((GUANGZHOU,)), GUANGDONG, True, id="asked-for-in-a-city-of-the-province"),
        pytest.param(None, Origin((GUANGZHOU, QUANZHOU)), GUANGZHOU, None, id="asked-for-in-several"),
        pytest.param(
            "福建省泉州市电信", Origin((GUANGZHOU, QUANZHOU)), GUANGZHOU, False, id="region-names-one-of-them"
        ),
        pytest.param(None, Origin(), GUANGZHOU, None, id="no-region"),
        pytest.param("广东省广州市电信", Origin(), "110000", False, id="wanted-area-has-no-known-name"),
    ],
)
def test_the_area_comes_from_the_order_or_else_from_the_region(
    region: str | None, origin: Origin, wanted: str, expected: bool | None
) -> None:
    desired = DesiredLeases(1, AllocationParams(areas=(wanted,)))
    assert verdict(lease(1, region=region), desired, {"T": origin}) is expected


def test_another_order_says_nothing_of_the_area() -> None:
    one = lease(1, region="广东省广州市电信")
    assert verdict(one, DesiredLeases(1, AllocationParams(areas=(GUANGZHOU,))), {"U": Origin((QUANZHOU,))}) is True
    assert verdict(one, DesiredLeases(1, AllocationParams(areas=(QUANZHOU,))), {"U": Origin((QUANZHOU,))}) is False


@pytest.mark.parametrize(
    ("region", "origin", "expected"),
    [
        ("广东省广州市电信", Origin(), True),
        ("广东省广州市联通", Origin(), False),
        ("广东省广州市联通", Origin(isp="telecom"), False),
        ("广东省广州市", Origin(isp="telecom"), True),
        (None, Origin(isp="mobile"), False),
        (None, Origin(), None),
    ],
)
def test_the_provider_comes_from_the_region_or_else_from_the_order(
    region: str | None, origin: Origin, expected: bool | None
) -> None:
    assert (
        verdict(lease(1, region=region), DesiredLeases(1, AllocationParams(isp="telecom")), {"T": origin}) is expected
    )


#: The code and the provider of a lease of a product host, the area and the provider that a task requests, and whether
#: the lease matches.
KINDS: list[tuple[str | None, str | None, str | None, str | None, bool | None]] = [
    ("130227", None, "130227", None, True),
    ("130227", None, "130200", None, True),
    ("130227", None, "130000", None, True),
    ("130227", None, "140000", None, False),
    ("130000", None, "130227", None, None),
    ("990100", None, "US", None, None),
    ("US", None, "990100", None, None),
    ("US", None, "US", None, True),
    ("JP", None, "US", None, False),
    (None, "电信", None, "telecom", True),
    (None, "移动", None, "telecom", False),
    (None, "中国电信", None, "telecom", None),
    (None, "Example Networks", None, "telecom", None),
    (None, None, None, "telecom", None),
]


@pytest.mark.parametrize(("code", "provider", "area", "isp", "expected"), KINDS)
def test_what_cannot_be_compared_is_undetermined(
    code: str | None, provider: str | None, area: str | None, isp: str | None, expected: bool | None
) -> None:
    """What counts as no match is leased, and paid for, at each run."""
    one = Lease.from_item({"server": "192.0.2.30:1", "area_code": code, "isp": provider}, "T")
    assert verdict(one, DesiredLeases(1, AllocationParams(areas=(area,) if area else (), isp=isp))) is expected


def test_the_provider_that_was_requested_counts_if_the_list_names_a_company() -> None:
    one = Lease.from_item({"server": "192.0.2.30:1", "isp": "Example Networks"}, "T")
    desired = DesiredLeases(1, AllocationParams(isp="telecom"))
    assert verdict(one, desired, {"T": Origin(isp="telecom")}) is True


@pytest.mark.parametrize(
    ("region", "expected"),
    [("广东省广州市电信", True), ("广东省广州市联通", False), ("福建省泉州市电信", False), (None, None)],
)
def test_area_and_provider_must_both_match(region: str | None, expected: bool | None) -> None:
    desired = DesiredLeases(1, AllocationParams(areas=(GUANGZHOU,), isp="telecom"))
    assert verdict(lease(1, region=region), desired) is expected


def test_leases_that_end_too_soon_are_distinguished() -> None:
    desired = DesiredLeases(1, AllocationParams(isp="telecom"), min_remaining=10)
    fit, stale = lease(1, minutes=10, region="电信"), lease(2, minutes=9.9, region="电信")
    unsure, undetermined_expiring = lease(3, minutes=10), lease(4, minutes=9.9)
    others = [lease(5, minutes=10, region="联通"), lease(6, minutes=9.9, region="联通")]
    found = classify([*others, undetermined_expiring, unsure, stale, fit], desired, NOW, {}, {})
    assert found == LeaseMatch((fit,), (stale,), (unsure,), (undetermined_expiring,))


def test_without_a_minimum_a_lease_matches_until_its_end() -> None:
    held = [lease(1, minutes=0), lease(2, minutes=None), lease(3, minutes=-1)]
    assert classify(held, DesiredLeases(1), NOW, {}, {}) == LeaseMatch(matching=(held[2], held[0], held[1]))


def test_a_minimum_leaves_a_lease_without_a_deadline_undetermined() -> None:
    desired = DesiredLeases(1, AllocationParams(isp="telecom"), min_remaining=1)
    unknown = lease(1, minutes=None, region="电信")
    other = lease(2, minutes=None, region="联通")
    assert classify([unknown, other], desired, NOW, {}, {}) == LeaseMatch(undetermined=(unknown,))


ONE, TWO, THREE, FOUR = (lease(number, minutes=number) for number in range(1, 5))
EXACT = DesiredLeases(1, exact=True)


@pytest.mark.parametrize(
    ("found", "desired", "expected"),
    [
        pytest.param(LeaseMatch(), DesiredLeases(2), Plan((), 2, ()), id="nothing-held"),
        pytest.param(LeaseMatch((ONE,)), DesiredLeases(3), Plan((ONE,), 2, ()), id="some-held"),
        pytest.param(LeaseMatch((ONE, TWO)), DesiredLeases(2), Plan((ONE, TWO), 0, ()), id="enough-held"),
        pytest.param(LeaseMatch((TWO, ONE)), DesiredLeases(1), Plan((ONE, TWO), 0, ()), id="more-than-enough-are-kept"),
        pytest.param(LeaseMatch((THREE, ONE, TWO)), EXACT, Plan((THREE,), 0, (ONE, TWO)), id="exact-keeps-the-longest"),
        pytest.param(LeaseMatch((ONE,)), DesiredLeases(0, exact=True), Plan((), 0, (ONE,)), id="exact-none"),
        pytest.param(LeaseMatch((), (ONE,)), DesiredLeases(1), Plan((), 1, ()), id="expiring-ones-do-not-count"),
        pytest.param(
            LeaseMatch((ONE, THREE), (TWO,)),
            EXACT,
            Plan((THREE,), 0, (ONE, TWO)),
            id="exact-releases-expiring-ones-too",
        ),
    ],
)
def test_a_plan_is_the_difference_between_the_leases_and_the_desired_number(
    found: LeaseMatch, desired: DesiredLeases, expected: Plan
) -> None:
    assert plan(found, desired) == expected


@pytest.mark.parametrize(
    ("exact", "undetermined", "expected"),
    [
        (False, "ignore", Plan((ONE,), 1, ())),
        (False, "match", Plan((ONE, TWO), 0, ())),
        (True, "ignore", Plan((ONE,), 1, (THREE,))),
        (True, "match", Plan((ONE, TWO), 0, (THREE, FOUR))),
    ],
)
def test_undetermined_leases_count_only_if_they_are_to_match(exact: bool, undetermined: str, expected: Plan) -> None:
    found = LeaseMatch((ONE,), (THREE,), (TWO,), (FOUR,))
    assert plan(found, DesiredLeases(2, exact=exact, on_uncertain=undetermined)) == expected


@pytest.mark.parametrize(
    ("found", "desired", "doubtful"),
    [
        pytest.param(LeaseMatch(undetermined=(TWO, ONE)), DesiredLeases(1), (TWO, ONE), id="something-is-missing"),
        pytest.param(LeaseMatch((ONE,), undetermined=(TWO,)), EXACT, (TWO,), id="exact"),
        pytest.param(LeaseMatch((ONE,), (), (TWO,), (THREE,)), EXACT, (TWO, THREE), id="exact-and-one-expires"),
        pytest.param(LeaseMatch((ONE,), undetermined_expiring=(TWO,)), EXACT, (TWO,), id="exact-and-all-expire"),
        pytest.param(LeaseMatch((), (), (TWO,), (THREE,)), DesiredLeases(1), (TWO,), id="expiring-ones-would-not-help"),
    ],
)
def test_a_plan_fails_where_it_depends_on_undetermined_leases(
    found: LeaseMatch, desired: DesiredLeases, doubtful: Sequence[Lease]
) -> None:
    with pytest.raises(QgError) as caught:
        plan(found, desired)
    assert caught.value.message == (
        f"{len(doubtful)} held leases may match, but the vendor's list does not show whether they do: "
        f"{', '.join(one.ip for one in doubtful)}. Set on_uncertain=match to count them, on_uncertain=ignore to leave "
        "them out, or release them."
    )


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(LeaseMatch((ONE,), undetermined=(TWO,)), id="enough-match"),
        pytest.param(LeaseMatch((ONE,), undetermined_expiring=(TWO,)), id="enough-match-and-one-expires"),
    ],
)
def test_undetermined_leases_do_not_matter_where_enough_others_match(found: LeaseMatch) -> None:
    assert plan(found, DesiredLeases(1)) == Plan((ONE,), 0, ())


def test_expiring_undetermined_leases_do_not_stop_an_order() -> None:
    assert plan(LeaseMatch(undetermined_expiring=(TWO,)), DesiredLeases(1)) == Plan((), 1, ())


def test_only_names_of_one_area_are_used() -> None:
    areas = [("1", "A"), ("2", "A"), ("3", "B"), ("3", "B"), ("4", None)]
    assert codes_by_name(areas) == {"B": "3"}


@pytest.mark.parametrize(
    ("number", "end"), [(1, "192.0.2.1"), (10, "192.0.2.10"), (11, "192.0.2.10 and 1 more"), (12, ".10 and 2 more")]
)
def test_a_message_names_ten_leases(number: int, end: str) -> None:
    text = format_leases([lease(n) for n in range(1, number + 1)])
    assert text.endswith(end)
    assert text.count(", ") == min(number, 10) - 1
    assert "192.0.2.11" not in text
