# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rulebooks, and what their playbooks expect of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from behavior.gateway_fleet import gateway

RULEBOOKS = Path(__file__).parents[3] / "extensions/eda/rulebooks"


@pytest.mark.parametrize("product", ["share", "exclusive"])
def test_a_lease_is_reported_when_a_refresh_replaces_it(product: str) -> None:
    """Nothing reports it again: earlier, the refresh would keep it, and later, it would be over."""
    (play,) = yaml.safe_load((RULEBOOKS / "refresh_proxies.yml").read_text("utf-8"))
    source = play["sources"][0]["qingguo.qgnet.qg_watch"]
    seconds = {}
    for option in ("min_remaining", "interval"):
        seconds[option] = int(re.sub(r".*default\('?(\d+)s?'?\).*", r"\1", source[option]))

    drain = gateway(product).pools[0].drain
    assert drain is not None
    assert seconds["interval"] < seconds["min_remaining"] <= drain
