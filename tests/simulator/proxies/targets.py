# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The targets that a forward proxy may connect to."""

from __future__ import annotations

import ipaddress
from contextlib import suppress

from .listeners import Address

ECHO_NAME = "d.qg.net"
"""Name of the vendor's echo service, which programs ask through a proxy."""
HTTPS_PORT = 443


class Targets:
    def __init__(self) -> None:
        self.echo: Address | None = None
        """Where the simulator serves the vendor's echo service by http."""
        self.secure_echo: Address | None = None
        """The same by https."""

    def resolve(self, host: str, port: int, own: str) -> Address | None:
        """Return where a target is, or None if the proxy must not connect to it.

        Allowed are loopback and the simulator's own address. Names are refused, because they would need a DNS lookup
        outside of this machine, except for localhost and the vendor's echo service.
        """
        if host.lower() == ECHO_NAME:
            return self.secure_echo if port == HTTPS_PORT else self.echo
        if host == "localhost" or host == own:
            return host, port
        with suppress(ValueError):
            if ipaddress.ip_address(host.strip("[]")).is_loopback:
                return host, port
        return None
