# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of the values of options. Each error is one sentence that names option, value and fix."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from .errors import OptionError
from .text import quoted

#: Scheme, host and port, and what follows. Names in other scripts are accepted as they are.
_URL = re.compile(r"https?://(\[[0-9a-f:.]+\]|[\w.-]+)(:[0-9]+)?([/?#][^\s,;]*)?", re.IGNORECASE)


def check_url(option: str, url: str, example: str = "https://proxy.qg.net") -> str:
    """Refuse what is not a plain HTTP(S) address of a service, such as the example; a credential is never quoted."""
    if "@" in url:
        # In a mistyped URL, the password may be in any part.
        raise OptionError(
            f"{option} contains a user name, a password or another @: leave it out, or write %40 for the @."
        )
    try:
        valid = _URL.fullmatch(url) and url.isprintable() and urlsplit(url).port != 0
    except ValueError:
        valid = False
    if not valid:
        raise OptionError(f"{option} cannot be used: give one URL with scheme and host, such as {example}.")
    return url


def check_visible(option: str, secret: str | None) -> None:
    """Refuse a secret with an invisible character: it comes from a file or a page, and the vendor refuses it."""
    if any(not each.isprintable() and not each.isspace() for each in secret or ""):
        raise OptionError(
            f"{option} contains an invisible character, such as a byte order mark: type it again, or save its file as "
            "UTF-8 without BOM."
        )


def check_range(option: str, value: float, minimum: float, maximum: float) -> float:
    """Return a number; refuse one outside its range."""
    if not minimum <= value <= maximum:
        raise OptionError(
            f"{option}={value:.15g} is out of range: give a number from {minimum:.15g} to {maximum:.15g}."
        )
    return value


def check_word(option: str, text: str) -> str:
    """Return a name of one word, such as QG.net's numbers of packages and services; refuse any other text."""
    return check_names(option, [text])[0]


def check_names(option: str, texts: Iterable[object] | None, separators: str = ",* ") -> list[str]:
    """Return the names in a list as text; refuse what separates names in the vendor's calls."""
    names = [str(text).strip() for text in texts or ()]
    wrong = next((name for name in names if not name or not name.isprintable() or set(name) & set(separators)), None)
    if wrong is not None:
        raise OptionError(f"{option} holds {quoted(wrong)}: give one whole name, in each entry of a list.")
    return names
