# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of the whitelist."""

from __future__ import annotations

from . import codes
from .codes import ApiError
from .request import ClassicRequest, ResponseBody


def add(request: ClassicRequest) -> ResponseBody:
    key, options = request.key, request.key.options
    requested = request.addresses("IP")
    foreign = {ip for ip in requested if request.keys.whitelist_owner(ip) not in (None, key)}
    if foreign and options.bound == "refuse":
        raise ApiError(codes.BOUND_TO_OTHER_KEY)
    present = {ip for ip in requested if ip in key.whitelist}
    if present and options.present_add == "full":
        raise ApiError(codes.WHITELIST_FULL)
    free = key.capacity - len(key.whitelist)
    new = [ip for ip in requested if ip not in present and ip not in foreign]
    if len(new) > free and options.overflow == "refuse":
        raise ApiError(codes.WHITELIST_FULL)
    excluded = foreign.union(new[max(0, free) :])
    added = request.without_dropped([ip for ip in requested if ip not in excluded])
    key.whitelist.extend(ip for ip in added if ip not in present)
    if options.present_add == "zero":
        added = [ip for ip in added if ip not in present]
    return {"Code": codes.OK, "Data": added, "Num": len(added)}


def delete(request: ClassicRequest) -> ResponseBody:
    key = request.key
    requested = request.addresses("IP")
    if key.options.absent_del == "error" and any(ip not in key.whitelist for ip in requested):
        raise ApiError(codes.INVALID_PARAMETER)
    deleted = request.without_dropped([ip for ip in requested if ip in key.whitelist])
    key.whitelist[:] = [ip for ip in key.whitelist if ip not in deleted]
    return {"Code": codes.OK, "Data": deleted, "Num": len(deleted)}


def query(request: ClassicRequest) -> ResponseBody:
    return {"Code": codes.OK, "Data": list(request.key.visible_lists(request.now).whitelist)}
