# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removal of secrets, in every spelling in which a server may repeat them.

This file is private to the collection.
"""

from __future__ import annotations

import base64
import functools
import html
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

try:
    from ansible.module_utils import secrets as core_secrets
except ImportError:
    # Before ansible-core 2.22.
    core_secrets = None

#: The replacements of a secret inside text, and of a value that is a secret as a whole.
MASK = "********"
MASKED_VALUE = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
#: The maximum number of nested spellings that are decoded. A text with more is not shown.
_MAX_ROUNDS = 8
#: Shorter secrets are not searched in base64 and hexadecimal, where they would occur by chance.
_MIN_ENCODED = 6
#: A name of the collection itself, which no secret may change.
_OWN_NAME = re.compile(r"[a-z][a-z_]*")
#: Below these names, all names come from the vendor.
_FOREIGN_BELOW = frozenset({"vendor", "idle"})
#: All characters with which an escape begins.
_ESCAPE_SIGNS = "%&\\"
_PERCENT = re.compile(r"(?:%(?:25)*[0-9A-Fa-f]{2})+")
_ENTITY = re.compile(
    r"&(?:amp;|#0*38;|#[xX]0*26;)*(#0*[0-9]{1,8};?|#[xX]0*[0-9A-Fa-f]{1,8};?|[A-Za-z][A-Za-z0-9]{1,31};?)"
)
# A match begins with the first of several backslashes: to try the others would take a minute for 50,000 of them.
_PAIR = re.compile(r"(?<!\\)\\+u([dD][89abAB][0-9A-Fa-f]{2})\\+u([dD][c-fC-F][0-9A-Fa-f]{2})")
_BACKSLASH = re.compile(
    r"(?<!\\)\\+(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|U([0-9A-Fa-f]{8})|([0-3][0-7]{2})|([^\\]))"
)
#: The maximum depth of a result. Deeper values are not searched, and not shown if they may contain a secret.
_MAX_LEVELS = 100


class Redactor:
    """Finds and masks secrets, however they are spelled: plain, percent-encoded, as HTML, as JSON, as base64, as
    hexadecimal digits, in part, in either case, and in each other.
    """

    def __init__(self, secrets: Iterable[str], *, for_one_call: Iterable[str] = ()) -> None:
        """Take secrets, which are also registered with ansible-core if it masks its output, and secrets of only one
        call, such as its signature.
        """
        lasting = _forms(secrets)
        if core_secrets is not None:
            for secret in lasting:
                core_secrets.register_secret(secret)
        self.secrets = tuple(sorted(lasting | _forms(for_one_call)))
        # A server may show one layer of encoding less than the secret seems to have.
        plain = {*self.secrets, *(form for form in map(undone, self.secrets) if len(form) > 2)}
        encoded = {form for secret in self.secrets for form in _base64_forms(secret)}
        hexadecimal = {secret.encode("utf-8", "replace").hex() for secret in self.secrets if _is_long(secret)}
        self._plain = _folded(plain | hexadecimal)
        self._encoded = _folded(encoded)
        self._spellings = plain | hexadecimal, encoded

    @functools.cached_property
    def _pattern(self) -> re.Pattern[str]:
        """All forms of all secrets. Compiled only for a text that may contain one, which is rare."""
        plain, encoded = (sorted(forms, key=lambda form: (-len(form), form)) for forms in self._spellings)
        patterns = [_pattern(form, {"+": "[ +]", " ": "[ +]"}) for form in plain]
        patterns += [_pattern(form, {"+": "[ +-]", "/": "[/_]"}) for form in encoded]
        return re.compile("|".join(patterns), re.IGNORECASE)

    def text(self, text: str) -> str:
        """Return the text without secrets; the rest is unchanged, unless a secret was encoded."""
        if not (self._plain and text):
            return text
        best = current = self._masked(text)
        for _round in range(_MAX_ROUNDS):
            decoded = decode(current)
            if decoded == current:
                return best
            current = self._masked(decoded)
            if current != decoded:
                best = current
        # No readable text is encoded this often.
        return MASK

    def tree(self, value: Any) -> Any:
        """Return a result without secrets in values and names; the same object if it contains none."""
        # Most results are ruled out without checking each text.
        everything = "\n".join(_texts(value)) if self._plain else ""
        may_hold = any(sign in everything for sign in _ESCAPE_SIGNS) or self._may_hold(everything)
        return self._tree(value) if may_hold else value

    def holds_letters(self, text: str) -> bool:
        """Whether the text contains the letters and digits of a secret, with any other characters between them."""
        plain = _letters(text)
        return any(_letters(secret) in plain for secret in self.secrets)

    def _masked(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._may_hold(text) else text

    def _may_hold(self, text: str) -> bool:
        """Whether the text may contain a secret; a few searches in C rule out most texts."""
        folded = _fold(text)
        if any(form in folded for form in self._plain):
            return True
        folded = folded.translate(_BASE64)
        return any(form in folded for form in self._encoded)

    def _tree(self, value: Any, levels: int = _MAX_LEVELS, *, foreign: bool = False) -> Any:
        if isinstance(value, str):
            # As in Ansible, a value that is a secret as a whole has its own replacement.
            return MASKED_VALUE if value in self.secrets else self.text(value)
        if value is None or isinstance(value, bool):
            return value
        if levels and isinstance(value, Mapping):
            return self._mapping(value, levels - 1, foreign=foreign)
        if levels and isinstance(value, (list, tuple)):
            return [self._tree(item, levels - 1, foreign=foreign) for item in value]
        if not isinstance(value, (int, float)):
            return MASKED_VALUE
        written = str(value)
        return value if self.text(written) == written else MASKED_VALUE

    def _mapping(self, value: Mapping[Any, Any], levels: int, *, foreign: bool) -> dict[Any, Any]:
        cleaned: dict[Any, Any] = {}
        for name, item in value.items():
            kept = name
            if isinstance(name, str) and (foreign or not _OWN_NAME.fullmatch(name)):
                kept = self.text(name)
                # Different names must stay different.
                while kept != name and (kept in cleaned or kept in value):
                    kept += "*"
            cleaned[kept] = self._tree(item, levels, foreign=foreign or name in _FOREIGN_BELOW)
        return cleaned


def decode(text: str) -> str:
    """Decode one layer of each spelling."""
    if "%" in text:
        text = _PERCENT.sub(_from_percent, text)
    if "&" in text:
        text = _ENTITY.sub(_from_entity, text)
    if "\\" in text:
        text = _PAIR.sub(_from_pair, text)
        text = _BACKSLASH.sub(_from_backslash, text)
    return text


def undone(text: str) -> str:
    """Decode all layers, of which readable text has few."""
    for _round in range(_MAX_ROUNDS):
        before, text = text, decode(text)
        if text == before:
            break
    return text


def _from_percent(match: re.Match[str]) -> str:
    return unquote_to_bytes(re.sub("%(?:25)+(?=[0-9A-Fa-f]{2})", "%", match[0])).decode("utf-8", "replace")


def _from_entity(match: re.Match[str]) -> str:
    # Python converts no text of thousands of digits to a number.
    return html.unescape("&" + re.sub("^#([xX]?)0+(?=[0-9A-Fa-f])", r"#\1", match[1]))


def _from_pair(match: re.Match[str]) -> str:
    return chr(0x10000 + ((int(match[1], 16) & 0x3FF) << 10) + (int(match[2], 16) & 0x3FF))


def _from_backslash(match: re.Match[str]) -> str:
    *hexadecimal, octal, other = match.groups()
    if other:
        return other
    number = int(octal, 8) if octal else int("".join(filter(None, hexadecimal)), 16)
    return chr(number) if number <= 0x10FFFF else ""


def _forms(secrets: Iterable[str]) -> set[str]:
    """Return secrets as given and as sent, which may be without surrounding blanks."""
    return {form for secret in secrets for form in (secret, secret.strip()) if form}


def _is_long(secret: str) -> bool:
    return len(secret.encode("utf-8", "replace")) >= _MIN_ENCODED


def _base64_forms(secret: str) -> Iterator[str]:
    """Yield the base64 characters that depend only on the secret, for each position where it may begin."""
    raw = secret.encode("utf-8", "replace")
    for shift in range(3) if _is_long(secret) else ():
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        first, end = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6
        yield encoded[first:end]


#: The URL-safe alphabet of base64, folded.
_BASE64 = str.maketrans("-_", " /")


def _fold(text: str) -> str:
    return text.casefold().replace("+", " ")


def _folded(forms: Iterable[str]) -> tuple[str, ...]:
    return tuple({_fold(form) for form in forms})


def _pattern(form: str, others: Mapping[str, str]) -> str:
    return "".join(others.get(sign) or re.escape(sign) for sign in form)


def _texts(value: Any) -> Iterator[str]:
    """Yield all text in a structure, including names; a list of text as one."""
    rest = [value]
    while rest:
        value = rest.pop()
        # Mapping is last: the first comparison of a class with it takes longer than everything else.
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, tuple)):
            try:
                yield "\n".join(value)
            except TypeError:
                rest += value
        elif value is None or isinstance(value, bool):
            continue
        elif not isinstance(value, (int, float)) and isinstance(value, Mapping):
            yield from map(str, value)
            rest += value.values()
        else:
            yield str(value)


def _letters(text: str) -> str:
    """Return only letters and digits, which most spellings keep."""
    return "".join(filter(str.isalnum, text)).casefold()
