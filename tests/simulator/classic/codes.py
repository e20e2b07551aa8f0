# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result codes of the classic API."""

from __future__ import annotations

OK = 0
UNKNOWN = -1
INVALID_PARAMETER = -10
TOO_MANY_CALLS = -11
KEY_BLOCKED = -12
SOURCE_NOT_AUTHORISED = -13
INVALID_PWD = -14
NO_PERMISSION = -15
NO_PLAN = -100
OVER_PLAN = -101
NO_FREE_CHANNEL = -102
NO_STOCK = -103
ALLOCATION_FAILED = -104
COUNT_LIMIT = -105
WHITELIST_FULL = -202
BOUND_TO_OTHER_KEY = -206

MESSAGES = {
    UNKNOWN: "未知错误",
    INVALID_PARAMETER: "参数不合法",
    TOO_MANY_CALLS: "请求过于频繁",
    KEY_BLOCKED: "Authkey被封禁",
    SOURCE_NOT_AUTHORISED: "当前客户端IP不在授权名单中",
    INVALID_PWD: "Pwd不合法",
    NO_PERMISSION: "Authkey对应的业务无此权限",
    NO_PLAN: "计划不存在或已过期",
    OVER_PLAN: "申请的IP数超过套餐通道数",
    NO_FREE_CHANNEL: "没有空闲通道",
    NO_STOCK: "资源不足",
    ALLOCATION_FAILED: "申请资源失败",
    COUNT_LIMIT: "释放的IP数超过允许释放的IP数",
    WHITELIST_FULL: "白名单数量超出限制",
    BOUND_TO_OTHER_KEY: "IP已被其他Key绑定",
}

KEY_STATUS_CODES: dict[str, int] = {
    "ok": OK,
    "blocked": KEY_BLOCKED,
    "unauthorised": SOURCE_NOT_AUTHORISED,
    "no_permission": NO_PERMISSION,
    "expired": NO_PLAN,
}


class ApiError(Exception):
    """The API refuses a call with one of its codes."""

    def __init__(self, code: int, message: str | None = None, executed: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.message = MESSAGES[code] if message is None else message
        self.executed = executed
        """Whether a part of the call was executed nevertheless."""
