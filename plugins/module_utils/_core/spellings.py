# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The encodings in which a server may repeat a text, and their decoders.

Escapes (of URLs, HTML and JSON) are part of readable text and are decoded in place. Base64 and hexadecimal digits
look like words, so each run of such characters is decoded by itself. All functions take time that is proportional to
the length of the text.
"""

from __future__ import annotations

import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from urllib.parse import unquote_to_bytes

#: Characters that hide between others: controls, joiners, fillers, marks of direction, selectors of variants.
INVISIBLE = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_INVISIBLE = re.compile(f"[{INVISIBLE}]+")
_INVISIBLE_ASCII = bytes(code for code in range(128) if _INVISIBLE.match(chr(code)))
#: All characters with which an escape begins, and those of quoted-printable text.
_ESCAPE_SIGNS = "%&\\"
_QUOTED_PRINTABLE = re.compile("(?:=[0-9A-Fa-f]{2})+")
#: The maximum number of nested escapes that are decoded.
MAX_ROUNDS = 8

#: The encodings in which a server may repeat a text, and those with which a reader may mistake UTF-8.
_ENCODINGS, _MISTAKEN = ("utf-8", "utf-16-le", "utf-16-be", "gb18030", "latin-1"), ("latin-1", "cp1252")
# Imported at once: Ansible forks a process for each host, and each of them would import them.
for _encoding in {*_ENCODINGS, *_MISTAKEN}:
    codecs.lookup(_encoding)
_HEX = "[0-9A-Fa-f]"
_PERCENT = re.compile(rf"(?:%(?:25)*(?:{_HEX}{{2}}|[uU]{_HEX}{{4}}))+")
_PERCENT_PREFIX = re.compile(rf"%(?:25)+(?={_HEX}{{2}}|[uU]{_HEX}{{4}})")
_PERCENT_U = re.compile(rf"((?:%[uU]{_HEX}{{4}})+)")
#: The semicolon of an entity may still be percent-encoded.
_ENTITY = re.compile(
    r"&(?:amp;|#0*38;|#[xX]0*26;)*(#0*[0-9]{1,8};?|#[xX]0*[0-9A-Fa-f]{1,8};?|[A-Za-z][A-Za-z0-9]{1,31};?)"
    r"(?![0-9A-Za-z]{0,31}%(?:25)*3[bB])"
)
# A match begins with the first of several backslashes: to try the others would take a minute for 50,000 of them.
_BACKSLASH = re.compile(
    r"(?<!\\)\\+(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|U([0-9A-Fa-f]{8})|([0-3][0-7]{2})|([^\\]))"
)
#: The two halves of a character beyond 16 bits. Several layers of encoding may have separated them.
_HALVES = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
#: The beginning of an escape at the end of a text: the text after it may complete the escape.
OPEN_ESCAPE = re.compile(
    rf"(?:\\+(?:[uUx]{_HEX}{{0,7}})?|%(?:25)*(?:{_HEX}|[uU]{_HEX}{{0,3}})?|&#?[0-9A-Za-z]{{0,31}})\Z"
)

#: What may separate two characters of base64: line breaks, plain or as escapes of JSON, and invisible characters.
_GAP = rf"(?:\\+(?:[nrt]|(?=/))|[\r\n][ \t]*|[{INVISIBLE}])*"
_BASE64 = "[A-Za-z0-9+/_-]"
_RUN = re.compile(rf"{_BASE64}{{8,}}")
_RUN_WITH_GAPS = re.compile(rf"{_BASE64}(?:{_GAP}{_BASE64}){{7,}}")
#: A plus sign may have become a blank, as in a form.
_RUN_WITH_BLANKS = re.compile(rf"{_BASE64}(?:{_GAP}[A-Za-z0-9+/_ -]){{7,}}")
_SPACED_HEX = re.compile(rf"(?:0[xX])?{_HEX}{{2}}(?:[\s:,;_-]{{1,3}}(?:0[xX])?{_HEX}{{2}}){{5,}}")
_FLAT_RUN_WITH_BLANKS = re.compile(r"[A-Za-z0-9+/_ -]{8,}")
_LINE_BREAK_WITH_BLANKS = re.compile(r"[\r\n]+[ \t]*")
_ESCAPED_GAP = re.compile(r"(?<!\\)\\+(?:[nrt]|(?=/))")
#: For a fast test for separated digits: each digit becomes "0", and each character that may separate them ":".
_HEX_CLASSES = bytes(
    48 if code in b"0123456789abcdefABCDEF" else 58 if code in b" \t\r\n\v\f:,;_-" else 120 if code in b"xX" else 32
    for code in range(256)
)
_NOT_A_LETTER = re.compile("[^0-9A-Za-z]+")
_HEX_PREFIX = re.compile(rf"0[xX](?={_HEX}{{2}}(?!{_HEX}))")
_HEX_DIGITS = re.compile(rf"{_HEX}{{12,}}")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_NOT_BASE64 = bytes(code for code in range(256) if not re.match(r"[A-Za-z0-9+/|]", chr(code)))
#: Text in decoded bytes, which may be encoded itself.
_READABLE = re.compile(
    rb"(?:[\0\t\r\n -~]|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}){8,}"
)
_SINGLE_ZERO = re.compile(rb"(?<!\0)\0(?!\0)")


def may_be_escaped(text: str) -> bool:
    """Whether there may be an escape in the text."""
    text = from_invisible(text)
    return any(character in text for character in _ESCAPE_SIGNS) or (
        "=" in text and bool(_QUOTED_PRINTABLE.search(text))
    )


def from_invisible(text: str) -> str:
    """Remove invisible characters, and replace full-width and other variants of letters by the letters."""
    if text.isascii():
        return text.encode().translate(None, _INVISIBLE_ASCII).decode()
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))


def from_percent(text: str) -> str:
    """Decode the escapes of URLs, and those of JavaScript's escape()."""
    return _PERCENT.sub(_percent, text) if "%" in text else text


