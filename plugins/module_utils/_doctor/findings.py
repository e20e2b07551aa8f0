# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be wrong, each with the command to type next. Pure functions."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from .._core.errors import OptionError, QgError, TransportError, WaitBudgetExceeded
from .._core.text import format_sample

#: The command that runs this examination again.
AGAIN = "ansible-playbook qingguo.qgnet.doctor"
#: The oldest release of each program and library that the collection supports.
OLDEST = {"ansible-core": "2.16", "requests": "2.28"}
_PASSWORD = "export QG_PASSWORD=API_PASSWORD"
_KEY = "export QG_KEY=AUTHKEY"
#: The next command for the vendor's codes that only it can fix.
_COMMANDS: Mapping[object, str] = {
    -13: "curl https://d.qg.net/ip",
    -14: _PASSWORD,
    "API_AUTH_DENY": _PASSWORD,
    -100: _KEY,
    -15: _KEY,
    "INVALID_KEY": _KEY,
}


@dataclass(frozen=True)
class Finding:
    """A sentence that says what is wrong, and the command to type next."""

    cause: str
    command: str


def with_option(option: str, value: str) -> str:
    """Return the command that runs the examination again with another value of an option."""
    return f"{AGAIN} -e qg_{option}={shlex.quote(value)}"


def of_versions(versions: Mapping[str, str | None], python: str) -> Iterator[Finding]:
    """Yield what is missing or too old; ``python`` is the program that the task runs under."""
    for name, oldest in OLDEST.items():
        found = versions[name]
        if found is None or _numbers(found) < _numbers(oldest):
            cause = f"{name} {found} is older than {oldest}" if found else f"The Python library {name} is missing"
            command = f"{shlex.quote(python)} -m pip install --upgrade '{name}>={oldest}'"
            yield Finding(f"{cause}, which qingguo.qgnet needs in {python}.", command)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def of_error(error: QgError, url: str) -> Finding:
    """Return what an error means; ``url`` is that of the API."""
    code = error.details.get("code")
    command = AGAIN
    if code in _COMMANDS:
        command = _COMMANDS[code]
    elif isinstance(error, WaitBudgetExceeded):
        command = with_option("max_wait", "600")
    elif isinstance(error, OptionError):
        command = "ansible-doc qingguo.qgnet.qg_doctor_info"
    elif isinstance(error, TransportError) or error.details.get("endpoint"):
        command = f"curl -sS -o /dev/null {shlex.quote(url)}" if code is None else AGAIN
    return Finding(error.message, command)


def of_missing_key() -> Finding:
    """Return the finding for a task without a key."""
    return Finding(
        "No key is set: give the Authkey of the vendor's user centre as the variable qg_key, or as QG_KEY in the "
        "environment of the control node.",
        _KEY,
    )


def of_state(error: QgError) -> Finding:
    """Return the finding for a state that cannot be opened."""
    is_directory = "store" in error.message
    return Finding(error.message, with_option("store", "~/qgnet-state") if is_directory else AGAIN)


def of_product(given: str, found: str) -> Finding:
    """Return the finding for a wrong product."""
    return Finding(f"product={given} is wrong: the key is one of product={found}.", with_option("product", found))


def of_full_whitelist(entries: int, unowned: Collection[str]) -> Finding:
    """Return the finding for a whitelist that took no further address."""
    without = f" No host is registered with {format_sample(unowned)}." if unowned else ""
    return Finding(
        f"The whitelist is full with {entries} entries: the vendor refused another one (code -202).{without} Remove "
        "what is not needed with qg_whitelist, or ask the vendor for a longer whitelist.",
        "ansible-playbook qingguo.qgnet.report",
    )


def of_refusing_proxy(server: str, egress: str | None, is_listed: bool | None) -> Finding:
    """Return the finding for a proxy that refuses this machine with the HTTP status 407."""
    refused = f"The proxy {server} refuses this machine (HTTP status 407)"
    if is_listed is False:
        return Finding(
            f"{refused}, whose egress address {egress} is not on the whitelist of the key.",
            "ansible-playbook qingguo.qgnet.register -e qg_hosts=localhost",
        )
    where = f"although {egress} is on the whitelist" if is_listed else "whose egress address is not known"
    return Finding(
        f"{refused}, {where}: a new entry takes effect after some seconds, and a proxy of another key has another "
        "whitelist.",
        "ansible localhost -m qingguo.qgnet.qg_proxy_info" if is_listed else AGAIN,
    )


def of_failing_proxy(server: str, error: str) -> Finding:
    """Return the finding for a proxy that does not work for another reason."""
    return Finding(f"The proxy {server} does not work: {error}", "ansible localhost -m qingguo.qgnet.qg_proxy_info")
