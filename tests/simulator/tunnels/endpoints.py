# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints of a tunnel's control port."""

from __future__ import annotations

from dataclasses import dataclass

PATH = "/proxyip"


@dataclass(frozen=True)
class TunnelEndpoint:
    path: str
    methods: tuple[str, ...] = ("PUT",)
    takes_addresses: bool = False


ENDPOINTS_BY_PATH: dict[str, tuple[TunnelEndpoint, ...]] = {PATH: (TunnelEndpoint(PATH),)}