def from_entities(text: str) -> str:
    """Decode the entities of HTML."""
    return _ENTITY.sub(_entity, text) if "&" in text else text


def from_backslashes(text: str) -> str:
    """Decode the escapes of JSON and of programming languages; a backslash before another character is removed."""
    return _HALVES.sub(_joined, _BACKSLASH.sub(_backslash, text)) if "\\" in text else text


def from_quoted_printable(text: str) -> str:
    """Decode the escapes of mail."""
    return _QUOTED_PRINTABLE.sub(_quoted_printable, text) if "=" in text else text


def without_line_breaks(text: str) -> str:
    """Join the lines of a text that was broken at a fixed width."""
    return text.replace("\r", "").replace("\n", "")


#: The decoders to apply first, and those to apply once these have no effect: the latter may misread other encodings.
_DECODERS = (from_invisible, without_line_breaks, from_percent, from_entities, from_backslashes)
_LAST_DECODERS = (from_quoted_printable,)


def decode_layers(text: str, visit: Callable[[str], str]) -> bool:
    """Apply one decoder at a time, and continue with what ``visit`` returns for each result.

    Returns whether the text is fully decoded.
    """
    # A soft line break of mail looks like the beginning of an escape that was broken.
    soft = text.replace("=\r\n", "").replace("=\n", "")
    if soft != text:
        for joined in (soft, from_quoted_printable(soft)):
            if (visited := visit(joined)) != joined:
                text = visited
                break
    for _round in range(MAX_ROUNDS):
        before = text
        for decoders in (_DECODERS, _LAST_DECODERS):
            for decode in decoders:
                decoded = decode(text)
                if decoded != text:
                    text = visit(decoded)
            if text != before:
                break
        else:
            return True
    return False


def unescaped(text: str) -> str:
    """Decode all escapes, up to MAX_ROUNDS layers."""
    for _round in range(MAX_ROUNDS):
        before = text
        for decode in (from_percent, from_entities, from_backslashes):
            text = decode(text)
        if text == before:
            break
    return text


def words(text: str) -> set[str]:
    """Return the runs of characters that may be base64 or hexadecimal digits, unchanged."""
    found = {*_RUN_WITH_GAPS.findall(text), *_SPACED_HEX.findall(text)}
    return {*found, *_RUN_WITH_BLANKS.findall(text)} if " " in text else found


def replace_runs(text: str, found: Collection[str], replacement: str) -> str:
    """Return the text with a replacement for these of its words()."""
    for pattern in (_RUN_WITH_GAPS, _SPACED_HEX, _RUN_WITH_BLANKS):
        text = pattern.sub(lambda match: replacement if match[0] in found else match[0], text)
    return text


def joined_runs(text: str) -> set[str]:
    """Return about the same runs as words(), but faster: line breaks and escapes are removed, which joins some runs."""
    if "\\" in text:
        text = _ESCAPED_GAP.sub("", text)
    if "\n" in text or "\r" in text:
        text = _LINE_BREAK_WITH_BLANKS.sub("", text) if "\n " in text or "\n\t" in text else text
        text = text.replace("\r", "").replace("\n", "")
    found = set(_RUN.findall(text))
    if " " in text:
        found.update(_FLAT_RUN_WITH_BLANKS.findall(text))
    characters = text.encode("ascii", "ignore").translate(_HEX_CLASSES)
    if b"0:0" in characters and b"00:00:00:00:00:00" in _collapsed(characters):
        found.update(_SPACED_HEX.findall(text))
    return found


