# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The codes of the two APIs by the reason of a refusal, and their messages."""

from __future__ import annotations

OK = 0
SUCCESS = "SUCCESS"
UNKNOWN = -1
CODES: dict[str, tuple[int, str]] = {
    "unknown": (UNKNOWN, "INTERNAL_ERROR"),
    "parameter": (-10, "INVALID_PARAMETER"),
    "rate": (-11, "REQUEST_LIMIT_EXCEEDED"),
    "blocked": (-12, "KEY_BLOCK"),
    "unauthorized": (-13, "API_AUTH_DENY"),
    "password": (-14, "API_AUTH_DENY"),
    "no_permission": (-15, "ACCESS_DENY"),
    "expired": (-100, "UNAVAILABLE_KEY"),
    "no_key": (-100, "INVALID_KEY"),
    "over_plan": (-101, "NO_AVAILABLE_CHANNEL"),
    "no_channel": (-102, "NO_AVAILABLE_CHANNEL"),
    "no_stock": (-103, "NO_RESOURCE_FOUND"),
    "failed": (-104, "FAILED_OPERATION"),
    "balance": (-105, "BALANCE_INSUFFICIENT"),
    "releases": (-105, "DELETE_LIMIT_EXCEEDED"),
    "too_young": (-105, "STATIC_DELETE_TIME_LIMIT"),
    "held_too_short": (-105, "MONOPOLY_DELETE_TIME_LIMIT"),
    "redialed": (-105, "MONOPOLY_CHANGEIP_TIME_LIMIT"),
    "extractions": (-105, "EXTRACT_LIMIT_EXCEEDED"),
    "whitelist_full": (-202, "IP_WHITELIST_LIMIT_EXCEEDED"),
    "foreign": (-206, "INVALID_PARAMETER"),
}
"""The code of the classic API, and that of the product hosts."""

CLASSIC_MESSAGES: dict[int | str, str] = {
    -1: "未知错误",
    -10: "参数不合法",
    -11: "请求过于频繁",
    -12: "Authkey被封禁",
    -13: "当前客户端IP不在授权名单中",
    -14: "Pwd不合法",
    -15: "Authkey对应的业务无此权限",
    -100: "计划不存在或已过期",
    -101: "申请的IP数超过套餐通道数",
    -102: "没有空闲通道",
    -103: "资源不足",
    -104: "申请资源失败",
    -105: "释放的IP数超过允许释放的IP数",
    -202: "白名单数量超出限制",
    -206: "IP已被其他Key绑定",
}
PRODUCT_MESSAGES: dict[int | str, str] = {
    # Nobody has published the others.
    **{code: CLASSIC_MESSAGES[classic] for classic, code in reversed(CODES.values())},
    "NO_AVAILABLE_CHANNEL": "没有可用的空闲通道",
}
MESSAGES = {**CLASSIC_MESSAGES, **PRODUCT_MESSAGES}
