# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The responses of echo services, which return the address that a request comes from."""

from __future__ import annotations

from .._core.addresses import AddressScope, parse_address
from .._core.text import one_line
from .parsing import parse_json


def read_address(response: str, family: str | None, scope: AddressScope) -> str:
    """Return the address in a response, in canonical form and of the family; raises ValueError with the reason."""
    text = response
    if response.startswith("{"):
        try:
            fields = {str(name).lower(): value for name, value in parse_json(response).items()}
        except ValueError:
            fields = {}
        text = next((str(fields[name]) for name in ("ip", "origin", "address", "query") if fields.get(name)), "")
    try:
        address = parse_address(text.strip())
    except ValueError:
        shown = one_line(response)[:60]
        raise ValueError(f'said "{shown}", which is not an address' if shown else "said nothing") from None
    if family and address.version != (6 if family == "ipv6" else 4):
        raise ValueError(f"said {address}, which is not {family}")
    if not scope.accepts(address):
        raise ValueError(f"said {address}, which is not an address of the public internet")
    return str(address)
