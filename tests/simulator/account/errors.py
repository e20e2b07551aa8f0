# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the account API.

The vendor does not publish its error codes. The codes and messages here are invented, and the options of an agent
replace them, so that nothing can depend on them.
"""

from __future__ import annotations

ERROR_KINDS: dict[str, tuple[int, str]] = {
    "missing_parameter": (400, "缺少参数 {}"),
    "bad_parameter": (400, "参数不合法 {}"),
    "unknown_appid": (401, "appid不存在"),
    "wrong_domain": (403, "domain不匹配"),
    "stale_time": (408, "time已过期"),
    "future_time": (408, "time超前于服务器时间"),
    "wrong_sign": (401, "签名错误"),
    "unknown_product": (404, "品牌编号不存在 {}"),
    "unknown_suid": (404, "业务不存在 {}"),
    "unknown_package": (404, "套餐编号不存在 {}"),
    "unknown_system": (404, "操作系统编号不存在 {}"),
    "unknown_resource": (404, "资源编号不存在 {}"),
    "bad_duration": (400, "购买时长不合法 {}"),
    "area_not_in_line": (400, "可用区{}不属于该线路"),
    "planned": (500, "系统繁忙"),
}
"""Code and message by kind; a planned fault causes ``planned``."""


class AccountError(Exception):
    """The API refuses a call."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.message = ERROR_KINDS[kind][1].format(detail)
