# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Responses of the product hosts: the envelope, the shapes of a list of leases, and the text format."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import formats
from ..exchange import ApiResponse, stringify_numbers
from ..keys.key import ProxyKey
from ..keys.leases import Lease
from ..keys.options import KeyOptions
from ..keys.plans import EXCLUSIVE, ISPS, LONGTERM, OVERSEAS, SHARE
from . import codes

DOCUMENTED = "documented"
GET_SHAPES = {SHARE: "list", LONGTERM: "ips", EXCLUSIVE: "ips", OVERSEAS: "list"}
QUERY_SHAPES = {SHARE: "list", LONGTERM: "list", EXCLUSIVE: "tasks", OVERSEAS: "list"}
DAY = 86400.0


@dataclass
class LeaseList:
    """The leases in a response, and the shape of the data that lists them."""

    leases: Sequence[Lease]
    shape: str

    @classmethod
    def extracted(cls, key: ProxyKey, leases: Sequence[Lease]) -> LeaseList:
        shape = key.options.get_shape
        return cls(leases, GET_SHAPES[key.plan.kind] if shape == DOCUMENTED else shape)

    @classmethod
    def in_use(cls, key: ProxyKey, leases: Sequence[Lease]) -> LeaseList:
        shape = key.options.query_shape
        return cls(leases, QUERY_SHAPES[key.plan.kind] if shape == DOCUMENTED else shape)


def create_request_id(number: int) -> str:
    """Return the request ID of the n-th call."""
    return str(uuid.UUID(hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest(), version=4))


def success_response(key: ProxyKey, data: Any, request_id: str, defect: str | None) -> ApiResponse:
    """Return a success in the form that the options of the key and a fault ask for."""
    if isinstance(data, LeaseList):
        data = _shaped(key, data)
    body = {"code": codes.SUCCESS, "data": data, "request_id": request_id}
    form = key.options.empty_data if data == [] else "list"
    if defect in ("data_null", "data_absent"):
        form = defect.removeprefix("data_")
    if form == "null":
        body["data"] = None
    elif form == "absent":
        del body["data"]
    if defect == "strings" or key.options.numbers == "string":
        body = stringify_numbers(body)
    return ApiResponse(200, body)


def error_response(code: str, message: str | None, options: KeyOptions, request_id: str) -> ApiResponse:
    body = {"code": code}
    text = codes.MESSAGES.get(code, "") if message is None else message
    if options.msg or message is not None:
        body["message"] = text
    limited = code == codes.REQUEST_LIMIT_EXCEEDED
    status = options.limit_status if limited else options.refusal_status
    return ApiResponse(status, {**body, "request_id": request_id})


def format_response(response: ApiResponse, params: Mapping[str, str], leases: LeaseList) -> ApiResponse:
    """Return the response in the format that the call asks for."""
    if params.get("format") != formats.TEXT:
        return response
    separator = formats.unescape_separator(params.get("seq", ""))
    text = formats.to_text((lease.host for lease in leases.leases), separator)
    return ApiResponse(response.status, response.body, text, "text/plain")


def _shaped(key: ProxyKey, found: LeaseList) -> Any:
    items = [_item(key, lease, found.shape) for lease in found.leases]
    if found.shape in ("list", "entries"):
        return items
    if found.shape == "single":
        return items[0] if len(items) == 1 else items
    tasks: dict[str, list[dict[str, Any]]] = {}
    for lease, item in zip(found.leases, items, strict=True):
        tasks.setdefault(lease.task_id, []).append(item)
    if found.shape == "ips":
        return {"task_id": next(iter(tasks), ""), "num": len(items), "ips": items}
    by_task = {task_id: {"task_id": task_id, "ips": ips} for task_id, ips in tasks.items()}
    return {"tasks": by_task if found.shape == "task_map" else list(by_task.values())}


def _item(key: ProxyKey, lease: Lease, shape: str) -> dict[str, Any]:
    kind, area = key.plan.kind, lease.area
    if shape == "entries":
        return {"server": lease.host, "area": str(area.area_id), "distinct": False}
    item: dict[str, Any] = {"proxy_ip": lease.ip, "server": lease.host}
    if kind != SHARE:
        item["area_code"] = area.area_id
    item["area"] = area.area
    if kind != OVERSEAS:
        item["isp"] = ISPS[area.isp]
    if kind == LONGTERM and shape in ("list", "single"):
        item["task_id"] = lease.task_id
    # The deadline of a static address is the time from which it can be released.
    releasable = kind == LONGTERM and key.plan.static and key.options.static_deadline == "release"
    return {**item, "deadline": key.options.deadline(lease.at + DAY if releasable else lease.ends)}
