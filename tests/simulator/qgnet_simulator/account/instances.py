# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generates instances: in all states, with and without an address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..clock import beijing
from .catalog import EXAMPLES, IMAGES, Row

AREAS = ("ap-beijing", "ap-shanghai", "ap-guangzhou")
RUN_STATUS = (1, 1, 1, 1, 1, 1, -1, -4, 0, 2, 3, 4, 5, 6)
FIRST_PURCHASE = 1704038400.0
"""2024-01-01 in Beijing."""
HOUR = 3600.0
YEAR = 365 * 86400.0


def _address(network: str, number: int) -> str:
    return f"{network}.{number // 250}.{number % 250 + 1}"


def _public_address(number: int) -> str:
    """Return an example of a public address, as long as there are some."""
    if number < 250:
        return f"192.0.2.{number + 1}"
    return _address("198.18", number)


def generate_instance(product: int, number: int, position: int) -> dict[str, Any]:
    """Return the n-th instance of a product.

    Its address is derived from its position among all instances.
    """
    area = AREAS[number % len(AREAS)]
    run = RUN_STATUS[number % len(RUN_STATUS)]
    image_no, image = IMAGES[1:][number % (len(IMAGES) - 1)]
    suid = f"{product}{number + 1:06d}"
    bought = FIRST_PURCHASE + number * HOUR
    instance = {
        **EXAMPLES["instance"],
        "Suid": suid,
        "line_no": area,
        "area_no": f"{area}-1",
        "Host_name": f"node-{number // 40 + 1}",
        "Ip": _public_address(position),
        "Local_ip": _address("198.19", position),
        "Run_status": str(run),
        "System_no": image_no,
        "System_name": image,
        "Buy_time": beijing(bought),
        "End_time": beijing(bought + 20 * YEAR),
        "Business_password": f"secret-business-{suid}",
        "Login_password": f"secret-login-{suid}",
    }
    if number % 3 == 0:
        instance["Host_name"] = ""
    if run == 0:
        # A server that is being made has no address yet.
        instance |= {"Ip": "", "Local_ip": ""}
    return instance


def generate_instances(counts: Mapping[str, int]) -> list[Row]:
    """Return the given number of instances for each product."""
    rows: list[Row] = []
    for product, count in counts.items():
        number = int(product)
        for index in range(count):
            rows.append(Row(number, generate_instance(number, index, len(rows))))
    return rows
