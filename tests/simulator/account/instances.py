# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances by the hundred: the same ones every time, of every state, with and without an address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..clock import beijing
from .catalog import IMAGES, Row

AREAS: tuple[tuple[str, str], ...] = (
    ("ap-beijing", "ap-beijing-1"),
    ("ap-shanghai", "ap-shanghai-1"),
    ("ap-guangzhou", "ap-guangzhou-3"),
    ("ap-shanghai", "ap-shanghai-2"),
    ("ap-beijing", "ap-beijing-2"),
)
DIAL_UP_AREAS: tuple[tuple[str, str], ...] = (("dial-zaozhuang", "dial-zaozhuang-1"), ("dial-foshan", "dial-foshan-1"))
# Lengths without a common divisor, so that every state meets every other.
RUN_STATUS = (1, 1, 1, 1, 1, 1, -1, -4, 0, 2, 3, 4, 5, 6, 1, 1, 1)
ORDER_STATUS = (1, 1, 1, 1, 1, 1, 1, -4, 1, -3, 0, 2, 3)
SPECS: tuple[tuple[str, str], ...] = (("S1.SMALL2", "标准型S1"), ("S1.MEDIUM2", "标准型S1"), ("C3.LARGE8", "计算型C3"))
BEGINNING = 1704038400.0
"""2024-01-01 in Beijing: when the first one was bought."""
HOUR, YEAR = 3600.0, 365 * 86400.0


def _address(network: str, number: int) -> str:
    return f"{network}.{number // 250}.{number % 250 + 1}"


def instance(brand: int, number: int, place: int) -> dict[str, Any]:
    """The n-th one of a brand; its place among all of the agent gives it its address."""
    dial_up = number % 7 == 6
    line, area = DIAL_UP_AREAS[number % 2] if dial_up else AREAS[number % len(AREAS)]
    image_no, image = IMAGES[1:][number % (len(IMAGES) - 1)]
    spec_no, spec = ("adsl.1", "拨号VPS") if dial_up else SPECS[number % len(SPECS)]
    run, order = RUN_STATUS[number % len(RUN_STATUS)], ORDER_STATUS[number % len(ORDER_STATUS)]
    suid = f"{brand}{number + 1:06d}"
    bare = run == 0 or order in (0, -3) or number % 19 == 18
    bought = BEGINNING + number * HOUR
    return {
        "Suid": suid,
        "line_no": line,
        "area_no": area,
        "spec_no": spec_no,
        "spec_name": spec,
        "Host_id": str(number // 40 + 1) if number % 3 else "",
        "Host_name": f"node-{number // 40 + 1}" if number % 3 else "",
        "Ip": "" if bare else _address("198.18", place),
        "Local_ip": "" if bare or dial_up else _address("198.19", place),
        "Run_status": str(run),
        "Order_status": str(order),
        "System_type": "" if number % 2 else "SSD",
        "Systemdisks": "40",
        "Harddisks_type": "" if number % 2 else "SSD",
        "Harddiks": "0" if number % 2 else "100",
        "Bandwidth": str(number % 10 + 1),
        "Defense": "" if number % 4 else "10",
        "System_no": image_no,
        "System_name": image,
        "Adsl_name": f"adsl-{suid}" if dial_up else "",
        "Adsl_password": f"secret-adsl-{suid}" if dial_up else "",
        "Buy_time": beijing(bought),
        "End_time": beijing(bought + (30 * 86400.0 if order == 3 else 20 * YEAR)),
        "Business_password": f"secret-business-{suid}",
        "Login_password": f"secret-login-{suid}",
    }


def generated(numbers: Mapping[str, int]) -> list[Row]:
    """So many for each brand."""
    rows: list[Row] = []
    for brand, number in numbers.items():
        rows += [Row(int(brand), instance(int(brand), index, len(rows) + index)) for index in range(number)]
    return rows
