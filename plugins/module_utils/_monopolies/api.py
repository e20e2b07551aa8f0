# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gate needs to know of reserved lines.

QG.net carries out an application some time after the response, which has no documented format.
So no response names what was applied for, and the list decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .._api.calls import MONOPOLIES as LIST
from .._api.calls import MONOPOLIES_APPLY, MONOPOLIES_RELEASE
from .._api.exchange import Sending
from .._api.leases import NamedArea, Quota, Terms
from .._api.monopolies import Monopolies, Monopoly
from .._core.errors import CallError, Reason
from .._core.runtime import module_command
from .._paid.journal_reader import MONOPOLIES
from .._paid.matching import Traits
from .._paid.paid_api import BUY, DROP, Item, PaidApi, Span
from .._task.products import naming_product

#: The maximum number of reserved lines in one application, and in any other call, so that the query
#: stays short.
MAX_COUNT = 100
BATCH_SIZE = 50


class MonopolyApi(PaidApi[Monopoly]):
    """The calls for reserved lines of one client."""

    kind = MONOPOLIES
    product = "classic"
    noun = "reserved line"
    listing = "the list of reserved lines"
    list_call = LIST.name
    max_per_call = MAX_COUNT
    rules = ""
    ignoring = "Set ignore_quota=true if the quota counts something else."
    ends_by_itself = False
    calls: Mapping[str, str] = {BUY: MONOPOLIES_APPLY.name, DROP: MONOPOLIES_RELEASE.name}

    @property
    def advice(self) -> str:
        command = module_command("qg_monopoly_info")
        return (
            f"Run the task again: it waits until that is known. `{command}` shows the reserved "
            "lines of the key."
        )

    def __init__(self, client: Monopolies) -> None:
        self.client = client
        self.caller = client.caller

    def read(self) -> dict[str, Monopoly] | None:
        try:
            listed = self.client.monopolies()
        except CallError as error:
            if error.reason is None:
                raise
            advice = "Check that the key's product is one of exclusive occupancy."
            raise naming_product(error, self.caller, advice) from None
        if listed is None:
            return None
        return {monopoly.uuid: monopoly for monopoly in listed}

    def quota(self) -> Quota | None:
        return self.client.quota()

    def named_areas(self) -> list[NamedArea]:
        return self.client.leases.named_areas()

    def pay(
        self, operation: str, number: int, terms: Terms, sending: Sending
    ) -> dict[str, Monopoly]:
        area = next(iter(terms.areas), None)
        try:
            self.client.apply_for_monopolies(number, area_code=area, isp=terms.isp, sending=sending)
        except CallError as error:
            if error.reason is Reason.REFUSED:
                error.message += (
                    " Nothing was applied for. Ask for less, for another place, or extend the plan."
                )
            raise
        return {}

    def release_size(self, number: int) -> int:
        return BATCH_SIZE

    def check_release(self, going: Collection[Monopoly], staying: Collection[Monopoly]) -> None:
        """Each reserved line has a name of its own."""

    def drop(
        self, going: Collection[Monopoly], staying: Collection[Monopoly], sending: Sending
    ) -> list[str]:
        uuids = [monopoly.uuid for monopoly in going]
        named = self.client.release_monopolies(uuids, sending=sending)
        if named is None:
            return uuids
        return named

    def label(self, monopoly: Monopoly) -> str:
        return monopoly.uuid

    def traits(self, monopoly: Monopoly, terms: Terms) -> Traits:
        # QG.net's list names its area, but not the code.
        return Traits(monopoly.uuid, None, monopoly.area, monopoly.isp, terms)

    def ends(self, monopoly: Monopoly) -> None:
        """A reserved line lasts until it is released."""

    def to_item(self, monopoly: Monopoly) -> Item:
        return Item(None, dict(monopoly.vendor))

    def from_item(self, item: Item) -> Monopoly:
        return Monopoly.from_item(item.data)

    def span(self, item: Item) -> Span:
        return Span()
