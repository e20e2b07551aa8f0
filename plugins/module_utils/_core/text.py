# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Functions that make foreign text safe to display, and that quote values of options without credentials."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

#: Characters that control a terminal, or that hide or reorder adjacent text: controls, bidirectional and zero-width
#: characters, fillers, lone surrogates.
_UNSEEN = (
    "\u034f\u061c\u06dd\u070f\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
#: The characters that one_line() escapes, after blanks and line breaks have been collapsed.
_INVISIBLE = re.compile(rf"[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u0890\u0891{_UNSEEN}]")
#: The characters that visible() escapes: all of these except tabs and line breaks.
_DANGEROUS = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u0890\u0891{_UNSEEN}]")
#: The full-width forms of the characters without which no text becomes a template of Ansible (``{{``, ``{%``, ``{#``,
#: ``#jinja2:``), wherever a user puts it, be it joined with other text, or evaluated as a literal of Python (``\x7b``).
_FULL_WIDTH = str.maketrans("{}#\\", "\uff5b\uff5d\uff03\uff3c")

#: A name of a host has at most 253 characters.
_MAX_SHOWN = 290
#: Quotes a value that may hold a credential.
HIDDEN = "'...'"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_IPV4 = r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}"
_END = r"(?=[/?#]|\Z)"
#: Scheme, host and port, followed by nothing or by a path. A key has no dot, and a password rarely ends like a
#: top-level domain.
_ADDRESS = re.compile(
    rf"(?:[A-Za-z][A-Za-z0-9+.-]{{0,15}}://)?"
    rf"(?:{_IPV4}(?:(?::[0-9]{{1,5}})?{_END}|(?![A-Za-z0-9_.-]))"
    rf"|(?:(?:{_LABEL}\.)+[A-Za-z][A-Za-z-]*[A-Za-z]|localhost)(?::[0-9]{{1,5}})?{_END})/?",
    re.ASCII,
)


class Exact(str):
    """Text of a result that stays as it is: a password that was asked for."""


def _code_point(match: re.Match[str]) -> str:
    return f"<U+{ord(match[0]):04X}>"


def one_line(text: str) -> str:
    """Return foreign text for a message: visible(), on one line."""
    line = _INVISIBLE.sub(_code_point, " ".join(text.split()).translate(_FULL_WIDTH))
    # Characters that Unicode has not assigned yet are escaped as well.
    return (
        line if line.isprintable() else "".join(each if each.isprintable() else f"<U+{ord(each):04X}>" for each in line)
    )


def has_invisible(text: str) -> bool:
    """Whether the text contains an invisible character, such as a byte order mark; blanks do not count."""
    return bool(_DANGEROUS.search(text))


def visible(text: str) -> str:
    """Return foreign text for a result: no character of it controls a terminal, hides text or opens a template."""
    return _DANGEROUS.sub(_code_point, text.translate(_FULL_WIDTH))


def visible_everywhere(value: Any, levels: int = 100) -> Any:
    """Return a structure of a result with visible() applied to all text and names in it, up to this depth."""
    if isinstance(value, str):
        if isinstance(value, Exact):
            return str(value)
        # Unchanged text must stay the same object: Ansible's own kind of text has tags.
        return value if (shown := visible(value)) == value else shown
    # Mapping comes last: the first isinstance() of a class with it takes longer than all others.
    if value is None or isinstance(value, (bool, int, float)):
        return value
    is_list = isinstance(value, (list, tuple))
    if not is_list and not isinstance(value, Mapping):
        return value
    if not levels:
        return "(nested too deep)"
    if is_list:
        return [visible_everywhere(item, levels - 1) for item in value]
    return {visible_everywhere(name): visible_everywhere(item, levels - 1) for name, item in value.items()}


def describe(value: object) -> str:
    """Quote the value of an option for an address or URL, with dots in place of everything that may be a credential.

    Scheme, host and port are shown if they can be parsed. Text with an ``@`` in any spelling is not shown, except for
    an IPv4 address at its end.
    """
    text = str(value).strip()
    if not text or _is_network(text):
        return f"'{text}'"
    start, at, rest = text.rpartition("@")
    match = _ADDRESS.match(rest)
    if match is None or match.end() > _MAX_SHOWN or _may_hide_login(start + rest):
        return HIDDEN
    if at:
        whole = match.end() == len(rest) and re.fullmatch(rf"{_IPV4}(?::[0-9]{{1,5}})?/?", rest, re.ASCII)
        return f"'...@{rest}'" if whole else HIDDEN
    return f"'{match[0]}{'' if match.end() == len(rest) else '...'}'"


def format_sample(items: Collection[str], limit: int = 10) -> str:
    """Return the first items as a list for a message, and the number of the others."""
    shown = list(items)[:limit]
    return ", ".join(shown) + (f" and {len(items) - len(shown)} more" if len(items) > len(shown) else "")


def similar(word: str, known: Iterable[str], number: int = 1, cutoff: float = 0.6) -> list[str]:
    """Return the known words that resemble another one, the most similar first, for a message."""
    # Imported only for a message: Ansible imports this module in each run.
    from difflib import get_close_matches

    return get_close_matches(word, known, number, cutoff)


#: The singular of the verbs in messages.
_SINGULAR = {"are": "is", "have": "has", "were": "was"}


def counted(number: float, noun: str, verb: str = "") -> str:
    """Return a number with a regular noun and an optional verb: "1 lease is", "2 addresses are"."""
    if number == 1:
        return f"1 {noun} {_SINGULAR[verb]}" if verb else f"1 {noun}"
    return f"{number:.15g} {noun}{'es' if noun.endswith('s') else 's'}{f' {verb}' if verb else ''}"


def quote_word(text: str) -> str:
    """Quote the value of an option for a name; text that looks like a URL or a login is quoted by describe()."""
    return describe(text) if re.search(r"[@:/?%&\\]", text) else repr(text)


def _is_network(text: str) -> bool:
    """Whether the text is an address or a network, and therefore not a credential."""
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return "%" not in text and not text.isdigit()


def _may_hide_login(text: str) -> bool:
    """Whether the text may contain an ``@`` in another spelling, so that the start of its host is unknown."""
    return not text.isascii() or bool(re.search("%(?:25)*40|&|\\\\", text, re.IGNORECASE))
