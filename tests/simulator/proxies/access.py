# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use a forward proxy, and where it leads."""

from __future__ import annotations

import base64
import ipaddress
import secrets

from ..classic.leases import Lease
from ..classic.state import Ends, Vendor


class Gate:
    """Who may use the proxy of one key or of one of its leases, and to where."""

    def __init__(self, vendor: Vendor, key: str, lease: Lease | None = None) -> None:
        self._vendor = vendor
        self._key = key
        self._lease = lease

    def admits(self, ends: Ends, authorization: bytes | None) -> bool:
        account = self._vendor.accounts.get(self._key)
        if account is None:
            return False
        if self._lease is not None and not self._lease.runs(self._vendor.clock.now()):
            return False
        if self._vendor.public_address(ends) in account.whitelist:
            return True
        if account.pwd is None or authorization is None:
            return False
        expected = base64.b64encode(f"{account.key}:{account.pwd}".encode())
        scheme, given = authorization[:6], authorization[6:]
        return scheme.lower() == b"basic " and secrets.compare_digest(given.strip(), expected)

    @staticmethod
    def reaches(host: str, own: str) -> bool:
        """Loopback and the simulator's own address only. A name would need a look-up outside, so none is taken."""
        if host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        return address.is_loopback or host == own

    def register(self, onward: Ends) -> None:
        account = self._vendor.accounts.get(self._key)
        if self._lease is not None:
            self._vendor.through_proxy[onward] = self._lease.ip
        elif account is not None:
            self._vendor.through_proxy[onward] = account.exit

    def forget(self, onward: Ends) -> None:
        self._vendor.through_proxy.pop(onward, None)
