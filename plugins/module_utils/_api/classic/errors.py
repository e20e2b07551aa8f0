# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The refusals of the classic API."""

from __future__ import annotations

from ..codes import MONOPOLY_STATUSES
from ..errors import RefusedError

UNKNOWN = -1
INVALID_PARAMETER = -10
RATE_LIMITED = -11
NO_PERMISSION = -15
NO_PLAN = -100
NO_FREE_CHANNEL = -102
RESOURCES_SHORT = -103
ALLOCATION_FAILED = -104
COUNT_LIMIT = -105
WHITELIST_FULL = -202
BOUND_TO_OTHER_KEY = -206
#: The codes of refusals of the caller or its rate, whatever the call was to do.
KEY_REFUSALS = (RATE_LIMITED, -12, -13, -14, NO_PERMISSION, NO_PLAN)


class ApiError(RefusedError):
    """A refusal with one of the codes of the classic API."""

    rate_limited = RATE_LIMITED
    of_other_product = frozenset({INVALID_PARAMETER, NO_PERMISSION, NO_PLAN})


class StatusError(ApiError):
    """A refusal of the calls for exclusive occupancy, which report it by HTTP status: 400 refused, 500 unknown error.

    ``code`` is that status, as in the vendor's own client.
    """

    codes = MONOPOLY_STATUSES
    _number = "HTTP"
