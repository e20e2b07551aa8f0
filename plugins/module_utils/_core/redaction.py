# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removal of secrets, in every spelling in which a server may repeat them.

Secrets of MIN_LENGTH or more are also searched for among other characters, in base64 and in hexadecimal digits, also
nested in each other. Shorter ones would match by chance.
"""

from __future__ import annotations

import base64
import functools
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from .spellings import (
    INVISIBLE,
    OPEN_ESCAPE,
    decode_layers,
    decode_runs,
    encoded,
    from_invisible,
    joined_runs,
    may_be_escaped,
    misread,
    readable,
    replace_runs,
    unescaped,
    words,
)

try:
    from ansible.module_utils import secrets as core_secrets
except ImportError:
    # Before ansible-core 2.22.
    core_secrets = None

#: The replacements of a secret inside text, and of a value that is a secret as a whole.
MASK = "********"
MASKED_VALUE = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
#: A name of the collection itself, which no secret may change.
_OWN_NAME = re.compile(r"[a-z][a-z_]*")
#: Below these names, all names come from the vendor.
_FOREIGN_BELOW = frozenset({"vendor", "idle"})
#: The maximum depth of a result. Deeper values are not searched, and not shown if they may contain a secret.
_MAX_LEVELS = 100
#: The minimum length in bytes of a secret that is also searched for in encoded text.
MIN_LENGTH = 6
#: Shorter values are never masked: a password of one letter would make each sentence unreadable.
_SHORTEST = 4
#: Separates texts that are searched together. No run of base64 characters contains it.
SEPARATOR = "\t|\t"
#: How often base64 and hexadecimal digits are decoded within each other.
_MAX_NESTED = 4
#: The maximum number of decoded bytes: for each character of a text, and in addition for the text as a whole.
_MAX_DECODED, _FREE_DECODED = 200, 100_000
#: The characters that may separate those of a secret: backslashes, line breaks, and invisible ones.
_BETWEEN = re.compile(rf"[\\\r\n{INVISIBLE}]+")
_BETWEEN_ASCII = bytes(code for code in range(128) if _BETWEEN.match(chr(code)))


def fold(text: str) -> str:
    """Return the text in one case, and without the difference that forms make between blanks and plus signs."""
    return text.casefold().replace("+", " ")


def skeleton(text: str) -> str:
    """Return the folded text without the characters that may separate those of a secret."""
    text = fold(text)
    return text.encode().translate(None, _BETWEEN_ASCII).decode() if text.isascii() else _BETWEEN.sub("", text)


#: The most common invisible characters in UTF-8.
_INVISIBLE_UTF8 = re.compile(rb"\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf|\xc2\xad")
#: The full-width variants of ASCII, as Chinese input methods write them.
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


class LongSecrets:
    """The forms of secrets that can be found anywhere: as text, and as bytes in several encodings."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
        self.texts = _long_enough({skeleton(form) for text in spellings for form in (text, *misread(text, MIN_LENGTH))})
        self.data = _long_enough({_folded_bytes(form) for text in spellings for form in encoded(text, MIN_LENGTH)})

    def are_in(self, text: str) -> bool:
        """Whether the text contains one of them, apart from base64 and escapes."""
        if not self.texts:
            return False
        bare = skeleton(text)
        return any(form in bare for form in self.texts)

    def are_in_bytes(self, data: bytes) -> bool:
        """Whether decoded bytes contain one of them."""
        bare = _folded_bytes(data)
        return any(form in bare for form in self.data)

    def mask(self, text: str, mask: str) -> str:
        """Return the text with a mask in place of each of them."""
        bare, places = [], []
        for place, character in enumerate(text):
            if not _BETWEEN.match(character):
                for folded in fold(character):
                    bare.append(folded)
                    places.append(place)
        line, spans = "".join(bare), []
        for form in self.texts:
            start = line.find(form)
            while start >= 0:
                end = start + len(form)
                spans.append((places[start], places[end - 1] + 1))
                start = line.find(form, end)
        parts, done = [], 0
        for first, last in sorted(spans):
            if first >= done:
                parts += [text[done:first], mask]
            done = max(done, last)
        return "".join(parts) + text[done:]


