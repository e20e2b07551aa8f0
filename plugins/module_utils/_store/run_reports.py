# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the hosts of a run have reported so far, from their requests in the write queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .runs import is_run_finished

if TYPE_CHECKING:
    from .interface import Store
    from .write_queue import WriteQueue


@dataclass(frozen=True)
class RunReports:
    """The requests of the hosts of a run; a host has one at most, the newest."""

    store: Store
    run: str

    def hosts(self) -> frozenset[str]:
        """Return the hosts that have submitted a request, for whichever key and inventory."""
        query = "SELECT DISTINCT host FROM write_requests WHERE run = ?"
        return frozenset(host for (host,) in self.store.rows(query, self.run))

    def addresses(self, key: str) -> set[str]:
        """Return the addresses that hosts reported: those of this run, and of other runs whose requests are pending."""
        query = "SELECT run, payload FROM write_requests WHERE host != '' AND (run = ? OR (key = ? AND result IS NULL))"
        found: set[str] = set()
        for run, text in self.store.rows(query, self.run, key):
            payload = self.store.decoded(text)
            if payload["state"] == "present" and (run == self.run or not is_run_finished(run)):
                found.update(payload["ips"])
        return found

    def completed(self, queue: WriteQueue, inventory: str) -> dict[str, Mapping[str, Any]]:
        """Return the payloads of the requests that succeeded with all addresses registered, by host."""
        query = (
            "SELECT host, payload, result FROM write_requests "
            "WHERE run = ? AND inventory = ? AND key = ? AND access = ? AND result IS NOT NULL"
        )
        found: dict[str, Mapping[str, Any]] = {}
        for host, payload, text in self.store.rows(query, self.run, inventory, queue.key, queue.access):
            result = self.store.decoded(text)
            if not (result.get("failed") or result.get("unregistered")):
                found[host] = self.store.decoded(payload)
        return found
