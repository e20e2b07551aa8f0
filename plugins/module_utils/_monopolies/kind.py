# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The resources of exclusive occupancy of a key, as :class:`.._paid.books.Books` knows them.

The vendor carries out an application some time after the response, which has no documented format. So no response
names what was applied for, and the list decides.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping

from .._api.caller import Sending
from .._api.calls import MONOPOLIES as LIST
from .._api.calls import MONOPOLIES_APPLY, MONOPOLIES_RELEASE
from .._api.leases import AllocationParams, Quota
from .._api.monopolies import Monopolies, Monopoly
from .._core.errors import CallError
from .._paid.books import BUY, DROP, Books
from .._paid.caps import Caps
from .._paid.journal import MONOPOLIES, Item, Journal
from .._paid.matching import Traits
from .._task.products import naming_product

#: The command that shows the resources of the key.
CHECK_COMMAND = "ansible localhost -m qingguo.qgnet.qg_monopoly_info"


class MonopolyKind:
    """The calls for resources of one client."""

    noun, listing = "resource", "the list of resources"
    advice = f'Run the task again: it waits until that is known. "{CHECK_COMMAND}" shows the resources of the key.'
    ignoring = "Set on_uncertain=ignore if the quota counts something else."
    list_call = LIST.name
    calls: Mapping[str, str] = {
        BUY: MONOPOLIES_APPLY.name,
        DROP: MONOPOLIES_RELEASE.name,
    }

    def __init__(self, client: Monopolies, caps: Caps | None = None) -> None:
        self.client, caller = client, client.caller
        self.timeout = caller.timeout
        self.journal = Journal(caller.rate_limiter.state, caller.key_digest, MONOPOLIES, caps=caps)
        #: Whether the vendor has accepted an application of this run.
        self.is_accepted = False

    def read(self) -> dict[str, Monopoly] | None:
        listed = self.client.monopolies()
        return None if listed is None else {one.uuid: one for one in listed}

    def quota(self) -> Quota | None:
        return self.client.quota()

    def in_use(self, held: Iterable[Monopoly]) -> int:
        return len(list(held))

    def counts_volume(self, quota: Quota, held: Collection[str]) -> bool:
        return False

    def paid(self, quota: Quota | None, number: int, held: Mapping[str, Monopoly]) -> None:
        pass

    def buy(self, number: int, terms: AllocationParams, sending: Sending) -> dict[str, Monopoly]:
        area = next(iter(terms.areas), None)
        self.client.apply_for_monopolies(number, area_code=area, isp=terms.isp, sending=sending)
        self.is_accepted = True
        return {}

    def swap(self, number: int, terms: AllocationParams, sending: Sending) -> dict[str, Monopoly]:
        raise NotImplementedError

    def drop(self, resources: Collection[Monopoly], sending: Sending) -> list[str]:
        uuids = [one.uuid for one in resources]
        named = self.client.release_monopolies(uuids, sending=sending)
        return uuids if named is None else named

    def label(self, resource: Monopoly) -> str:
        return resource.uuid

    def to_item(self, resource: Monopoly) -> Item:
        return Item(None, dict(resource.vendor))

    def from_item(self, item: Item) -> Monopoly | None:
        return Monopoly.from_item(item.data)


def traits(resource: Monopoly, terms: AllocationParams | None) -> Traits:
    """Return what decides whether a resource matches; the vendor's list names its area, but not the code."""
    return Traits(resource.uuid, None, resource.area, resource.isp, terms)


def known_terms(books: Books[Monopoly]) -> dict[str, AllocationParams]:
    """Return what held resources were applied for with, by name, as far as this control node has applied for them."""
    return {uuid: AllocationParams.from_json(request["terms"]) for uuid, request in books.requests().items()}


def monopoly_books(client: Monopolies, caps: Caps | None = None) -> tuple[MonopolyKind, Books[Monopoly]]:
    """Return the books of a key; explains the refusal of a key of another product."""
    kind = MonopolyKind(client, caps)
    books = Books(kind, kind.journal, client.caller.budget)
    with explaining_product(client):
        books.look()
    return kind, books


@contextlib.contextmanager
def explaining_product(client: Monopolies) -> Iterator[None]:
    """Explain the refusal of the list to a key of another product."""
    try:
        yield
    except CallError as error:
        if error.kind is None:
            raise
        raise naming_product(
            error, client.caller, "Check that the key's product is one of exclusive occupancy."
        ) from None
