# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls that a key may make in one minute of the vendor."""

from __future__ import annotations

from collections.abc import Callable

from .key import ProxyKey

RateLimit = Callable[[ProxyKey], int]


def fixed_limit(limit: int) -> RateLimit:
    return lambda key: limit


def limit_by_channels(factor: int, extra: int = 0) -> RateLimit:
    """Return a limit of ``channels * factor + extra``; plans by volume have no channels, and a limit of 60."""
    return lambda key: 60 if key.plan.by_volume else key.plan.channels * factor + extra
