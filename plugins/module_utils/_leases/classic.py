# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The features of the classic API (``https://proxy.qg.net``) for leases."""

from __future__ import annotations

from .._api.calls import CLASSIC, PRODUCTS
from .._core.errors import Kind
from .backend import LeaseFeatures
from .plan import MAX_PER_CALL

_CALLS = PRODUCTS[CLASSIC]
FEATURES = LeaseFeatures(
    list=_CALLS.query.name,
    allocate=_CALLS.allocate.name,
    replace="/replace",
    release="/release",
    max_per_call=MAX_PER_CALL,
    no_free_channel=frozenset({Kind.CHANNELS}),
    maybe_own_effect=frozenset({Kind.CHANNELS, Kind.STOCK, Kind.COUNT}),
    failed=frozenset({Kind.FAILED}),
    partial_replacement=frozenset({Kind.UNKNOWN, Kind.CHANNELS, Kind.STOCK, Kind.FAILED, Kind.COUNT}),
    too_many=frozenset({Kind.COUNT}),
    forbidden=frozenset({Kind.PERMISSION}),
    release_rules=(
        "A dynamic dedicated plan may release channels*2 addresses a minute; a static one 2 a week, each more than a "
        "day after it was leased; a shared one never releases."
    ),
)