class Search:
    """Searches one text for secrets in base64 and hexadecimal digits, with a limit for all of its work."""

    def __init__(self, secrets: LongSecrets, size: int) -> None:
        self._secrets = secrets
        self._left = _FREE_DECODED + _MAX_DECODED * size

    @property
    def is_exhausted(self) -> bool:
        """Whether the text needs more work than any readable text would."""
        return self._left < 0

    def words(self, text: str, levels: int = _MAX_NESTED) -> set[str]:
        """Return the runs of characters in the text that contain a secret when they are decoded."""
        if not self.may_contain_secret(text, levels):
            return set()
        return {run for run in words(text) if self._decode_to_secret([run], levels)}

    def may_contain_secret(self, text: str, levels: int = _MAX_NESTED) -> bool:
        """Whether words() may return any; all runs are decoded together, which rules out most texts."""
        if not (self._secrets.texts and levels):
            return False
        runs = joined_runs(text)
        return bool(runs) and self._decode_to_secret(runs, levels)

    def contains_secret(self, text: str, levels: int = _MAX_NESTED) -> bool:
        """Whether the text contains a secret in any spelling."""
        found = False

        def visit(decoded: str) -> str:
            nonlocal found
            found = found or self._secrets.are_in(decoded) or bool(self.words(decoded, levels))
            return "" if found else decoded

        return not decode_layers(visit(text), visit) or found

    def _decode_to_secret(self, runs: Iterable[str], levels: int) -> bool:
        for data in decode_runs(runs):
            self._left -= len(data)
            if self.is_exhausted:
                return False
            if self._secrets.are_in_bytes(data) or self.contains_secret(SEPARATOR.join(readable(data)), levels - 1):
                return True
        return False


def _spellings(secret: str) -> set[str]:
    """Return a secret, the forms in which servers may encode it, and all stages of decoding these."""
    found = {secret, html.escape(secret), json.dumps(secret)[1:-1], secret.translate(_FULL_WIDTH)}

    def visit(decoded: str) -> str:
        found.add(decoded)
        return decoded

    for spelling in tuple(found):
        decode_layers(spelling, visit)
        visit(unescaped(spelling))
    # The text after a secret may complete an escape that begins in it.
    return found | {OPEN_ESCAPE.sub("", spelling) for spelling in found}


def _folded_bytes(data: bytes) -> bytes:
    data = data.translate(None, _BETWEEN_ASCII).lower().replace(b"+", b" ")
    return _INVISIBLE_UTF8.sub(b"", data)


_Form = TypeVar("_Form", str, bytes)


def _long_enough(forms: Iterable[_Form]) -> tuple[_Form, ...]:
    sizes = {form: len(form.encode("utf-8", "replace") if isinstance(form, str) else form) for form in forms}
    found: list[_Form] = []
    for form in sorted((form for form, size in sizes.items() if size >= MIN_LENGTH), key=len):
        # The search for a shorter form finds all that contain it.
        if not any(shorter in form for shorter in found):
            found.append(form)
    return tuple(found)


