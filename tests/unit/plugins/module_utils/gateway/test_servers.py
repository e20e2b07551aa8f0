# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The servers in a file of leases, and those that a pool should have next."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.servers import (
    Server,
    file_text,
    next_servers,
    number_of_servers,
    read_servers,
    slot_servers,
)

NOW = 1_900_000_000.0
FIRST = "192.0.2.1:2001"
SECOND = "192.0.2.2:2002"
THIRD = "192.0.2.3:2003"


def server(
    address: str, *, left: int | None = 60, drained: bool = False, number: int = 0
) -> Server:
    """Return a server of pool a whose lease ends in so many seconds."""
    return Server("a", address, None if left is None else int(NOW) + left, drained, number)


def at_slot(address: str, *, number: int = 0, left: int | None = 60, waits: bool = False) -> Server:
    """Return a server of slot 12 of pool a."""
    return replace(server(address, left=left, number=number), slot=12, waits=waits)


@pytest.mark.parametrize("left", [None, 60])
@pytest.mark.parametrize("drained", [False, True])
def test_servers_are_read_as_they_were_written(left: int | None, drained: bool) -> None:
    servers = [server(FIRST, left=left, drained=drained, number=3), Server("b_2", SECOND, number=1)]
    servers += [
        at_slot(FIRST, number=2, left=left),
        at_slot(SECOND, number=1, left=left, waits=True),
    ]

    assert read_servers(file_text("0123456789abcdef", servers)) == ("0123456789abcdef", servers)


def test_an_exit_that_was_reported_is_read_as_it_was_written() -> None:
    servers = [replace(server(FIRST, number=3), reported=True)]

    assert read_servers(file_text("x", servers)) == ("x", servers)


def test_a_file_without_an_end_of_its_last_line_is_read() -> None:
    assert read_servers("a s1 192.0.2.1:2001 - ready") == ("", [server(FIRST, left=None, number=1)])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a s1 192.0.2.1 - ready",
        "a s1 192.0.2.1:2001 soon ready",
        "a s1 192.0.2.1:2001 -1 ready",
        "a s1 192.0.2.1:2001 - maint",
        "a s1 192.0.2.1:2001 - ready more",
        "a 1 192.0.2.1:2001 - ready",
        "a s1 exit.example:2001 - ready",
        "a s1 [2001:db8::1]:2001 - ready",
        "a/b s1 192.0.2.1:2001 - ready",
        "a. s1 192.0.2.1:2001 - ready",
        "a.1.2 s1 192.0.2.1:2001 - ready",
        f"a.{'9' * 5000} s1 192.0.2.1:2001 - ready",
        "a s1 192.0.2.1:2001 ١٢ ready",
        f"a s{'9' * 5000} 192.0.2.1:2001 - ready",
        f"a s1 192.0.2.1:2001 {'9' * 5000} ready",
        f"a s1 192.0.2.1:{'9' * 5000} - ready",
        f"{'a' * 5000} s1 192.0.2.1:2001 - ready",
    ],
)
def test_a_line_that_the_role_does_not_write_is_no_server(text: str) -> None:
    assert read_servers(f"installation x\n{text}\n") == ("x", [])


# What comes next.


def following(
    leases: list[Server], before: list[Server], count: int = 2, bad: tuple[str, ...] = ()
) -> list[Server]:
    return next_servers(leases, before, count=count, bad=bad, now=NOW)


def unnumbered(servers: list[Server]) -> list[Server]:
    """Return servers without their numbers, in the order of their addresses."""
    return sorted((replace(each, number=0) for each in servers), key=lambda each: each.server)


def test_a_run_that_changes_nothing_writes_the_same_file() -> None:
    first = following([server(SECOND), server(FIRST)], [])

    assert unnumbered(first) == [server(FIRST), server(SECOND)]
    assert following([server(FIRST), server(SECOND)], first) == first


def test_a_server_keeps_its_number_while_others_come_and_go() -> None:
    """So that connections through it go on."""
    before = [server(FIRST, number=1), server(SECOND, number=2)]

    after = following([server(THIRD), server(SECOND)], before, bad=(FIRST,))

    assert {each.server: each.number for each in after} == {THIRD: 1, SECOND: 2}


def test_each_number_is_given_once_and_one_that_is_impossible_not_at_all() -> None:
    before = [server(FIRST, number=1), server(SECOND, number=1), server(THIRD, number=999)]
    leases = [server(f"192.0.2.{number}:2000", number=0) for number in range(50, 53)]

    after = following(leases, before)

    numbers = [each.number for each in after]
    assert len(after) == 6
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) >= 1
    assert max(numbers) <= number_of_servers(2)


