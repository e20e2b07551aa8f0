# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the calls and answers of each API look like: names of parameters, envelopes, and shapes of
lists.
"""

from __future__ import annotations

import hashlib
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from .. import formats
from ..clock import beijing
from ..exchange import ApiResponse, CallRecord, Refusal, spoiled_numbers
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
    names = {}
    for each in text.split():
        name, _equals, spellings = each.partition("=")
        names[name] = tuple(spellings.split(","))
    return names


def _message(code: Any, message: str | None) -> str:
    """Return the message that a fault gives, or the usual one of a code."""
    if message is None:
        return MESSAGES.get(code, "")
    return message


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
    def success(
        self, key: ProxyKey, result: Any, params: Mapping[str, str], record: CallRecord
    ) -> Body:
        """Return the body for the result of an operation."""

    @abstractmethod
    def error(
        self, code: Any, message: str | None, options: KeyOptions, record: CallRecord
    ) -> ApiResponse:
        """Return the response for a code; without a message, with the usual one."""

    def text_of(self, result: Any, params: Mapping[str, str]) -> str | None:
        """Return the servers of a list as a text, if the call asks for one."""
        if (
            not isinstance(result, LeaseList)
            or (params.get("DataFormat") or params.get("format")) != formats.TEXT
        ):
            return None
        separator = next((params[name] for name in self.separator if params.get(name)), "")
        # No separator stands at the end: programs use a text as it is.
        return formats.unescape_separator(separator).join(lease.host for lease in result.leases)


class Classic(Dialect):
    """The API of proxy.qg.net: a number as ``Code``."""

    password = "Pwd"
    names = _names(
        "count=Num minutes=KeepAlive area=AreaId isp=Isp,ISP distinct=Distinct "
        "detail=Detail,detail pool=Pool ips=IP tasks=TaskID status=Status"
    )
    separator = ("DataSeparator", "seq")
    code_index = 0
    ok = OK

    def success(
        self, key: ProxyKey, result: Any, params: Mapping[str, str], record: CallRecord
    ) -> Body:
        detail = any(params.get(name) in ("1", "true") for name in self.names["detail"])
        if isinstance(result, Released):
            if key.options.release_answer != "list":
                return {"Code": OK}
            return {
                "Code": OK,
                "Data": [lease.ip for lease in result.leases],
                "Num": len(result.leases),
            }
        if not isinstance(result, LeaseList):
            return {"Code": OK, **result}
        # The order of the live answers: some programs cut the text at these names.
        if not result.in_use:
            items = [self._item(lease, detail) for lease in result.leases]
            return {"Code": OK, "Data": items, "Num": len(items), "TaskID": result.task_id}
        tasks: dict[str, list[Body]] = {}
        for lease in result.leases:
            tasks.setdefault(lease.task_id, []).append(self._item(lease, detail))
        listed = [
            {"TaskID": task_id, "Num": len(items), "Data": items}
            for task_id, items in tasks.items()
        ]
        return {
            "Code": OK,
            "TaskList": listed,
            "TaskNum": len(listed),
            "TotalNum": len(result.leases),
        }

    @staticmethod
    def _item(lease: Lease, detail: bool) -> Body:
        item = {
            "IP": lease.ip,
            "port": str(lease.port),
            "deadline": beijing(lease.ends),
            "host": lease.host,
        }
        if detail:
            item["region"] = lease.area.region
        return item

    def error(
        self, code: Any, message: str | None, options: KeyOptions, record: CallRecord
    ) -> ApiResponse:
        body = {"Code": code}
        if text := _message(code, message):
            body["Msg"] = text
        return ApiResponse(options.error_status or 200, body)

    def text_of(self, result: Any, params: Mapping[str, str]) -> str | None:
        if isinstance(result, LeaseList) and result.in_use:
            return None
        return super().text_of(result, params)


class Rest(Classic):
    """The API of reserved lines: an HTTP status, and ``data`` or ``error``."""

    names = _names("count=Num area=AreaCode isp=Operator uuids=UUIDs")

    def success(
        self, key: ProxyKey, result: Any, params: Mapping[str, str], record: CallRecord
    ) -> Body:
        return {"data": result}

    def error(
        self, code: Any, message: str | None, options: KeyOptions, record: CallRecord
    ) -> ApiResponse:
        status = 400
        if code == UNKNOWN:
            status = 500
        return ApiResponse(status, {"error": _message(code, message)})


class Product(Dialect):
    """The product hosts: a name as ``code``."""

    password = "pwd"
    names = _names(
        "count=num minutes=keep_alive area=area excluded=area_ex isp=isp distinct=distinct "
        "pool=pool ips=ip tasks=task"
    )
    code_index = 1
    ok = SUCCESS

    def success(
        self, key: ProxyKey, result: Any, params: Mapping[str, str], record: CallRecord
    ) -> Body:
        data = result
        if isinstance(result, LeaseList):
            data = self._shaped(key, result.leases, self._shape(key, result.in_use))
        elif isinstance(result, Released):
            data = len(result.leases)
        return {"code": SUCCESS, "data": data, "request_id": self._request_id(record)}

    @staticmethod
    def _shape(key: ProxyKey, in_use: bool) -> str:
        shape: str = key.options.get_shape
        documented = GET_SHAPES
        if in_use:
            shape = key.options.query_shape
            documented = QUERY_SHAPES
        if key.plan.forwarding:
            return "entries"
        if shape == "documented":
            return documented[key.plan.kind]
        return shape

    def error(
        self, code: Any, message: str | None, options: KeyOptions, record: CallRecord
    ) -> ApiResponse:
        status = options.error_status or 400
        if code == CODES["rate"][self.code_index]:
            status = 429
        body = {
            "code": code,
            "message": _message(code, message),
            "request_id": self._request_id(record),
        }
        return ApiResponse(status, body)

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
            if len(items) == 1:
                return items[0]
            return items
        tasks: dict[str, list[Body]] = {}
        for lease, item in zip(leases, items, strict=True):
            tasks.setdefault(lease.task_id, []).append(item)
        if shape == "ips":
            return {"task_id": next(iter(tasks), ""), "num": len(items), "ips": items}
        by_task = {task_id: {"task_id": task_id, "ips": ips} for task_id, ips in tasks.items()}
        if shape == "task_map":
            return {"tasks": by_task}
        return {"tasks": list(by_task.values())}

    @staticmethod
    def _item(key: ProxyKey, lease: Lease, shape: str) -> Body:
        kind = key.plan.kind
        area = lease.area
        if shape == "entries":
            return {"server": lease.host, "area": str(area.area_id), "distinct": False}
        item: Body = {"proxy_ip": lease.ip, "server": lease.host}
        if kind != SHARE:
            item["area_code"] = area.area_id
        item["area"] = area.area
        if kind != OVERSEAS:
            item["isp"] = ISPS[area.isp]
        deadline = lease.ends
        if kind == LONGTERM:
            if shape in ("list", "single"):
                item["task_id"] = lease.task_id
            if key.plan.static and key.options.static_deadline == "release":
                # The deadline of a static address is the time from which it can be released.
                deadline = lease.at + DAY
        item["deadline"] = beijing(deadline)
        return item


CLASSIC = Classic()
REST = Rest()
PRODUCT = Product()


def formed(body: Body, options: KeyOptions, defect: str) -> Body:
    """Return the body in the form that the options of the key and a fault ask for."""
    body = dict(body)
    for name in {"Data", "data", "TaskList"} & body.keys():
        form = "list"
        if defect in ("data_null", "data_absent"):
            form = defect.removeprefix("data_")
        elif body[name] == []:
            form = options.empty_data
            if name == "TaskList":
                form = options.empty_tasks
        if form == "absent":
            del body[name]
        elif form == "null":
            body[name] = None
    return dict(spoiled_numbers(body, defect))
