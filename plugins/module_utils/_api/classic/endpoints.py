# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls of the classic API: path, limit per minute, and whether each may be repeated after a lost response.

Limits: the vendor's page on limits, and docs 174 to 181 and 297. The calls for exclusive occupancy have no known
numbers, and their limits are documented for only some of them.
"""

from __future__ import annotations

import functools

from ..exchange import Endpoint
from .errors import ALLOCATION_FAILED, UNKNOWN

_endpoint = functools.partial(Endpoint, unknown_effect=(UNKNOWN, 500))
#: The codes of refusals after which a change of the whitelist, or of leases, may have been carried out.
_WHITELIST, _LEASES = (UNKNOWN,), (UNKNOWN, ALLOCATION_FAILED)

WHITELIST_QUERY = _endpoint("/whitelist/query", 60, repeatable=True, doc=180)
WHITELIST_ADD = _endpoint("/whitelist/add", 20, repeatable=False, doc=178, unknown_effect=_WHITELIST)
WHITELIST_DEL = _endpoint("/whitelist/del", 20, repeatable=False, doc=179, unknown_effect=_WHITELIST)
QUOTA = _endpoint("/info/quota", 60, repeatable=True, doc=181)
AREAS = _endpoint("/resources", 60, repeatable=True, doc=177)
QUERY = _endpoint("/query", 10, repeatable=True, doc=175, per_channel=5)
EXTRACT = _endpoint("/extract", 45, repeatable=True, doc=None)
ALLOCATE = _endpoint("/allocate", 10, repeatable=False, doc=174, per_channel=5, unknown_effect=_LEASES)
REPLACE = _endpoint("/replace", 10, repeatable=False, doc=297, per_channel=5, unknown_effect=_LEASES)
RELEASE = _endpoint("/release", 0, repeatable=False, doc=176, per_channel=5, unknown_effect=_LEASES)
#: Not a call: the addresses that may be released in a minute.
RELEASED_ADDRESSES = _endpoint("/release addresses", 0, repeatable=False, doc=176, per_channel=2)
MONOPOLIES = _endpoint("/monopolies", 60, repeatable=True, doc=None, by_status=True)
MONOPOLIES_IDLE = _endpoint("/monopolies/idle", 60, repeatable=True, doc=None, by_status=True)
MONOPOLIES_APPLY = _endpoint("/monopolies", 10, False, None, per_channel=5, method="POST", by_status=True)
MONOPOLIES_REDIAL = _endpoint("/monopolies/ips", 10, False, None, per_channel=5, method="PUT", by_status=True)
MONOPOLIES_RELEASE = _endpoint("/monopolies", 10, False, None, per_channel=5, method="DELETE", by_status=True)