def test_more_servers_than_the_configuration_has_are_left_out_and_leases_come_first() -> None:
    before = [server(f"192.0.2.{number}:2000", number=number) for number in range(100, 120)]

    after = following([server(FIRST), server(SECOND)], before)

    assert len(after) == number_of_servers(2)
    assert {FIRST, SECOND} <= {each.server for each in after}


def test_a_lease_takes_its_deadline_from_the_list() -> None:
    after = following([server(FIRST, left=90)], [server(FIRST, left=60)], count=1)

    assert unnumbered(after) == [server(FIRST, left=90)]


@pytest.mark.parametrize("left", [57, 63])
def test_a_deadline_that_is_read_a_little_differently_stays(left: int) -> None:
    """Clocks are read to a second, and a file that changes in each run would be written in each
    run.
    """
    assert following([server(FIRST, left=left)], [server(FIRST, left=60, number=1)], count=1) == [
        server(FIRST, left=60, number=1)
    ]


def test_an_old_lease_is_drained_until_its_deadline_once_there_are_enough() -> None:
    after = following([server(FIRST)], [server(SECOND, left=10)], count=1)

    assert unnumbered(after) == [server(FIRST), server(SECOND, left=10, drained=True)]


def test_an_old_lease_serves_on_while_there_are_too_few() -> None:
    after = following([server(FIRST)], [server(SECOND, left=10)], count=2)

    assert unnumbered(after) == [server(FIRST), server(SECOND, left=10)]


@pytest.mark.parametrize("left", [None, 60])
def test_an_exit_that_was_reported_stays_out_until_its_end(left: int | None) -> None:
    out = replace(server(FIRST, left=left), reported=True)

    assert unnumbered(following([server(FIRST, left=left), server(SECOND)], [out])) == [
        out,
        server(SECOND),
    ]
    assert following([], [replace(out, number=1)]) == [replace(out, number=1)]
    # Another lease may get the address.
    assert unnumbered(following([server(FIRST, left=90)], [out], count=1)) == [
        server(FIRST, left=90)
    ]


@pytest.mark.parametrize("left", [0, -1])
def test_a_lease_that_has_ended_goes(left: int) -> None:
    assert following([], [server(FIRST, left=left)]) == []


def test_a_lease_without_a_known_end_goes_as_soon_as_there_is_another_one() -> None:
    old = server(FIRST, left=None)

    assert unnumbered(following([], [old])) == [old]
    assert unnumbered(following([server(SECOND)], [old])) == [server(SECOND)]


def test_a_bad_server_goes_at_once() -> None:
    assert unnumbered(following([server(FIRST)], [server(SECOND)], bad=(SECOND,))) == [
        server(FIRST)
    ]


def test_without_any_lease_those_of_before_serve_on() -> None:
    """QG.net's list could not be read, for example."""
    before = [server(FIRST), server(SECOND), server(THIRD, drained=True)]

    assert unnumbered(following([], before)) == before


def test_a_drained_one_takes_labels_again_when_others_are_missing() -> None:
    after = following([server(FIRST)], [server(SECOND, drained=True)], count=2)

    assert unnumbered(after) == [server(FIRST), server(SECOND)]


# The servers of a slot.


def test_the_successor_waits_at_the_other_server_of_its_slot() -> None:
    before = [at_slot(FIRST, number=2)]

    after = slot_servers([at_slot(FIRST, left=59), at_slot(SECOND)], before)

    assert after == [at_slot(FIRST, number=2), at_slot(SECOND, number=1, waits=True)]
    assert slot_servers([at_slot(SECOND)], after) == [at_slot(SECOND, number=1)]


def test_a_successor_that_waits_keeps_its_server_while_the_first_one_is_replaced() -> None:
    before = [at_slot(FIRST, number=1), at_slot(SECOND, number=2, waits=True)]

    assert slot_servers([at_slot(SECOND), at_slot(THIRD)], before) == [
        at_slot(SECOND, number=2),
        at_slot(THIRD, number=1, waits=True),
    ]


def test_the_third_lease_of_a_slot_has_no_server_yet() -> None:
    assert [
        each.server for each in slot_servers([at_slot(FIRST), at_slot(SECOND), at_slot(THIRD)], [])
    ] == [
        FIRST,
        SECOND,
    ]


@pytest.mark.parametrize("number", [0, 3, 999])
def test_a_number_that_a_slot_does_not_have_is_not_kept(number: int) -> None:
    assert slot_servers([at_slot(FIRST)], [at_slot(FIRST, number=number)]) == [
        at_slot(FIRST, number=1)
    ]


def test_two_leases_of_a_slot_that_share_an_address_have_a_server_each() -> None:
    after = slot_servers([at_slot(FIRST), at_slot(FIRST, left=900)], [at_slot(FIRST, number=2)])

    assert [(each.number, each.waits) for each in after] == [(2, False), (1, True)]
