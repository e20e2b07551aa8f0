# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The secret URLs of leases in results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from .._core.errors import OptionError
from .._task.operation import Spec

#: The option for the secret URLs of leases.
CREDENTIALS_OPTION: Spec = {"with_credentials": {"type": "bool", "default": False}}


def proxy_url(server: str, key: str, password: str) -> str:
    """Return the URL of a proxy with its credentials; a secret."""
    return f"http://{quote(key, safe='')}:{quote(password, safe='')}@{server}"


def add_urls(result: Mapping[str, Any], key: str, password: str) -> None:
    """Add ``proxy_url`` to each lease in a result."""
    for name in ("leases", "allocated", "proxies"):
        for lease in result.get(name) or []:
            lease["proxy_url"] = proxy_url(lease["server"], key, password)


def check_credentials(
    requested: bool,
    password: str | None,
    option: str = "with_credentials",
    value: str = "true",
    fix: str = "",
) -> None:
    """Refuse URLs with credentials, which a value of an option requests, without the password."""
    if requested and not password:
        raise OptionError(
            option,
            f"={value} needs password, which the proxies take together with the key",
            f"{fix or 'set password (environment QG_PASSWORD)'}, or leave {option}={value} out for "
            "hosts that are on the whitelist",
        )
