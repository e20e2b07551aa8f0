# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Responses of the classic API: errors, lease items, and the effect of options and faults on a body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .. import formats
from ..exchange import ApiResponse, stringify_numbers
from ..keys.key import ProxyKey
from ..keys.leases import Lease
from ..keys.options import KeyOptions
from . import codes


def error_response(code: int, message: str, with_message: bool, rest: bool) -> ApiResponse:
    """Return an error in one of the two styles of the API: an HTTP status and ``error``, or ``Code`` and ``Msg``."""
    if rest:
        return ApiResponse(500 if code == codes.UNKNOWN else 400, {"error": message})
    body: dict[str, Any] = {"Code": code}
    if with_message and message:
        body["Msg"] = message
    return ApiResponse(200, body)


def lease_item(key: ProxyKey, lease: Lease, detail: bool) -> dict[str, Any]:
    """Return a lease as an item of a response."""
    deadline = key.options.deadline(lease.ends)
    item = {"IP": lease.ip, "port": str(lease.port), "deadline": deadline, "host": lease.host}
    if detail:
        item["region"] = lease.area.region
    return item


def format_response(response: ApiResponse, params: Mapping[str, str], lists_servers: bool) -> ApiResponse:
    """Return the response in the format that the call asks for. An error is text in none of them."""
    name = params.get("DataFormat") or params.get("format")
    if name == formats.XML:
        return replace(response, text=formats.to_xml(response.body), media_type="application/xml")
    if name == formats.TEXT and lists_servers and response.body.get("Code") in (codes.OK, str(codes.OK)):
        separator = formats.unescape_separator(params.get("DataSeparator") or params.get("seq") or "")
        servers = [item["host"] for item in response.body.get("Data") or []]
        return replace(response, text=formats.to_text(servers, separator), media_type="text/plain")
    return response


def apply_options(response: ApiResponse, options: KeyOptions, defect: str | None) -> ApiResponse:
    """Return the response in the form that the options of the key and a fault ask for."""
    body = dict(response.body)
    for name, empty in (("Data", options.empty_data), ("data", options.empty_data), ("TaskList", options.empty_tasks)):
        if name not in body:
            continue
        form = "list" if body[name] else empty
        if defect in ("data_null", "data_absent"):
            form = defect.removeprefix("data_")
        if form == "absent":
            del body[name]
        elif form == "null":
            body[name] = None
    if defect == "strings" or options.numbers == "string":
        body = stringify_numbers(body)
    return ApiResponse(response.status, body)
