# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source with its rulebooks, and what metrics and alerts compare, for plans whose leases
last from a minute to a day.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import use
from ansible_collections.qingguo.qgnet.plugins.module_utils._watch.poller import (
    LEASES,
    Changes,
    read_options,
)
from behavior.gateway_fleet import Fleet, gateway
from support import phrases
from support.node import Node
from support.vendor import Vendor, plan_of

RULEBOOKS = Path(__file__).parents[3] / "extensions/eda/rulebooks"
MINUTE = 60.0
DAY = 86400.0
COUNT = 2
#: The product, the minutes that its leases last, and drain and interval of a gateway in seconds.
PLANS = [
    ("share", 1, 15, 10),
    ("share", 2, 15, 10),
    ("share", 3, 15, 10),
    ("share", 5, 60, 10),
    ("classic", 30, 120, 60),
    ("longterm", 30, 120, 60),
    ("exclusive", 1440, 3600, 600),
]


def node_of(folder: Path, product: str, minutes: int) -> Node:
    """Return a control node with a key of a plan."""
    vendor = Vendor(**plan_of(product, channels=20, lifetime=minutes))
    return Node(folder / "store", vendor, product=product)


class Watcher:
    """The event source with the options of a rulebook, and the rule that starts its playbook."""

    def __init__(self, node: Node, rulebook: str) -> None:
        (play,) = yaml.safe_load((RULEBOOKS / f"{rulebook}.yml").read_text("utf-8"))
        source = play["sources"][0]["qingguo.qgnet.qg_watch"]
        default = re.compile(r".*default\('?([0-9]+s?)'?\).*")
        self.min_remaining = default.sub(r"\1", source["min_remaining"])
        self.interval = float(default.sub(r"\1", source["interval"]))
        self._node = node
        self._changes = Changes()
        options = {**source, **node.options}
        options |= {"min_remaining": self.min_remaining, "interval": self.interval}
        with use(node.runtime):
            watch = read_options(options)
        self._read = watch.readers[LEASES]

    def is_due(self) -> bool:
        """Poll once, and return whether the rule applies."""
        with use(self._node.runtime):
            event = self._changes.reading(LEASES, self._read())
        if event is None:
            return False
        return bool(event["removed"]) or not event["added"]


@pytest.mark.parametrize(("product", "minutes"), [plan[:2] for plan in PLANS])
def test_leases_are_rotated_before_they_end(tmp_path: Path, product: str, minutes: int) -> None:
    """With what the rulebook has by default."""
    node = node_of(tmp_path, product, minutes)
    watcher = Watcher(node, "rotate_leases")
    began = node.vendor.clock.now()
    options = {"count": COUNT, "min_remaining": watcher.min_remaining}
    polls = int(4 * MINUTE / watcher.interval)

    missing = 0
    for _generation in range(4):
        for _poll in range(polls):
            if watcher.is_due():
                node.ok("qg_proxy_allocate", **options)
            if len(node.vendor.leases) < COUNT:
                missing += 1
            node.vendor.advance(watcher.interval)
        # Until shortly before the end of leases, nothing new is found.
        node.vendor.advance(max(0.0, minutes - 6) * MINUTE)

    # Of longterm, no deadline says when a lease ends. It is over when lists that are a minute apart
    # lack it.
    if product == "longterm":
        assert missing <= 4 * (MINUTE / watcher.interval + 2)
    else:
        assert missing == 0
    lives = node.vendor.clock.now() - began
    lives /= minutes * MINUTE
    assert COUNT * int(lives) <= node.vendor.paid <= COUNT * (1 + lives / 0.6)


@pytest.mark.parametrize(("product", "minutes", "drain", "interval"), PLANS)
def test_a_gateway_that_is_well_is_due_for_no_alert(
    tmp_path: Path, product: str, minutes: int, drain: int, interval: int
) -> None:
    """Metrics have the numbers of the ledger and of the report, which alerts compare: leases that
    are held, those of others, problems, and what a day needs, which a cap should allow.
    """
    node = node_of(tmp_path, product, minutes)
    fleet = Fleet(node, gateway(product, count=COUNT, drain=drain, interval=interval))
    fleet.install()
    began = node.vendor.clock.now()
    fleet.run()
    problems = 0
    refreshes = min(200, 6 * minutes * 60 // interval)
    for _refresh in range(refreshes):
        node.vendor.advance(interval)
        fleet.run()
        if fleet.problem:
            problems += 1

    needed = node.ok("qg_ledger_info")["needed_per_day"]
    # A day may have a generation more than an average one.
    enough = int(needed["most"]) + 1 + COUNT
    report = node.ok("qg_report_info", max_new_per_day=enough)
    too_low = node.ok("qg_report_info", max_new_per_day=max(1, int(needed["least"]) - 1))

    days = (node.vendor.clock.now() - began) / DAY
    assert COUNT * int(days * DAY / (minutes * MINUTE)) <= node.vendor.paid
    assert needed["least"] * days - COUNT <= node.vendor.paid <= needed["most"] * days + COUNT
    assert report["foreign"] == 0
    assert len(report["leases"]) >= COUNT
    assert phrases.IS_NOT_REACHED in report["forecast"]
    assert phrases.IS_NOT_REACHED not in too_low["forecast"]
    # When a lease of longterm ends, only lists show that it is over.
    assert problems == 0 or (product == "longterm" and problems <= 2 * days * DAY / 1800)
