# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of the whitelist."""

from __future__ import annotations

from ..keys.notations import write
from . import codes
from .codes import ApiError
from .request import ClassicRequest, ResponseBody


def add(request: ClassicRequest) -> ResponseBody:
    key, options = request.key, request.key.options
    requested = _entries(request)
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
    return _answer(request, added)


def delete(request: ClassicRequest) -> ResponseBody:
    key, options = request.key, request.key.options
    if options.del_takes == "listed":
        requested = request.string_list("IP")
        entries = {write(entry, options.whitelist_notation): entry for entry in key.whitelist}
    else:
        requested = _entries(request)
        entries = {entry: entry for entry in key.whitelist}
    if options.absent_del == "error" and any(text not in entries for text in requested):
        raise ApiError(codes.INVALID_PARAMETER)
    deleted = request.without_dropped([text for text in requested if text in entries])
    gone = {entries[text] for text in deleted}
    key.whitelist[:] = [entry for entry in key.whitelist if entry not in gone]
    return _answer(request, deleted)


def _entries(request: ClassicRequest) -> list[str]:
    takes_any = request.key.options.whitelist_takes == "any"
    return request.string_list("IP") if takes_any else request.addresses("IP")


def query(request: ClassicRequest) -> ResponseBody:
    notation = request.key.options.whitelist_notation
    return {
        "Code": codes.OK,
        "Data": [write(entry, notation) for entry in request.key.visible_lists(request.now).whitelist],
    }


def _answer(request: ClassicRequest, changed: list[str]) -> ResponseBody:
    """Return the answer to a change of these entries."""
    named = changed[: max(0, len(changed) - request.unnamed)]
    body: ResponseBody = {"Code": codes.OK, "Data": named, "Num": len(named)}
    shown = {"list": ("Code", "Data", "Num"), "number": ("Code", "Num"), "code": ("Code",)}
    return {name: body[name] for name in shown[request.key.options.whitelist_answer]}
