# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The secret URLs of leases in results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ansible.module_utils.parsing.convert_bool import boolean

from .._core.errors import OptionError
from .._task.operation import Spec

#: The option for the secret URLs of leases.
CREDENTIALS_OPTION: Spec = {"with_credentials": {"type": "bool", "default": False}}


def proxy_url(server: str, key: str, password: str) -> str:
    """Return the URL of a proxy with its credentials; a secret."""
    return f"http://{quote(key, safe='')}:{quote(password, safe='')}@{server}"


def reveal(result: dict[str, Any], params: Mapping[str, Any]) -> bool:
    """Add ``proxy_url`` to each lease if ``with_credentials`` requests it."""
    # The caller hides a result with URLs, which would hide the reason of a failure.
    if result.get("failed"):
        return False
    # The options of a delegated task are as the playbook wrote them.
    if not boolean(params.get("with_credentials") or False, strict=False) or not params.get("password"):
        return False
    for name in ("leases", "allocated", "proxies"):
        for lease in result.get(name) or []:
            lease["proxy_url"] = proxy_url(lease["server"], str(params["key"]), str(params["password"]))
    return True


def check_credentials(requested: bool, params: Mapping[str, Any], option: str = "with_credentials=true") -> None:
    """Refuse URLs with credentials, which ``option`` requests, without the password."""
    if requested and not params["password"]:
        raise OptionError(
            option,
            "needs password, which the proxies take together with the key",
            f"set password (environment QG_PASSWORD), or leave {option} out for hosts that are on the whitelist",
        )
