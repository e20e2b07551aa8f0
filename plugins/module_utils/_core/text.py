# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text for users: foreign text that is safe to display, no secrets, and parts of sentences."""

from __future__ import annotations

import base64
import functools
import html
import json
import os
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

#: What stands in the place of a secret, as for Ansible.
MASK = "********"
#: Shorter values are never masked: a password of one letter would make each sentence unreadable.
_SHORTEST = 4
#: The minimum length of a secret in bytes that is also searched for in base64; a shorter one would
#: match by chance.
_SHORTEST_ENCODED = 6
#: A name of the collection itself, which no secret may change, and the names below which all names
#: are QG.net's.
_OWN_NAME = re.compile("[a-z][a-z_]*")
_FOREIGN_BELOW = frozenset({"vendor", "idle"})
#: The full-width forms of the characters without which no text becomes a template of Ansible
#: (``{{``, ``{%``, ``{#``, ``#jinja2:``), wherever a user puts it, be it joined with other text, or
#: evaluated as a literal of Python (``\x7b``).
_FULL_WIDTH = str.maketrans("{}#\\", "\uff5b\uff5d\uff03\uff3c")
#: Separates the lines and words of values.
_SPACE = frozenset("\n\t\u3000\xa0")
#: The environment variables with the URL of a proxy, in lower case; and what a URL has before the
#: login.
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_BEFORE_LOGIN = re.compile(r"^([A-Za-z0-9+.-]*:)?//")
#: What a message may quote of an option's value. Anything else may be a URL or a login.
_QUOTABLE = re.compile(
    r"[\w\s\u200b\ufeff.,;*+=<>!-]{0,80}|(?:[\w-]+\.)+[\w-]+:[0-9]+|"
    r"[0-9.]{7,15}/[0-9.]+|[0-9a-fA-F:]*::[0-9a-fA-F:]*(?:/[0-9]+)?"
)


class Exact(str):
    """Text of a result that stays as it is: a password that was asked for."""


def visible(text: str) -> str:
    """Return foreign text for a result.

    No character of it controls a terminal, hides text or opens a template.
    """
    shown = text.translate(_FULL_WIDTH)
    if not shown.isprintable():
        shown = "".join(map(_printable, shown))
    # Unchanged text must stay the same object: Ansible's own kind of text has tags.
    return text if shown == text else shown


def _printable(character: str) -> str:
    if character.isprintable() or character in _SPACE:
        return character
    return f"<U+{ord(character):04X}>"


def one_line(text: str) -> str:
    """Return foreign text for a message: visible(), on one line."""
    return visible(" ".join(text.split()))


def clean(result: Mapping[str, Any], secrets: Collection[str]) -> dict[str, Any]:
    """Return a result that Ansible may show: visible, without secrets, and messages on one line."""
    hidden = _hidden(frozenset(secrets))

    def shown(text: str) -> str:
        if isinstance(text, Exact):
            return _masked(str(text), hidden)
        return _masked(visible(text), hidden)

    cleaned: dict[str, Any] = _rewritten(dict(result), shown)
    if isinstance(cleaned.get("msg"), str):
        cleaned["msg"] = one_line(cleaned["msg"])
    if cleaned.get("warnings"):
        cleaned["warnings"] = [one_line(str(text)) for text in cleaned["warnings"]]
    return cleaned


def without_secrets(value: Any, secrets: Collection[str]) -> Any:
    """Return a structure without secrets in values, and in names except those of the collection.

    Ansible's own functions for this are deprecated in ansible-core 2.22.
    """
    hidden = _hidden(frozenset(secrets))
    if hidden is None:
        return value
    return _rewritten(value, lambda text: _masked(text, hidden))


def _masked(text: str, hidden: re.Pattern[str] | None) -> str:
    # Unchanged text must stay the same object, as in visible().
    if hidden is None or not hidden.search(text):
        return text
    return hidden.sub(MASK, text)


def _rewritten(
    value: Any, rewrite: Callable[[str], str], levels: int = 100, is_foreign: bool = False
) -> Any:
    """Return a structure with all text and names in it rewritten, up to this depth."""
    if isinstance(value, str):
        return rewrite(value)
    if type(value) in (int, float):
        # A secret of digits may come back as a number.
        return value if rewrite(str(value)) == str(value) else MASK
    if not isinstance(value, (dict, list, tuple)):
        return value
    if not levels:
        return "(nested too deep)"
    if not isinstance(value, dict):
        return [_rewritten(item, rewrite, levels - 1, is_foreign) for item in value]
    result = {}
    for name, item in value.items():
        is_vendors = is_foreign or name in _FOREIGN_BELOW
        written = _rewritten(item, rewrite, levels - 1, is_vendors)
        if is_foreign or not _OWN_NAME.fullmatch(name):
            name = rewrite(name)
        result[name] = written
    return result


