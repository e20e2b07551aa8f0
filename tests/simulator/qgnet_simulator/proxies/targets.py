# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The targets that a forward proxy may connect to."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from contextlib import suppress

from .listeners import Address

ECHO_NAME = "d.qg.net"
"""Name of QG.net's echo service, which programs ask through a proxy."""
HTTPS_PORT = 443
REFUSAL = (
    "{0}:{1} is not on this machine; start the simulator with --site {0}=127.0.0.1:PORT to let a "
    "server stand for it, "
    "or with --upstream to let its proxies connect to other machines"
)
"""The reason to refuse any other target."""


class Targets:
    def __init__(self) -> None:
        self.echo: Address | None = None
        """Where the simulator serves QG.net's echo service by http."""
        self.secure_echo: Address | None = None
        """The same by https."""
        self.sites: Mapping[str, Address] = {}
        """Local servers that stand for names."""
        self.is_open = False
        """Whether a proxy connects to whatever else this machine resolves and reaches."""

    def resolve(self, host: str, port: int, own_host: str) -> Address | None:
        """Return where a target is, or None if the proxy must not connect to it.

        Allowed are loopback and the simulator's own address. Unless the proxies are open, names are
        refused, because they would need a DNS lookup outside of this machine, except for localhost,
        QG.net's echo service and the sites.
        """
        if site := self.sites.get(f"{host.lower()}:{port}") or self.sites.get(host.lower()):
            return site
        if host.lower() == ECHO_NAME:
            if port == HTTPS_PORT:
                return self.secure_echo
            return self.echo
        if self.is_open or host == "localhost" or host == own_host:
            return host, port
        with suppress(ValueError):
            if ipaddress.ip_address(host.strip("[]")).is_loopback:
                return host, port
        return None
