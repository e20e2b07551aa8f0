# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 1: what an option may hold. Each refusal is one sentence that names option, value and remedy.

This file is private to the collection.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import describe, quote_word
from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._models import is_public, packed


def check_url(option: str, url: str, example: str = "https://proxy.qg.net") -> str:
    """Refuse what is not a plain HTTP(S) address of a service, such as the example; a credential is never quoted."""
    if "@" in url:
        # Where it is mistyped, the password may stand in any part of it.
        raise OptionError(f"{option} holds a user name, a password or another @: leave it out, or write %40 for the @.")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and _is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not url.isprintable() or " " in url:
        raise OptionError(f"{option} {describe(url)} cannot be used: give scheme and host, such as {example}.")
    return url


def _is_host(name: str) -> bool:
    """Whether this may be a name or an address; names in other scripts are taken as they are."""
    return bool(re.fullmatch(r"[\w.-]+|[0-9A-Fa-f:.]+", name))


def check_range(option: str, value: float, least: float, most: float) -> float:
    """Refuse a number outside its range."""
    if not least <= value <= most:
        told, low, high = (
            f"{number:.15g}" if isinstance(number, float) else str(number) for number in (value, least, most)
        )
        raise OptionError(f"{option}={told} is out of range: give a number from {low} to {high}.")
    return value


def check_at_least(wanted: float | None) -> float | None:
    """Refuse a threshold that no plan and no account can have."""
    return None if wanted is None else check_range("at_least", wanted, 0, 1_000_000_000)


def check_word(option: str, text: str) -> str:
    """Refuse what is no name of one word, as the vendor's numbers of packages and services are."""
    word = text.strip()
    if not word or not word.isprintable() or set(word) & set(" ,*"):
        raise OptionError(f"{option}={quote_word(text)} cannot be used: give one whole name, as the vendor writes it.")
    return word


def check_addresses(option: str, texts: Iterable[str], *, only_global: bool) -> tuple[str, ...]:
    """IPv4 addresses in canonical form, each once; the vendor's whitelist knows neither IPv6 nor networks."""
    found: dict[str, None] = {}
    for text in texts:
        address = text.strip()
        number = packed(address)
        if number is None:
            hint = "the whitelist takes single IPv4 addresses such as 203.0.113.5, no IPv6, networks or names"
            raise OptionError(f"{option} holds {describe(text)}: {hint}.")
        if only_global and not is_public(ipaddress.IPv4Address(number)):
            raise OptionError(
                f"{option} holds {address}, which is no address of the public internet, so the vendor can never see "
                "it. Give the egress address of the host, or set allow_non_global if the API is a simulator."
            )
        found[address] = None
    return tuple(found)
