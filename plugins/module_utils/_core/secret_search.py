# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The search for secrets among other characters, in base64 and in hexadecimal digits, also nested in each other.

Only secrets of MIN_LENGTH or more are searched for in this way: shorter ones would match by chance.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

from .spellings import INVISIBLE, OPEN_ESCAPE, decode_layers, decode_runs, joined_runs, readable, unescaped, words

#: The minimum length of a secret in bytes.
MIN_LENGTH = 6
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
        self.texts = _long_enough({skeleton(form) for text in spellings for form in (text, *_misread(text))})
        self.data = _long_enough({_folded_bytes(form) for text in spellings for form in _encoded(text)})

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


def _encoded(text: str) -> Iterator[bytes]:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "gb18030", "latin-1"):
        yield text.encode(encoding, "replace")


def _misread(text: str) -> Iterator[str]:
    """Yield a text as it looks when it is decoded with another encoding than it was encoded with."""
    for data in _encoded(text):
        yield data.decode("utf-8", "replace")
    for encoding in ("latin-1", "cp1252"):
        yield text.encode("utf-8", "replace").decode(encoding, "replace")


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
