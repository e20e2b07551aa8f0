# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the vendor's pages, as valid JSON.

Field names, their order, their case and the types are those of the pages. Addresses, passwords and the key of the plan
are not: the addresses are reserved for tests, and a test can search for the passwords where they must not be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CLOUD_PRODUCT, PHYSICAL_PRODUCT, PROXY_PRODUCT = 104, 115, 117
PRODUCTS = (CLOUD_PRODUCT, 113, PHYSICAL_PRODUCT, PROXY_PRODUCT)
"""The product numbers that the pages mention."""
DURATIONS = ("1m", "2m", "3m", "4m", "5m", "6m", "7m", "8m", "9m", "12m", "24m", "36m")
"""The durations that most products offer."""
RATE_FIELDS = ("Day_rate", "Week_rate", "Month_rate", "Quarter_rate", "Halfyear_rate", "Year_rate")
IMAGES: tuple[tuple[str, str], ...] = (
    ("sdffsdret", "windows 2012"),
    ("img-win2019", "Windows Server 2019 数据中心版 64位中文版"),
    ("img-centos7", "CentOS 7.9 64位"),
    ("img-ubuntu22", "Ubuntu Server 22.04 LTS 64位"),
    ("img-debian12", "Debian 12.5 64位"),
    ("img-win2022", "windows 2022"),
    ("img-centos8", "CentOS Stream 8"),
)
"""Number and name of each operating system. The first one is in the example of the vendor."""


@dataclass
class Row:
    """One object of a list, and its product number, which is not part of a response."""

    product: int
    values: dict[str, Any]

    @classmethod
    def parse(cls, item: Mapping[str, Any], default_product: int) -> Row:
        """Return the row that a control call describes."""
        values = {name: value for name, value in item.items() if name != "productId"}
        return cls(item.get("productId", default_product), values)

    def describe(self) -> dict[str, Any]:
        return {"productId": self.product, **self.values}


def instances() -> list[Row]:
    example = {
        "Suid": "12154545",
        "line_no": "ap-shanghai",
        "area_no": "ap-shanghai-1",
        "spec_no": "s1.samll",
        "spec_name": "标准型",
        "Host_id": "1",
        "Host_name": "1",
        "Ip": "198.18.255.1",
        "Local_ip": "198.19.255.1",
        "Run_status": "1",
        "Order_status": "1",
        "System_type": "",
        "Systemdisks": "40",
        "Harddisks_type": "",
        "Harddiks": "20",
        "Bandwidth": "1",
        "Defense": "",
        "System_no": "sdffsdret",
        "System_name": "windows 2012",
        "Buy_time": "2020-03-05 16:00:00",
        "End_time": "2020-04-05 16:00:00",
        "Business_password": "secret-business-12154545",
        "Login_password": "secret-login-12154545",
    }
    return [Row(CLOUD_PRODUCT, example)]


def _package(area_id: int, spec_no: str, cpu: str, package_no: str) -> dict[str, Any]:
    return {
        "Line_no": "ap-beijing",
        "Area_id": area_id,
        "Area_no": "ap-beijing-1",
        "Group_name": "标准型S1",
        "Group_id": "S1",
        "Area_name": "xxx",
        "Line_name": "xxx",
        "Spec_name": "标准型S1",
        "Spec_no": spec_no,
        "Cpu": cpu,
        "Memory": "2",
        "Systemdisk": "40",
        "Datadisk": "20",
        "Bandwidth": "1",
        "Ip": "1",
        "Defense": "0",
        "Trial_time": "",
        "Buy_status": 1,
        "Status": 1,
        "Upgrade_status": "",
        "Package_no": package_no,
        "Basic_price": "2079.65",
        "User_price": "2079.65",
        "Day_rate": "0.01",
        "Week_rate": "0.02",
        "Month_rate": "0.1",
        "Quarter_rate": "0.301",
        "Halfyear_rate": "0.53",
        "Year_rate": "1",
    }


def packages() -> list[Row]:
    first, second = _package(342, "S1.SMALL2", "1", "1111"), _package(343, "S1.MEDIUM2", "2", "2222")
    return [Row(CLOUD_PRODUCT, first), Row(CLOUD_PRODUCT, second)]


def lines() -> list[Row]:
    example = {
        "id": 14,
        "superid": 0,
        "name": "山东枣庄线路",
        "code": "sdzz",
        "autoid": 6,
        "description": "山东枣庄",
        "address": "天宫天和号",
        "introurl": None,
        "sortid": 0,
        "buystatus": 1,
        "renewstatus": 1,
        "upgradestatus": 1,
        "defensestatus": 1,
        "brandid": 115,
        "enabled": 6,
        "createdat": "2021-07-01 17:00:45",
        "updatedat": "2021-08-13 23:30:55",
        "deletedat": None,
        "bondSpecs": [11, 12, 15, 16, 17],
    }
    return [Row(PHYSICAL_PRODUCT, example)]


def prices() -> dict[str, dict[str, Any]]:
    """Return the price of one month by package. The example asks for package 1; the list of packages has the others."""
    return {number: {"OriginalPrice": "60", "TotalPrice": "50"} for number in ("1", "1111", "2222")}


def systems() -> list[str]:
    """Return the numbers of the operating systems. The example of a price asks for system 1."""
    return ["1", *(number for number, name in IMAGES)]


def proxy_plans() -> dict[str, dict[str, Any]]:
    example = {
        "Authkey": "QGDEMO01",
        "Number": 10000,
        "Connect": 100,
        "Buy_time": "2030-01-01 00:00:00",
        "End_time": "2030-02-01 00:00:00",
        "Order_status": 1,
        "Type": 2,
        "Ip_type": 3,
        "Resource_available": 9800,
        "Tunnel_url": "tunnel.example.invalid:3434",
    }
    return {"demo0001": example}
