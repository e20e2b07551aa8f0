# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a key holds: the vendor's list and what it has reported, whatever a list calls a lease."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.leases import Lease, is_same
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.transport import HttpResponse
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.held_leases import HeldLeases
from ansible_collections.qingguo.qgnet.plugins.module_utils._reconcile.recording import Recorded
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.journal_rows import Call
from support.product_answers import BARE, FULL, TERMS, Client, client_fixture, response

__all__ = ["client_fixture"]


class Process:
    """A process that records its calls as a run does."""

    def __init__(self, held: HeldLeases) -> None:
        self.held = held
        self.leases = held.read

    def allocate(self) -> Sequence[Lease]:
        pending: list[int] = []
        call = Call("allocate", "/get", asked=1, buys=1)
        new = self.held.api.allocate(1, TERMS, sending=partial(Recorded, self.held.journal, call, pending))
        self.held.report_new(pending[-1], new)
        return new

    def release(self) -> None:
        pending: list[int] = []
        sending = partial(Recorded, self.held.journal, Call("release", "/delete"), pending)
        gone = self.held.api.release(self.leases(), sending=sending)
        self.held.report_gone(pending[-1], [lease.name for lease in gone])


def begin(client: Client, *script: HttpResponse) -> Process:
    api, _transport = client(*script)
    return Process(HeldLeases.of(api))


def names(leases: Sequence[Lease]) -> list[str]:
    return [lease.name for lease in leases]


def test_a_list_of_nothing_is_read_again(client: Client) -> None:
    """What a fault hides would be leased, and paid for, again."""
    process = begin(client, response(None), response([FULL]), response(None), response(None), response([]))
    assert len(process.leases()) == 1
    assert process.leases() == process.leases() == []


#: What a list may say of the lease that an extraction described in full.
LISTED: dict[str, dict[str, Any]] = {
    "all": FULL,
    "no task": {name: value for name, value in FULL.items() if name != "task_id"},
    "no task, another form of the deadline": {**FULL, "task_id": None, "deadline": "2030-03-03T21:38:38"},
    "no deadline": {name: value for name, value in FULL.items() if name != "deadline"},
    "no exit": {name: value for name, value in FULL.items() if name != "proxy_ip"},
    "only the server": BARE,
}
listed = pytest.mark.parametrize("listed", [response([entry]) for entry in LISTED.values()], ids=LISTED)


@listed
def test_the_list_may_say_less_than_the_extraction(client: Client, listed: HttpResponse) -> None:
    process = begin(client, response([FULL]), listed, listed)
    new = process.allocate()
    assert names(process.leases()) == names(process.leases()) == names(new)
    assert [lease.ip for lease in new] == ["192.0.2.30"]


@listed
def test_a_later_process_counts_the_lease_once(client: Client, listed: HttpResponse) -> None:
    begin(client, response([FULL])).allocate()
    later = begin(client, response([]), listed, listed)
    late = later.leases()
    assert names(late) == names(later.leases()) == names(later.leases()), "and keeps its name, however late it is shown"
    last = begin(client, listed, listed)
    assert len(last.leases()) == len(last.leases()) == 1


@listed
def test_a_released_lease_is_gone_under_each_name(client: Client, listed: HttpResponse) -> None:
    process = begin(client, response([FULL]), listed, response(1), listed)
    process.allocate()
    process.release()
    assert process.leases() == []
    later = begin(client, listed, listed)
    assert later.leases() == [], "the list lags, for another process, too"


@pytest.mark.parametrize(
    "other",
    [
        {"server": "192.0.2.30:22295"},
        {"proxy_ip": "192.0.2.31"},
        {"task_id": "U"},
        {"task_id": None, "deadline": "2030-03-03 21:38:39"},
    ],
    ids=str,
)
def test_another_lease_is_another(client: Client, other: dict[str, Any]) -> None:
    entry = {**FULL, **other}
    process = begin(client, response([FULL]), response([entry]))
    process.allocate()
    assert len(process.leases()) == 2
    one, two = (Lease.from_item(item, item.get("task_id") or "") for item in (FULL, entry))
    assert not is_same(one, two)
    assert not is_same(two, one)


def test_a_new_lease_of_a_server_that_was_released_is_not_hidden(client: Client) -> None:
    """Else it would be leased, and paid for, again."""
    again = {**FULL, "task_id": "U", "deadline": "2030-03-04 21:38:38"}
    process = begin(
        client, response([FULL]), response([BARE]), response(1), response([again]), response([BARE]), response([BARE])
    )
    process.allocate()
    process.release()
    (new,) = process.allocate()
    assert names(process.leases()) == [new.name]
    later = begin(client, response([BARE]))
    assert len(later.leases()) == 1
