# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replace resources, so that the key holds as many as before."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .._api.leases import Terms
from .._core.errors import QgError, UncertainOutcomeError
from .._store.facts import REPLACEMENT
from .._store.store import after_the_call
from .ensure import buy_needed, check_room
from .holdings import Holdings
from .paid_api import SWAP, Item
from .paying import buy
from .reconciling import confirm, confirm_again
from .release import fewest_first, release
from .uncertainty import unseen

R = TypeVar("R")


@dataclass
class Replacement(Generic[R]):
    """A replacement after which the key holds as many resources as before.

    What it began with is remembered for ten minutes, so that a run with the same ``request``
    continues an interrupted one, and nothing is paid for twice. Lists of held resources decide, and
    no successor is attributed to what it replaces: in doubt, one too few is bought rather than one
    too many. ``old`` are the names of which this ``number`` is to go.
    """

    holdings: Holdings[R]
    request: str
    before: dict[str, Item]
    old: list[str]
    number: int
    terms: Terms
    continues: bool = False

    @classmethod
    def begin(
        cls,
        holdings: Holdings[R],
        request: Any,
        old: Collection[str],
        number: int | None,
        terms: Terms,
    ) -> Replacement[R]:
        """Return the interrupted replacement with this request (JSON), or a new one.

        Without a ``number``, all ``old`` ones are to go.
        """
        text = json.dumps(request)

        def parse(remembered: str) -> Replacement[R]:
            begun = json.loads(remembered)
            before = {name: Item(**item) for name, item in begun["before"].items()}
            begun_terms = Terms.from_json(begun["terms"])
            begun_number = begun["number"]
            return cls(
                holdings, text, before, begun["old"], begun_number, begun_terms, continues=True
            )

        interrupted = holdings.api.caller.host_facts.read(REPLACEMENT, parse, text)
        if interrupted is not None:
            return interrupted
        if number is None:
            number = len(old)
        return cls(holdings, text, holdings.items(holdings.held), list(old), number, terms)

    def _as_json(self) -> str:
        before = {name: item._asdict() for name, item in self.before.items()}
        terms = self.terms.as_json()
        return json.dumps(
            {"before": before, "old": self.old, "number": self.number, "terms": terms}
        )

    def needed(self) -> int:
        """Return how many successors are to be bought: what is gone beyond the number, QG.net has
        taken back.
        """
        lost = [name for name, item in self.before.items() if self.holdings.is_lost(name, item)]
        new = self.holdings.held.keys() - self.before.keys()
        return max(0, min(len(lost), self.number) - len(new))

    def still_named(self) -> list[str]:
        """Return the old ones that are still held."""
        return [name for name in self.old if name in self.holdings.held]

    def still_old(self) -> list[str]:
        """Return which are yet to be replaced, if it does not matter which: what is gone counts as
        replaced, and so does what has a successor.
        """
        gone = self.before.keys() - self.holdings.held.keys()
        new = self.holdings.certain.keys() - self.before.keys()
        return self.still_named()[: max(0, self.number - max(len(gone), len(new)))]

    def by_name(self) -> None:
        """Replace the old ones by a release and a purchase."""
        with self._remembered():
            self._replace(self.still_named())

    def by_vendor(self) -> None:
        """Let QG.net replace those of its choice.

        Whatever is in doubt then, what is held decides. The rest is replaced by name, and so is all
        of an interrupted replacement.
        """
        with self._remembered():
            if self.number and not self.continues:
                self._swap(min(self.number, self.holdings.api.max_per_call))
            if rest := self.still_old():
                self._replace(rest)
            buy_needed(self.holdings, self.needed, self.terms)

    def _swap(self, number: int) -> None:
        holdings = self.holdings
        failure = buy(holdings, number, self.terms, SWAP)
        if failure is not None and not failure.may_have_effect:
            # QG.net may have released them before it refused.
            buy_needed(holdings, self.needed, self.terms)
            raise failure
        if failure is None and len(self.still_old()) == self.number:
            raise unseen(holdings.api, SWAP)

    def _replace(self, old: Sequence[str]) -> None:
        """Release these, and buy successors: the fewest first, the others if that works."""
        holdings = self.holdings
        # Before the first release: a resource must not be released if its successor must not be
        # bought.
        confirm(holdings)
        quota = holdings.quota
        buy_needed(holdings, self.needed, self.terms)
        first, others = fewest_first(holdings, old)
        for batch in (first, others):
            try:
                release(holdings, [name for name in batch if name in holdings.held])
            except UncertainOutcomeError:
                raise
            except QgError:
                # Successors for the released ones, even if not all could be released.
                buy_needed(holdings, self.needed, self.terms)
                raise
            # If channels were short, what the release has freed decides about the others.
            confirm_again(holdings, len(old))
            buy_needed(holdings, self.needed, self.terms)
            if batch is first:
                check_room(holdings, quota, len(others), needed=len(old))

    @contextlib.contextmanager
    def _remembered(self) -> Iterator[None]:
        """Remember what the body replaces, until it is over, or has failed without a change."""
        facts = self.holdings.api.caller.host_facts
        if not self.continues:
            facts.save(REPLACEMENT, self._as_json(), self.request)
        try:
            yield
        except UncertainOutcomeError:
            raise
        except QgError:
            if (
                not self.holdings.snapshot.calls
                and self.holdings.certain.keys() == self.before.keys()
            ):
                with after_the_call():
                    facts.forget(REPLACEMENT, self.request)
            raise
        facts.forget(REPLACEMENT, self.request)


def forget_replacements(holdings: Holdings[Any]) -> None:
    """Forget interrupted replacements: what was released since must not be bought again."""
    with after_the_call():
        holdings.api.caller.host_facts.forget_all(REPLACEMENT)
