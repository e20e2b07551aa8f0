# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generates instances: deterministic, with all combinations of states, with and without an address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..clock import beijing
from .catalog import EXAMPLES, IMAGES, Row

AREAS: tuple[tuple[str, str], ...] = (
    ("ap-beijing", "ap-beijing-1"),
    ("ap-shanghai", "ap-shanghai-1"),
    ("ap-guangzhou", "ap-guangzhou-3"),
    ("ap-shanghai", "ap-shanghai-2"),
    ("ap-beijing", "ap-beijing-2"),
)
DIAL_UP_AREAS: tuple[tuple[str, str], ...] = (("dial-zaozhuang", "dial-zaozhuang-1"), ("dial-foshan", "dial-foshan-1"))
# The lengths have no common divisor, so that all combinations of states occur.
RUN_STATUS = (1, 1, 1, 1, 1, 1, -1, -4, 0, 2, 3, 4, 5, 6, 1, 1, 1)
ORDER_STATUS = (1, 1, 1, 1, 1, 1, 1, -4, 1, -3, 0, 2, 3)
SPECS: tuple[tuple[str, str], ...] = (("S1.SMALL2", "标准型S1"), ("S1.MEDIUM2", "标准型S1"), ("C3.LARGE8", "计算型C3"))
FIRST_PURCHASE = 1704038400.0
"""2024-01-01 in Beijing."""
HOUR, YEAR = 3600.0, 365 * 86400.0


def _address(network: str, number: int) -> str:
    return f"{network}.{number // 250}.{number % 250 + 1}"


def generate_instance(product: int, number: int, position: int) -> dict[str, Any]:
    """Return the n-th instance of a product. Its address is derived from its position among all instances."""
    dial_up = number % 7 == 6
    line, area = DIAL_UP_AREAS[number % 2] if dial_up else AREAS[number % len(AREAS)]
    image_no, image = IMAGES[1:][number % (len(IMAGES) - 1)]
    spec_no, spec = ("adsl.1", "拨号VPS") if dial_up else SPECS[number % len(SPECS)]
    run, order = RUN_STATUS[number % len(RUN_STATUS)], ORDER_STATUS[number % len(ORDER_STATUS)]
    suid = f"{product}{number + 1:06d}"
    without_address = run == 0 or order in (0, -3) or number % 19 == 18
    bought = FIRST_PURCHASE + number * HOUR
    return {
        **EXAMPLES["instance"],
        "Suid": suid,
        "line_no": line,
        "area_no": area,
        "spec_no": spec_no,
        "spec_name": spec,
        "Host_id": str(number // 40 + 1) if number % 3 else "",
        "Host_name": f"node-{number // 40 + 1}" if number % 3 else "",
        "Ip": "" if without_address else _address("198.18", position),
        "Local_ip": "" if without_address or dial_up else _address("198.19", position),
        "Run_status": str(run),
        "Order_status": str(order),
        "Bandwidth": str(number % 10 + 1),
        "System_no": image_no,
        "System_name": image,
        "Adsl_name": f"adsl-{suid}" if dial_up else "",
        "Adsl_password": f"secret-adsl-{suid}" if dial_up else "",
        "Buy_time": beijing(bought),
        "End_time": beijing(bought + (30 * 86400.0 if order == 3 else 20 * YEAR)),
        "Business_password": f"secret-business-{suid}",
        "Login_password": f"secret-login-{suid}",
    }


def generate_instances(counts: Mapping[str, int]) -> list[Row]:
    """Return the given number of instances for each product."""
    rows: list[Row] = []
    for product, count in counts.items():
        number, first = int(product), len(rows)
        rows += [Row(number, generate_instance(number, index, first + index)) for index in range(count)]
    return rows
