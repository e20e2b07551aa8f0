# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is true of every result: one sentence on failure, documented keys, no secret, and no claim but the truth."""

from __future__ import annotations

import base64
import contextlib
import functools
import html
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from support.vendor import Vendor, books

MODULES = Path(__file__).resolve().parents[2] / "plugins" / "modules"
#: What Ansible documents for every module, and what the collection does (guide "Results").
COMMON = {"changed", "failed", "msg", "warnings", "diff", "error", "api", "exception"}
Result = dict[str, Any]


def assert_one_sentence(message: object) -> None:
    """A message that a person can read: some words, on one line, and not a stack of Python."""
    assert isinstance(message, str)
    assert len(message.split()) >= 4, message
    assert message.count(" is unknown: ") <= 1, message
    for noise in ("\n", "Traceback", "object at 0x", "defect of the collection"):
        assert noise not in message, message


@functools.cache
def returned(module: str) -> Mapping[str, Any]:
    """What the documentation of a module says that it returns."""
    text = (MODULES / f"{module}.py").read_text("utf-8").partition('RETURN = r"""')[2].partition('"""')[0]
    values: Mapping[str, Any] = yaml.safe_load(text)
    return values


def spellings(secret: str) -> set[str]:
    """A secret as servers, shells and logs write it."""
    encoded = [base64.b64encode(secret.encode()), base64.urlsafe_b64encode(secret.encode())]
    return {
        *(secret, secret.lower(), secret[::-1], quote(secret, safe=""), html.escape(secret), json.dumps(secret)[1:-1]),
        *(each.decode().rstrip("=") for each in encoded),
        "".join(f"%{byte:02x}" for byte in secret.encode()),
        "".join(f"\\u{ord(sign):04x}" for sign in secret),
        "".join(f"&#{ord(sign)};" for sign in secret),
    } - ({secret[::-1]} if secret.isdigit() else set())


def assert_no_secret(secrets: Iterable[str], *places: object) -> None:
    """No secret stands in texts, bytes, values, or the files below a directory, in any usual spelling."""
    wanted = [spelling for secret in secrets for spelling in spellings(secret)]
    for place in places:
        for text in texts_below(place) if isinstance(place, Path) else [text_of(place)]:
            found = [spelling for spelling in wanted if spelling in text]
            assert not found, f"{found} in {text[:2000]}"


def texts_below(directory: Path) -> Iterator[str]:
    for path in directory.rglob("*"):
        # SQLite removes its files when a store that nobody uses any more is closed.
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            yield path.read_bytes().decode("latin-1")


def text_of(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def assert_result(result: Result, module: str, *, check: bool = False) -> None:
    """A result is plain data with documented keys; a failure has a sentence, and a prediction is none."""
    assert json.loads(json.dumps(result)) == result
    documented = returned(module)
    assert set(result) <= {*documented, *COMMON}, set(result) - {*documented, *COMMON}
    for name, value in result.items():
        contains = documented.get(name, {}).get("contains")
        for item in value if isinstance(value, list) and contains else ():
            assert set(item) <= set(contains), (name, set(item) - set(contains))
    assert isinstance(result["changed"], bool)
    if result.get("failed"):
        assert_one_sentence(result["msg"])
    for text in result.get("warnings", []):
        assert_one_sentence(text)


@dataclass(frozen=True)
class Books:
    """What the vendor has on record for the key."""

    paid: frozenset[str]
    held: Mapping[str, float]
    #: When each resource was dialed.
    resources: Mapping[str, float]
    resources_paid: int
    whitelist: frozenset[str]

    @classmethod
    def of(cls, vendor: Vendor) -> Books:
        own = books(vendor)
        return cls(
            frozenset(str(lease["port"]) for lease in own.paid),
            {str(lease.port): lease.ends for lease in own.leases},
            {each.uuid: each.dial_at for each in own.monopolies},
            own.monopolies_paid,
            frozenset(vendor.whitelist),
        )


def _named(values: Iterable[Any]) -> set[str]:
    return {str(value.get("port") or value["uuid"]) if isinstance(value, dict) else value for value in values}


def assert_true(result: Result, before: Books, vendor: Vendor, *, check: bool = False) -> None:
    """What a result claims is what the books show; where it says that it does not know, it claims no more than they do.

    Leases may have ended by themselves, and then count as neither kept nor released. What a call of an earlier run did
    late need not be claimed.
    """
    now, after = vendor.clock.now(), Books.of(vendor)
    ended = {name for name, ends in before.held.items() if ends <= now}
    gone = before.held.keys() - after.held.keys() - ended
    changes = {
        "allocated": after.paid - before.paid,
        "applied": after.resources.keys() - before.resources.keys(),
        "released": gone | (before.resources.keys() - after.resources.keys()),
        "redialed": {name for name, at in before.resources.items() if after.resources.get(name, at) != at},
        "added": after.whitelist - before.whitelist,
        "removed": before.whitelist - after.whitelist,
    }
    if check:
        assert not any(changes.values()), changes
        return
    claims = {name: _named(result[name]) for name in changes if name in result}
    if result.get("failed"):
        # A redial that was accepted, and that the list does not show, is said to be so.
        claims.pop("redialed", None)
    for name, claimed in claims.items():
        assert claimed <= changes[name] | ended, (name, claimed, changes[name], result.get("msg"))
        if "is unknown" not in result.get("msg", ""):
            assert changes[name] - ended - vendor.late_changes <= claimed, (
                name,
                claimed,
                changes[name],
                result.get("msg"),
            )
    if not result.get("failed") and claims:
        assert result["changed"] is any(claims.values()), (result, changes)
