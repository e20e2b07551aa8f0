# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The features of the classic API (``https://proxy.qg.net``) for leases."""

from __future__ import annotations

from .._api.classic import endpoints
from .._api.classic.errors import (
    ALLOCATION_FAILED,
    COUNT_LIMIT,
    NO_FREE_CHANNEL,
    NO_PERMISSION,
    RESOURCES_SHORT,
    UNKNOWN,
)
from .backend import LeaseFeatures
from .plan import MAX_PER_CALL

FEATURES = LeaseFeatures(
    list=endpoints.QUERY.name,
    allocate=endpoints.ALLOCATE.name,
    replace=endpoints.REPLACE.name,
    release=endpoints.RELEASE.name,
    max_per_call=MAX_PER_CALL,
    no_free_channel=frozenset({NO_FREE_CHANNEL}),
    maybe_own_effect=frozenset({NO_FREE_CHANNEL, RESOURCES_SHORT, COUNT_LIMIT}),
    failed=frozenset({ALLOCATION_FAILED}),
    partial_replacement=frozenset({UNKNOWN, NO_FREE_CHANNEL, RESOURCES_SHORT, ALLOCATION_FAILED, COUNT_LIMIT}),
    too_many=frozenset({COUNT_LIMIT}),
    forbidden=frozenset({NO_PERMISSION}),
    release_rules=(
        "A dynamic dedicated plan may release channels*2 addresses a minute; a static one 2 a week, each more than a "
        "day after it was leased; a shared one never releases."
    ),
)
