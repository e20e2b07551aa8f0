# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all runs for resources share: their messages and times."""

from __future__ import annotations

import datetime

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import format_sample
from ansible_collections.qingguo.qgnet.plugins.module_utils._monopolies.session import summary
from support.monopoly_runs import START, MonopolyNode


def test_messages_are_short() -> None:
    assert format_sample([str(n) for n in range(22)], 3) == "0, 1, 2 and 19 more"
    assert summary(["online", "queued", "online", "queued", "redialling"], 6) == "2 of 6 online, 2 queued, 1 redialling"
    assert summary(["", "拨号中"], 2) == "0 of 2 online, 1 in no known state, 1 拨号中"


def test_times_without_a_zone_are_those_of_beijing(node: MonopolyNode) -> None:
    node.hold(1)
    since = node.api().monopolies()[0].since
    assert since == datetime.datetime.fromtimestamp(START, datetime.timezone.utc)
