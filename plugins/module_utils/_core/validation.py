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

# Compiled at import, once for all workers of a run: compiling takes longer than all uses in one worker.
_HOST = re.compile(r"[\w.-]+|[0-9A-Fa-f:.]+")
_SEVERAL_URLS = re.compile(r"[\s,;]\S*://")

#: The label of a tunnel's exit in a header, and the maximum seconds for which it is kept.
TUNNEL_LABEL, MAX_TUNNEL_TTL = re.compile(r"[A-Za-z0-9_.-]{1,64}"), 86400


def check_url(option: str, url: str, example: str = "https://proxy.qg.net") -> str:
    """Refuse what is not a plain HTTP(S) address of a service, such as the example; a credential is never quoted."""
    if "@" in url:
        # In a mistyped URL, the password may be in any part.
        raise OptionError(
            f"{option} contains a user name, a password or another @: leave it out, or write %40 for the @."
        )
    try:
        parts = urlsplit(url)
        # Names in other scripts are accepted as they are.
        valid = parts.scheme in ("http", "https") and bool(_HOST.fullmatch(parts.hostname or "")) and parts.port != 0
    except ValueError:
        valid = False
    if _SEVERAL_URLS.search(url):
        raise OptionError(f"{option} contains several URLs: give one, or in a list one in each entry.")
    if not valid or not url.isprintable() or " " in url:
        raise OptionError(f"{option} cannot be used: give scheme and host, such as {example}.")
    return url


def check_visible(option: str, secret: str | None) -> None:
    """Refuse a secret with an invisible character: it comes from a file or a page, and the vendor refuses it."""
    if any(not each.isprintable() and not each.isspace() for each in secret or ""):
        raise OptionError(
            f"{option} contains an invisible character, such as a byte order mark: type it again, or save its file as "
            "UTF-8 without BOM."
        )


def check_path(option: str, path: str) -> None:
    """Refuse a path for which the operating system and Ansible would raise an exception."""
    if "\0" in path:
        raise OptionError(f"{option} {path!r} cannot be used: it contains a NUL character. Give another path.")


def check_range(option: str, value: float, minimum: float, maximum: float) -> float:
    """Return a number; refuse one outside its range."""
    if not minimum <= value <= maximum:
        shown, low, high = (
            f"{number:.15g}" if isinstance(number, float) else str(number) for number in (value, minimum, maximum)
        )
        raise OptionError(f"{option}={shown} is out of range: give a number from {low} to {high}.")
    return value


def check_word(option: str, text: str) -> str:
    """Return a name of one word, such as the vendor's numbers of packages and services; refuse any other text."""
    word = text.strip()
    if not word or not word.isprintable() or set(word) & set(" ,*"):
        raise OptionError(f"{option}={quoted(text)} cannot be used: give one whole name, as the vendor writes it.")
    return word


def check_names(option: str, texts: Iterable[object] | None, separators: str = ",* ") -> list[str]:
    """Return the names in a list as text; refuse what separates names in the vendor's calls."""
    names = [str(text).strip() for text in texts or ()]
    wrong = next((name for name in names if not name or not name.isprintable() or set(name) & set(separators)), None)
    if wrong is not None:
        raise OptionError(f"{option} holds {quoted(wrong)}: give one whole name in each entry of the list.")
    return names