class Redactor:
    """Finds and masks secrets in every spelling.

    A secret may be plain, percent-encoded, escaped as in HTML or JSON, in base64, in hexadecimal digits or in UTF-16,
    with invisible characters or line breaks in it, in upper or lower case, incomplete, or encoded several times.
    """

    def __init__(self, secrets: Iterable[str], *, for_one_call: Iterable[str] = ()) -> None:
        """Prepare the forms of the secrets, and register them with ansible-core if it masks its output.

        Secrets ``for_one_call``, such as its signature, are not registered.
        """
        lasting = _forms(secrets)
        if core_secrets is not None:
            for secret in lasting:
                core_secrets.register_secret(secret)
        self.secrets = tuple(sorted(lasting | _forms(for_one_call)))
        # A server may show one layer of encoding less than the secret seems to have.
        plain = {*self.secrets, *(form for form in map(unescaped, self.secrets) if len(form) > 2)}
        self._long = LongSecrets(self.secrets)
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
        search = Search(self._long, len(text))
        best = self._masked(text, search)

        def visit(decoded: str) -> str:
            nonlocal best
            masked = self._masked(decoded, search)
            if masked != decoded:
                best = masked
            return masked

        # Text with more layers is not readable in any case, so it is masked as a whole.
        return best if decode_layers(best, visit) and not search.is_exhausted else MASK

    def tree(self, value: Any) -> Any:
        """Return a result without secrets in values and names; the same object if it contains none."""
        if not self._plain:
            return value
        # One search in all texts together rules out most results.
        everything = SEPARATOR.join(_texts(value))
        search = Search(self._long, len(everything))

        def may_show(text: str) -> bool:
            return self._may_hold(text) or search.may_contain_secret(text) or search.is_exhausted

        if may_show(everything) or ((bare := from_invisible(everything)) != everything and may_show(bare)):
            return self._tree(value, functools.cache(self.text))
        if may_be_escaped(everything):
            return self._tree(value, functools.cache(lambda text: self.text(text) if may_be_escaped(text) else text))
        return value

    def holds_letters(self, text: str) -> bool:
        """Whether the text contains the letters and digits of a secret, with any other characters between them."""
        plain = _letters(text)
        return any(_letters(secret) in plain for secret in self.secrets)

    def _masked(self, text: str, search: Search) -> str:
        if self._may_hold(text):
            text = self._long.mask(self._pattern.sub(MASK, text), MASK)
        found = search.words(text)
        return replace_runs(text, found, MASK) if found else text

    def _may_hold(self, text: str) -> bool:
        """Whether the text may contain a secret; a few searches in C rule out most texts."""
        folded = fold(text)
        if any(form in folded for form in self._plain):
            return True
        if self._long.are_in(text):
            return True
        folded = folded.translate(_BASE64)
        return any(form in folded for form in self._encoded)

    def _tree(
        self, value: Any, clean: Callable[[str], str], levels: int = _MAX_LEVELS, *, foreign: bool = False
    ) -> Any:
        if isinstance(value, str):
            # As in Ansible, a value that is a secret as a whole has its own replacement.
            return MASKED_VALUE if value in self.secrets else clean(value)
        if value is None or isinstance(value, bool):
            return value
        if levels and isinstance(value, Mapping):
            return self._mapping(value, clean, levels - 1, foreign=foreign)
        if levels and isinstance(value, (list, tuple)):
            return [self._tree(item, clean, levels - 1, foreign=foreign) for item in value]
        if not isinstance(value, (int, float)):
            return MASKED_VALUE
        written = str(value)
        return value if clean(written) == written else MASKED_VALUE

    def _mapping(
        self, value: Mapping[Any, Any], clean: Callable[[str], str], levels: int, *, foreign: bool
    ) -> dict[Any, Any]:
        cleaned: dict[Any, Any] = {}
        for name, item in value.items():
            kept = name
            if isinstance(name, str) and (foreign or not _OWN_NAME.fullmatch(name)):
                kept = clean(name)
                # Different names must stay different.
                while kept != name and (kept in cleaned or kept in value):
                    kept += "*"
            cleaned[kept] = self._tree(item, clean, levels, foreign=foreign or name in _FOREIGN_BELOW)
        return cleaned


def _forms(secrets: Iterable[str]) -> set[str]:
    """Return secrets as given and without surrounding blanks, as they may be sent."""
    return {form for secret in secrets for form in (secret, secret.strip()) if len(form) >= _SHORTEST}


def _is_long(secret: str) -> bool:
    return len(secret.encode("utf-8", "replace")) >= MIN_LENGTH


def _base64_forms(secret: str) -> Iterator[str]:
    """Yield the base64 characters that depend only on the secret, for each position where it may begin."""
    raw = secret.encode("utf-8", "replace")
    for shift in range(3) if _is_long(secret) else ():
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        first, end = -(-shift * 8 // 6), (shift + len(raw)) * 8 // 6
        yield encoded[first:end]


#: The URL-safe alphabet of base64, folded.
_BASE64 = str.maketrans("-_", " /")


def _folded(forms: Iterable[str]) -> tuple[str, ...]:
    return tuple({fold(form) for form in forms})


def _pattern(form: str, others: Mapping[str, str]) -> str:
    return "".join(others.get(character) or re.escape(character) for character in form)


def _texts(value: Any) -> Iterator[str]:
    """Yield all text in a structure, including names; a list of texts is joined into one."""
    rest = [value]
    while rest:
        value = rest.pop()
        # Mapping is last: the first comparison of a class with it takes longer than everything else.
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, tuple)):
            try:
                yield SEPARATOR.join(value)
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
