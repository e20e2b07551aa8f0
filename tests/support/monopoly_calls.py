# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The calls for exclusive-occupancy resources, and what may happen to them."""

from __future__ import annotations

from typing import Any

import pytest

#: Calls, as :class:`in_process.Vendor` names them.
APPLY, RELEASE, REDIAL = "POST /monopolies", "DELETE /monopolies", "PUT /monopolies/ips"
LIST, IDLE, QUOTA = "GET /monopolies", "GET /monopolies/idle", "GET /info/quota"
START = 1893456000.0
HOURS = 3600
QUANZHOU, GUANGZHOU, HUAIAN = "350500", "440100", "320800"
#: Lost responses to a write, and whether the vendor carried it out.
LOST: dict[str, tuple[bool, dict[str, Any]]] = {
    "reset after": (True, {"kind": "reset_after"}),
    "truncated": (True, {"kind": "truncate"}),
    "garbage": (True, {"kind": "garbage"}),
    "forbidden after": (True, {"kind": "status", "http_status": 403, "executed": True}),
    "bad gateway after": (True, {"kind": "status", "http_status": 502, "executed": True}),
    "too late": (True, {"kind": "hang_after", "seconds": 11}),
    "reset before": (False, {"kind": "reset_before"}),
    "closed": (False, {"kind": "refuse"}),
    "garbage before": (False, {"kind": "garbage", "executed": False}),
    "broken server": (False, {"kind": "status", "http_status": 500}),
    "unknown error": (False, {"kind": "code", "code": -1}),
}
lost = pytest.mark.parametrize(("done", "fields"), LOST.values(), ids=LOST)
