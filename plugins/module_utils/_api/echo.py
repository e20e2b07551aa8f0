# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The responses of echo services, which return the address that a request comes from."""

from __future__ import annotations

from .._core.addresses import is_public, parse_address
from .._core.text import one_line
from .parsing import parse_json


def read_address(response: str, *, any_scope: bool = False) -> str:
    """Return the address in a response, in canonical form; raises ValueError with the reason.

    With ``any_scope``, it may be any address, and otherwise an IPv4 address of the public internet.
    """
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
    if any_scope:
        return str(address)
    if address.version != 4:
        raise ValueError(f"said {address}, which is not an IPv4 address")
    if not is_public(address):
        raise ValueError(f"said {address}, which is not an address of the public internet")
    return str(address)
