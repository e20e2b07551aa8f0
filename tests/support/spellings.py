# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Spellings of a secret: one encoding of a server, a mail or a log in another one."""

from __future__ import annotations

import base64
import html
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from hypothesis import strategies as st

Encoder = Callable[[str, random.Random], str]
#: The characters that many encodings treat in a special way, and those of none.
SIGNS = "abXY09 +%&;/\\\"'<>=#-_.\u00fc\u9752\U0001f511"
ZERO_WIDTH = "\u200b\u200d\u2060\ufeff\u00ad"


def _escaped(text: str, _chance: random.Random) -> str:
    """As escape() of JavaScript does it."""
    units = re.findall("....", text.encode("utf-16-be").hex())
    return "".join(f"%{unit[2:]}" if unit < "0080" else f"%u{unit}" for unit in units)


def _all_units(text: str, _chance: random.Random) -> str:
    return "".join(f"%u{unit.upper()}" for unit in re.findall("....", text.encode("utf-16-be").hex()))


def _wrapped(text: str, chance: random.Random) -> str:
    return _broken(text, chance, ["\n", "\r\n"])


def _wrapped_base64(text: str, chance: random.Random) -> str:
    return _broken(_base64(text, chance), chance, ["\n", "\r\n", "\\n", "\\r\\n"])


def _broken(text: str, chance: random.Random, ends: list[str]) -> str:
    width, end = chance.randint(4, 9), chance.choice(ends)
    return end.join(text[place : place + width] for place in range(0, len(text), width))


def _base64(text: str, chance: random.Random) -> str:
    raw = chance.choice([b"", b"u:", b"\xff\x00"]) + text.encode() + chance.choice([b"", b":p", b"\n"])
    encode = chance.choice([base64.b64encode, base64.urlsafe_b64encode])
    return encode(raw).decode().rstrip(chance.choice(["", "="]))


def _wide(text: str, chance: random.Random) -> str:
    """As a reader of UTF-8 sees UTF-16."""
    return text.encode(chance.choice(["utf-16-le", "utf-16-be"])).decode("utf-8", "replace")


def _wide_base64(text: str, chance: random.Random) -> str:
    return base64.b64encode(text.encode(chance.choice(["utf-16", "utf-16-le", "utf-16-be"]))).decode()


def _hidden_between(text: str, chance: random.Random) -> str:
    return "".join(sign + chance.choice([*ZERO_WIDTH, ""]) for sign in text)


def _full_width(text: str, _chance: random.Random) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in text)


def _quoted_printable(text: str, _chance: random.Random) -> str:
    return "".join(f"={byte:02X}" for byte in text.encode())


def _hexadecimal(text: str, chance: random.Random) -> str:
    return text.encode().hex(*chance.choice([(), (":",), (" ",), ("-",)]))


#: What a text may look like, from the inside out.
ENCODERS: dict[str, Encoder] = {
    "percent": lambda text, _chance: quote(text, safe=""),
    "percent, in part": lambda text, chance: "".join(
        quote(sign, safe="") if sign == "%" or chance.random() < 0.5 else sign for sign in text
    ),
    "percent, every byte": lambda text, _chance: "".join(f"%{byte:02x}" for byte in text.encode()),
    "form": lambda text, _chance: quote_plus(text),
    "escape()": _escaped,
    "escape(), every unit": _all_units,
    "HTML": lambda text, _chance: html.escape(text),
    "entities": lambda text, chance: "".join(
        f"&#{ord(sign)};" if chance.random() < 0.5 else f"&#x{ord(sign):x};" for sign in text
    ),
    "JSON": lambda text, _chance: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON in ASCII": lambda text, _chance: json.dumps(text)[1:-1],
    "JSON, every character": lambda text, _chance: "".join(
        f"\\u{unit}" for unit in re.findall("....", text.encode("utf-16-be").hex())
    ),
    "base64": _base64,
    "base64, broken lines": _wrapped_base64,
    "base64 of UTF-16": _wide_base64,
    "UTF-16": _wide,
    "hexadecimal": _hexadecimal,
    "quoted-printable": _quoted_printable,
    "zero-width characters": _hidden_between,
    "full-width characters": _full_width,
    "broken lines": _wrapped,
}


#: What makes ASCII something else.
_SPLITTING = {"zero-width characters", "broken lines", "UTF-16"}
_NOT_ASCII = {"zero-width characters", "full-width characters", "UTF-16"}


@dataclass(frozen=True)
class Spelled:
    """A secret, the names of its encodings from the inside out, and what results."""

    secret: str
    names: tuple[str, ...]
    text: str


def spell(secret: str, names: tuple[str, ...], seed: int) -> Spelled:
    """Return the secret in these encodings, one in the other."""
    chance = random.Random(seed)
    text = secret
    for name in names:
        text = ENCODERS[name](text, chance)
    return Spelled(secret, names, text)


def is_lossless(names: tuple[str, ...], secret: str) -> bool:
    """Whether a reader can undo the encodings.

    A reader of wide text loses what is not ASCII, and an escape with something in its middle is none to the next one.
    """
    if any(names[place] in _SPLITTING for place in range(1, len(names) - 1)):
        return False
    if len(names) > 2 and "base64 of UTF-16" in names and {*names} & _NOT_ASCII:
        return False
    inside = names[: names.index("UTF-16")] if "UTF-16" in names else ()
    return names in ((), ("UTF-16",)) or "UTF-16" not in names or (secret.isascii() and not {*inside} & _NOT_ASCII)


def _is_long(text: str) -> bool:
    """Whether a secret is long, also where it looks like escapes and is decoded as well."""
    return text.strip() == text and len(re.sub(r"%[0-9A-Fa-f]{2}|\\.|&\w*;?", "", text)) >= 7 and len(set(text)) > 4


secrets = st.text(SIGNS, min_size=8, max_size=16).filter(_is_long)
passwords = st.text("abcdefXYZ0189", min_size=8, max_size=12).flatmap(
    lambda start: st.sampled_from(["", "\\", "%", "&", "\\\\", "%4", "&lt", "+"]).map(start.__add__)
)


def spelled(most: int) -> st.SearchStrategy[Spelled]:
    """Secrets in up to so many encodings."""
    names = st.lists(st.sampled_from(sorted(ENCODERS)), min_size=1, max_size=most).map(tuple)
    return st.builds(spell, secrets | passwords, names, st.integers(0, 2**32)).filter(
        lambda each: is_lossless(each.names, each.secret)
    )