def _collapsed(characters: bytes) -> bytes:
    return characters.replace(b"0x", b"").replace(b"::", b":").replace(b"::", b":")


def decode_runs(runs: Iterable[str]) -> Iterator[bytes]:
    """Yield the bytes that all runs together decode to, for each offset at which base64 or hexadecimal may begin."""
    joined = "|".join(runs)
    if "\\" in joined:
        joined = _ESCAPED_GAP.sub("", joined)
    data = joined.encode("ascii", "ignore").translate(_URL_SAFE)
    variants = [data, data.replace(b" ", b"+")] if b" " in data else [data]
    for variant in variants:
        parts = variant.translate(None, _NOT_BASE64).split(b"|")
        for start in range(4):
            # "A" completes the last group, and keeps a run apart from the next one.
            yield binascii.a2b_base64(b"".join(_in_groups(part[start:]) for part in parts))
    digits = [_HEX_PREFIX.sub("", run) if "x" in run.lower() else run for run in joined.split("|")]
    # Other letters may stand next to the digits without a separator.
    pairs = [found for run in digits for found in _HEX_DIGITS.findall(_NOT_A_LETTER.sub("", run))]
    for start in range(2) if pairs else ():
        yield bytes.fromhex("".join(f"{_in_pairs(part[start:])}00" for part in pairs))


def _in_pairs(digits: str) -> str:
    return digits[:-1] if len(digits) % 2 else digits


def _in_groups(letters: bytes) -> bytes:
    return letters + b"AAAA" + b"A" * (-len(letters) % 4)


def readable(data: bytes) -> list[str]:
    """Return the parts of bytes that are text, in UTF-8 or UTF-16."""
    found = [part.decode("utf-8", "replace") for part in _READABLE.findall(data)]
    # In UTF-16, every other byte of ASCII is zero. Between decoded runs, there are several zeros.
    if data.count(b"\0") * 8 > len(data) and len(_SINGLE_ZERO.findall(data)) * 8 > len(data):
        found += [data[start:].decode(name, "replace") for start in (0, 1) for name in ("utf-16-le", "utf-16-be")]
    return found


def _percent(match: re.Match[str]) -> str:
    parts = _PERCENT_U.split(_PERCENT_PREFIX.sub("%", match[0]))
    # The escapes of escape() are at the odd places. Two of them may be one character.
    return "".join(
        _code_units(part[2:].lower().split("%u")) if number % 2 else unquote_to_bytes(part).decode("utf-8", "replace")
        for number, part in enumerate(parts)
    )


def _code_units(units: list[str]) -> str:
    return b"".join(bytes.fromhex(unit) for unit in units).decode("utf-16-be", "replace")


def _entity(match: re.Match[str]) -> str:
    if re.fullmatch("#[xX]?0+;?", match[1]):
        # A NUL, as in UTF-16; Python would replace it by a visible character.
        return "\0"
    # Python converts no text of thousands of digits to a number.
    return html.unescape("&" + re.sub("^#([xX]?)0+(?=[0-9A-Fa-f])", r"#\1", match[1]))


def _joined(match: re.Match[str]) -> str:
    return chr(0x10000 + ((ord(match[1]) & 0x3FF) << 10) + (ord(match[2]) & 0x3FF))


def _backslash(match: re.Match[str]) -> str:
    *hexadecimal, octal, other = match.groups()
    if other:
        return {"n": "\n", "r": "\r"}.get(other, other)
    number = int(octal, 8) if octal else int("".join(filter(None, hexadecimal)), 16)
    return chr(number) if number <= 0x10FFFF else ""


def _quoted_printable(match: re.Match[str]) -> str:
    return binascii.a2b_qp(match[0]).decode("utf-8", "replace")


def encoded(text: str, shortest: int) -> Iterator[bytes]:
    """Yield the text in each encoding that keeps at least ``shortest`` bytes of it."""
    # For ASCII, they differ only in zero bytes, which no search regards.
    for encoding in _ENCODINGS[:1] if text.isascii() else _ENCODINGS:
        data = text.encode(encoding, "replace")
        lost = data.count(b"?") - text.count("?")
        if len(data) - max(lost, 0) >= shortest:
            yield data


def misread(text: str, shortest: int) -> Iterator[str]:
    """Yield a text as it looks when it is decoded with another encoding than it was encoded with."""
    if text.isascii():
        return
    for data in encoded(text, shortest):
        yield data.decode("utf-8", "replace")
    for encoding in _MISTAKEN:
        yield text.encode("utf-8", "replace").decode(encoding, "replace")
