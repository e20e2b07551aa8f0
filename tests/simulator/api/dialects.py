# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the calls and answers of each API look like: names of parameters, envelopes, and shapes of lists."""

from __future__ import annotations

import hashlib
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from .. import formats
from ..clock import beijing
from ..exchange import ApiResponse, CallRecord, Refusal, stringify_numbers
from ..keys.key import ProxyKey
from ..keys.leases import Lease
from ..keys.options import KeyOptions
from ..keys.plans import EXCLUSIVE, ISPS, LONGTERM, OVERSEAS, SHARE
from .codes import CODES, MESSAGES, OK, SUCCESS, UNKNOWN
from .leases import DAY, LeaseList, Released
from .request import Names

GET_SHAPES = {SHARE: "list", LONGTERM: "ips", EXCLUSIVE: "ips", OVERSEAS: "list"}
QUERY_SHAPES = {SHARE: "list", LONGTERM: "list", EXCLUSIVE: "tasks", OVERSEAS: "list"}
Body = dict[str, Any]


def _names(text: str) -> Names:
    """Return the spellings of each parameter."""
    named = (each.split("=") for each in text.split())
    return {name: tuple(spellings.split(",")) for name, spellings in named}


class Dialect(ABC):
    """One way to ask and to answer."""

    password: ClassVar[str]
    names: ClassVar[Names]
    """The parameters, in all spellings, by what operations call them."""
    separator: ClassVar[tuple[str, ...]] = ("seq",)
    """The parameters with the separator of a text."""
    code_index: ClassVar[int]
    ok: ClassVar[int | str]

    def code(self, refusal: Refusal) -> int | str:
        return CODES[refusal.reason][self.code_index]

    @abstractmethod
    def success(self, key: ProxyKey, result: Any, params: Mapping[str, str], record: CallRecord) -> Body:
        """Return the body for the result of an operation."""

    @abstractmethod
    def error(self, code: Any, message: str | None, options: KeyOptions, record: CallRecord) -> ApiResponse:
        """Return the response for a code; without a message, with the usual one."""

    def text_of(self, result: Any, params: Mapping[str, str]) -> str | None:
        """Return the servers of a list as a text, if the call asks for one."""
        if not isinstance(result, LeaseList) or (params.get("DataFormat") or params.get("format")) != formats.TEXT:
            return None
        separator = next((params[name] for name in self.separator if params.get(name)), "")
        return formats.to_text((lease.host for lease in result.leases), formats.unescape_separator(separator))


class Classic(Dialect):
    """The API of proxy.qg.net: a number as ``Code``."""

    password = "Pwd"
    names = _names(
        "count=Num minutes=KeepAlive area=AreaId isp=Isp,ISP distinct=Distinct detail=Detail,detail "
        "pool=Pool ips=IP tasks=TaskID status=Status"
    )
    separator = ("DataSeparator", "seq")
    code_index, ok = 0, OK

    def success(self, key: ProxyKey, result: Any, params: Mapping[str, str], record: CallRecord) -> Body:
        detail = any(params.get(name) in ("1", "true") for name in self.names["detail"])
        if isinstance(result, Released):
            named = {"Data": [lease.ip for lease in result.leases], "Num": len(result.leases)}
            return {"Code": OK, **(named if key.options.release_answer == "list" else {})}
        if not isinstance(result, LeaseList):
            return {"Code": OK, **result}
        # The order of the live answers: some programs cut the text at these names.
        if not result.in_use:
            items = [self._item(lease, detail) for lease in result.leases]
            return {"Code": OK, "Data": items, "Num": len(items), "TaskID": result.task_id}
        tasks: dict[str, list[Body]] = {}
        for lease in result.leases:
            tasks.setdefault(lease.task_id, []).append(self._item(lease, detail))
        listed = [{"TaskID": task_id, "Num": len(items), "Data": items} for task_id, items in tasks.items()]
        return {"Code": OK, "TaskList": listed, "TaskNum": len(listed), "TotalNum": len(result.leases)}

    @staticmethod
    def _item(lease: Lease, detail: bool) -> Body:
        item = {"IP": lease.ip, "port": str(lease.port), "deadline": beijing(lease.ends), "host": lease.host}
        return {**item, "region": lease.area.region} if detail else item

    def error(self, code: Any, message: str | None, options: KeyOptions, record: CallRecord) -> ApiResponse:
        text = MESSAGES.get(code, "") if message is None else message
        body = {"Code": code, "Msg": text} if text else {"Code": code}
        return ApiResponse(200 if options.error_status is None else options.error_status, body)

    def text_of(self, result: Any, params: Mapping[str, str]) -> str | None:
        in_use = isinstance(result, LeaseList) and result.in_use
        return None if in_use else super().text_of(result, params)


