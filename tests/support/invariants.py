# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is true of every result: one sentence on failure, documented keys, no secret, and no claim
but the truth.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import html
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from support.phrases import IS_UNKNOWN
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
    text = (
        (MODULES / f"{module}.py")
        .read_text("utf-8")
        .partition('RETURN = r"""')[2]
        .partition('"""')[0]
    )
    values: Mapping[str, Any] = yaml.safe_load(text)
    return values


@functools.cache
def spellings(secret: str) -> frozenset[str]:
    """A secret as servers, shells and logs write it."""
    encoded = [base64.b64encode(secret.encode()), base64.urlsafe_b64encode(secret.encode())]
    written = {
        *(
            secret,
            secret.lower(),
            quote(secret, safe=""),
            html.escape(secret),
            json.dumps(secret)[1:-1],
        ),
        *(text.decode().rstrip("=") for text in encoded),
        "".join(f"%{byte:02x}" for byte in secret.encode()),
        "".join(f"\\u{ord(sign):04x}" for sign in secret),
        "".join(f"&#{ord(sign)};" for sign in secret),
    }
    # Digits in another order may be any number.
    if not secret.isdigit():
        written.add(secret[::-1])
    return frozenset(written)


def assert_no_secret(secrets: Iterable[str], *places: object) -> None:
    """No secret stands in texts, bytes, values, or the files below a directory, in any usual
    spelling.
    """
    wanted: frozenset[str] = frozenset().union(*map(spellings, secrets))
    for place in places:
        texts = texts_below(place) if isinstance(place, Path) else [text_of(place)]
        for text in texts:
            leaks = [spelling for spelling in wanted if spelling in text]
            assert not leaks, f"{leaks} in {text[:2000]}"


def texts_below(directory: Path) -> Iterator[str]:
    for folder, _folders, names in os.walk(directory):
        for name in names:
            # SQLite removes its files when a store that nobody uses any more is closed.
            with contextlib.suppress(FileNotFoundError):
                yield Path(folder, name).read_bytes().decode("latin-1")


def text_of(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def assert_result(result: Result, module: str, *, check: bool = False) -> None:
    """A result is plain data with documented keys; a failure has a sentence, and a prediction is
    none.
    """
    assert json.loads(json.dumps(result)) == result
    documented = returned(module)
    assert set(result) <= {*documented, *COMMON}, set(result) - {*documented, *COMMON}
    for name, value in result.items():
        contains = documented.get(name, {}).get("contains")
        if not contains or not isinstance(value, list):
            continue
        for item in value:
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
        holdings = books(vendor)
        return cls(
            paid=frozenset(str(lease["port"]) for lease in holdings.paid),
            held={str(lease.port): lease.ends for lease in holdings.leases},
            resources={resource.uuid: resource.dial_at for resource in holdings.monopolies},
            resources_paid=holdings.monopolies_paid,
            whitelist=frozenset(vendor.whitelist),
        )


def _named(values: Iterable[Any]) -> set[str]:
    names = set()
    for value in values:
        if isinstance(value, dict):
            value = str(value.get("port") or value["uuid"])
        names.add(value)
    return names


def assert_true(result: Result, before: Books, vendor: Vendor, *, check: bool = False) -> None:
    """What a result claims is what the books show; where it says that it does not know, it claims
    no more than they do.

    Leases may have ended by themselves, and then count as neither kept nor released. What a call of
    an earlier run did late need not be claimed.
    """
    now = vendor.clock.now()
    after = Books.of(vendor)
    ended = {name for name, ends in before.held.items() if ends <= now}
    gone = before.held.keys() - after.held.keys() - ended
    changes = {
        "allocated": after.paid - before.paid,
        "applied": after.resources.keys() - before.resources.keys(),
        "released": gone | (before.resources.keys() - after.resources.keys()),
        "redialed": {
            name for name, at in before.resources.items() if after.resources.get(name, at) != at
        },
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
    is_known = IS_UNKNOWN not in result.get("msg", "")
    for name, claimed in claims.items():
        context = (name, claimed, changes[name], result.get("msg"))
        assert claimed <= changes[name] | ended, context
        if is_known:
            assert changes[name] - ended - vendor.late_changes <= claimed, context
    if not result.get("failed") and claims:
        assert result["changed"] is any(claims.values()), (result, changes)
