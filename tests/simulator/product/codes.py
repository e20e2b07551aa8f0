# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result codes of the product hosts."""

from __future__ import annotations

SUCCESS = "SUCCESS"
INTERNAL_ERROR = "INTERNAL_ERROR"
INVALID_PARAMETER = "INVALID_PARAMETER"
INVALID_KEY = "INVALID_KEY"
UNAVAILABLE_KEY = "UNAVAILABLE_KEY"
ACCESS_DENY = "ACCESS_DENY"
API_AUTH_DENY = "API_AUTH_DENY"
KEY_BLOCK = "KEY_BLOCK"
REQUEST_LIMIT_EXCEEDED = "REQUEST_LIMIT_EXCEEDED"
BALANCE_INSUFFICIENT = "BALANCE_INSUFFICIENT"
NO_RESOURCE_FOUND = "NO_RESOURCE_FOUND"
FAILED_OPERATION = "FAILED_OPERATION"
EXTRACT_LIMIT_EXCEEDED = "EXTRACT_LIMIT_EXCEEDED"
NO_AVAILABLE_CHANNEL = "NO_AVAILABLE_CHANNEL"
DELETE_LIMIT_EXCEEDED = "DELETE_LIMIT_EXCEEDED"
STATIC_DELETE_TIME_LIMIT = "STATIC_DELETE_TIME_LIMIT"
MONOPOLY_DELETE_TIME_LIMIT = "MONOPOLY_DELETE_TIME_LIMIT"
MONOPOLY_CHANGEIP_TIME_LIMIT = "MONOPOLY_CHANGEIP_TIME_LIMIT"
IP_WHITELIST_LIMIT_EXCEEDED = "IP_WHITELIST_LIMIT_EXCEEDED"

MESSAGES = {
    INTERNAL_ERROR: "系统内部错误",
    INVALID_PARAMETER: "参数错误",
    INVALID_KEY: "Key不存在或已过期",
    UNAVAILABLE_KEY: "Key不可用",
    ACCESS_DENY: "Key没有此接口的权限",
    API_AUTH_DENY: "API鉴权失败",
    KEY_BLOCK: "Key已被封禁",
    REQUEST_LIMIT_EXCEEDED: "请求过于频繁",
    BALANCE_INSUFFICIENT: "余量不足",
    NO_RESOURCE_FOUND: "没有可用的资源",
    FAILED_OPERATION: "提取失败",
    EXTRACT_LIMIT_EXCEEDED: "提取数量超出限制",
    NO_AVAILABLE_CHANNEL: "没有可用的空闲通道",
    DELETE_LIMIT_EXCEEDED: "释放过于频繁",
    STATIC_DELETE_TIME_LIMIT: "静态IP提取24小时后才能释放",
    MONOPOLY_DELETE_TIME_LIMIT: "独占资源12小时后才能释放",
    MONOPOLY_CHANGEIP_TIME_LIMIT: "更换IP需间隔10秒",
    IP_WHITELIST_LIMIT_EXCEEDED: "白名单数量超出限制",
}

KEY_STATUS_CODES: dict[str, str] = {
    "ok": SUCCESS,
    "blocked": KEY_BLOCK,
    "unauthorised": API_AUTH_DENY,
    "no_permission": ACCESS_DENY,
    "expired": UNAVAILABLE_KEY,
}


class ProductError(Exception):
    """The API refuses a call with one of its codes."""

    def __init__(self, code: str, executed: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.executed = executed
        """Whether a part of the call was executed nevertheless."""