def sentence(text: str, secrets: Collection[str]) -> str:
    """Return a text of a server for a message, without secrets."""
    return one_line(str(without_secrets(text, secrets)))


@functools.lru_cache(maxsize=32)
def _hidden(secrets: frozenset[str]) -> re.Pattern[str] | None:
    """Return a pattern of what servers and libraries make of secrets, the longest text first."""
    texts = set()
    for secret in secrets.union(map(str.strip, secrets)):
        if len(secret) >= _SHORTEST:
            for form in _forms(secret):
                texts |= {form, visible(form)}
    texts.discard("")
    if not texts:
        return None
    return re.compile("|".join(map(re.escape, sorted(texts, key=len, reverse=True))))


def _forms(text: str) -> Iterator[str]:
    """Yield a secret as it is, and as it is written in a URL, HTML, JSON or base64."""
    yield from (
        text,
        one_line(text),
        html.escape(text),
        html.escape(text).replace("&#x27;", "&#039;"),
    )
    for written in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        yield from (written, written.replace("/", "\\/"))
    raw = text.encode("utf-8", "replace")
    for encoded in (quote(raw, safe=""), quote(raw), quote_plus(raw), quote_plus(raw, safe=",*")):
        yield from (encoded, re.sub("%..", lambda match: match[0].lower(), encoded))
    if len(raw) < _SHORTEST_ENCODED:
        return
    for shift in range(3):
        # The characters that depend only on the secret, wherever it begins.
        code = base64.b64encode(b"\0" * shift + raw).decode()
        code = code[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        yield from (code, code.translate(str.maketrans("+/", "-_")))


def login_secrets(url: str | None) -> Iterator[str]:
    """Yield the secrets in the URL of a proxy: its password, or without one its user name."""
    login, at, _host = _BEFORE_LOGIN.sub("", url or "").rpartition("@")
    user, _colon, password = login.partition(":")
    if at and (secret := password or user):
        yield from {secret, unquote(secret)}


def environment_secrets() -> Iterator[str]:
    """Yield the secrets in the URLs of proxies in the environment."""
    for name, url in os.environ.items():
        if name.lower() in _PROXIES:
            yield from login_secrets(url)


def database_secrets(url: str | None) -> frozenset[str]:
    """Return the secrets in the URL of a database, which need not be a valid URL."""
    address = (url or "").partition("://")[2]
    # libpq ends a password at the first "@"; the user may mean the last one.
    logins = (address.partition("@"), address.rpartition("@"))
    written = {login.partition(":")[2] for login, at, _host in logins if at}
    for parameter in address.partition("?")[2].split("&"):
        name, _equals, value = parameter.partition("=")
        if "password" in name:
            written.add(value)
    return frozenset(filter(None, written.union(map(unquote, written))))


def quoted(text: str) -> str:
    """Quote the value of an option for a message; one that may be a URL or a login is not shown."""
    return repr(text) if _QUOTABLE.fullmatch(text) else "'...'"


def format_sample(items: Collection[str], limit: int = 10) -> str:
    """Return the first items as a list for a message, and the number of the others."""
    text = ", ".join(list(items)[:limit])
    if len(items) > limit:
        text += f" and {len(items) - limit} more"
    return text


def either(items: Iterable[str]) -> str:
    """Return items for a message of which one is to be given: "a, b or c"."""
    *others, last = items
    return f"{', '.join(others)} or {last}" if others else last


def extra_var(name: str, value: str) -> str:
    """Return a variable for the command line of ansible-playbook, which splits it at blanks."""
    if " " in value:
        value = f'"{value}"'
    return f"-e {shlex.quote(f'{name}={value}')}"


def similar(word: str, words: Iterable[str], number: int = 1, cutoff: float = 0.6) -> list[str]:
    """Return the ``words`` that resemble another one, the most similar first, for a message."""
    # Imported only for a message: Ansible imports this module in each run.
    from difflib import get_close_matches

    return get_close_matches(word, words, number, cutoff)


#: The singular of the verbs in messages.
_SINGULAR = {"are": "is", "have": "has", "were": "was"}


def counted(number: float, noun: str, verb: str = "") -> str:
    """Return a number with a regular noun and an optional verb: "1 lease is", "2 addresses are"."""
    if number == 1:
        return f"1 {noun} {_SINGULAR.get(verb, '')}".rstrip()
    ending = "es" if noun.endswith("s") else "s"
    return f"{number:.15g} {noun}{ending} {verb}".rstrip()