class Rest(Classic):
    """Exclusive occupancy: an HTTP status, and ``data`` or ``error``."""

    names = _names("count=Num area=AreaCode isp=Operator uuids=UUIDs")

    def success(self, key: ProxyKey, result: Any, params: Mapping[str, str], record: CallRecord) -> Body:
        return {"data": result}

    def error(self, code: Any, message: str | None, options: KeyOptions, record: CallRecord) -> ApiResponse:
        text = MESSAGES.get(code, "") if message is None else message
        return ApiResponse(500 if code == UNKNOWN else 400, {"error": text})


class Product(Dialect):
    """The product hosts: a name as ``code``."""

    password = "pwd"
    names = _names(
        "count=num minutes=keep_alive area=area excluded=area_ex isp=isp distinct=distinct pool=pool ips=ip tasks=task"
    )
    code_index, ok = 1, SUCCESS

    def success(self, key: ProxyKey, result: Any, params: Mapping[str, str], record: CallRecord) -> Body:
        if isinstance(result, LeaseList):
            option = key.options.query_shape if result.in_use else key.options.get_shape
            documented = (QUERY_SHAPES if result.in_use else GET_SHAPES)[key.plan.kind]
            data = self._shaped(key, result.leases, documented if option == "documented" else option)
        else:
            data = len(result.leases) if isinstance(result, Released) else result
        return {"code": SUCCESS, "data": data, "request_id": self._request_id(record)}

    def error(self, code: Any, message: str | None, options: KeyOptions, record: CallRecord) -> ApiResponse:
        text = MESSAGES.get(code, "") if message is None else message
        status = 400 if options.error_status is None else options.error_status
        limited = code == CODES["rate"][self.code_index]
        body = {"code": code, "message": text, "request_id": self._request_id(record)}
        return ApiResponse(429 if limited else status, body)

    @staticmethod
    def _request_id(record: CallRecord) -> str:
        digits = hashlib.md5(str(record.seq).encode(), usedforsecurity=False).hexdigest()
        record.request_id = str(uuid.UUID(digits, version=4))
        return record.request_id

    def _shaped(self, key: ProxyKey, leases: Any, shape: str) -> Any:
        items = [self._item(key, lease, shape) for lease in leases]
        if shape in ("list", "entries"):
            return items
        if shape == "single":
            return items[0] if len(items) == 1 else items
        tasks: dict[str, list[Body]] = {}
        for lease, item in zip(leases, items, strict=True):
            tasks.setdefault(lease.task_id, []).append(item)
        if shape == "ips":
            return {"task_id": next(iter(tasks), ""), "num": len(items), "ips": items}
        by_task = {task_id: {"task_id": task_id, "ips": ips} for task_id, ips in tasks.items()}
        return {"tasks": by_task if shape == "task_map" else list(by_task.values())}

    @staticmethod
    def _item(key: ProxyKey, lease: Lease, shape: str) -> Body:
        kind, area = key.plan.kind, lease.area
        if shape == "entries":
            return {"server": lease.host, "area": str(area.area_id), "distinct": False}
        # The deadline of a static address is the time from which it can be released.
        releasable = kind == LONGTERM and key.plan.static and key.options.static_deadline == "release"
        return {
            "proxy_ip": lease.ip,
            "server": lease.host,
            **({"area_code": area.area_id} if kind != SHARE else {}),
            "area": area.area,
            **({"isp": ISPS[area.isp]} if kind != OVERSEAS else {}),
            **({"task_id": lease.task_id} if kind == LONGTERM and shape in ("list", "single") else {}),
            "deadline": beijing(lease.at + DAY if releasable else lease.ends),
        }


CLASSIC, REST, PRODUCT = Classic(), Rest(), Product()


def formed(body: Body, options: KeyOptions, defect: str) -> Body:
    """Return the body in the form that the options of the key and a fault ask for."""
    body = dict(body)
    for name in {"Data", "data", "TaskList"} & body.keys():
        form = options.empty_tasks if name == "TaskList" and body[name] == [] else "list"
        if defect in ("data_null", "data_absent"):
            form = "null" if defect == "data_null" else "absent"
        if form == "absent":
            del body[name]
        elif form == "null":
            body[name] = None
    return stringify_numbers(body) if defect == "strings" else body
