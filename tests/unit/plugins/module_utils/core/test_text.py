# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text for users: no secret in any promised encoding, and the number of nouns."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import (
    clean,
    counted,
    quoted,
    sentence,
)


@pytest.mark.parametrize(
    ("number", "noun", "verb", "text"),
    [
        (1, "minute", "", "1 minute"),
        (1.0, "second", "", "1 second"),
        (0.5, "second", "", "0.5 seconds"),
        (0, "lease", "are", "0 leases are"),
        (1, "lease", "were", "1 lease was"),
        (2, "address", "have", "2 addresses have"),
    ],
)
def test_one_is_singular(number: float, noun: str, verb: str, text: str) -> None:
    assert counted(number, noun, verb) == text


KEY = "QGDEMO01"
PASSWORD = "p+w/S3CR&T %<\u00fc>\"'\\x\U0001f511end"
SECRETS = [KEY, PASSWORD]


def encodings(secret: str) -> dict[str, str]:
    return {
        "plain": secret,
        "percent": quote(secret, safe=""),
        "percent in lower case": re.sub("%..", lambda escape: escape[0].lower(), quote(secret)),
        "form": quote_plus(secret),
        "html": html.escape(secret),
        "json": json.dumps(secret)[1:-1],
        **{
            f"base64 after {before!r}": base64.b64encode(f"{before}{secret}:x".encode()).decode()
            for before in ("", "a", "ab", "user:")
        },
    }


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("encoding", encodings(KEY))
def test_a_secret_is_removed_from_values_names_and_sentences(secret: str, encoding: str) -> None:
    written = encodings(secret)[encoding]
    result = clean(
        {"msg": f"no {written}!", "vendor": [{f"n{written}": [f"<{written}>"]}]}, SECRETS
    )
    assert written not in json.dumps(result, ensure_ascii=False)
    assert "********" in result["msg"]
    assert (
        result["vendor"][0] == {name: ["<********>"] for name in result["vendor"][0]}
        or "base64" in encoding
    )
    assert written not in sentence(f"refused: {written}.", SECRETS)


def test_a_sentence_of_a_server_stays_readable() -> None:
    assert sentence(f"key {KEY} is unknown", SECRETS) == "key ******** is unknown"


def test_a_short_secret_leaves_each_sentence_readable() -> None:
    assert clean({"msg": "it is one", "vendor": ["i"]}, ["i", "one"]) == {
        "msg": "it is one",
        "vendor": ["i"],
    }


def test_names_of_the_collection_stay_and_those_of_the_vendor_do_not() -> None:
    result = {
        "server": "x",
        "changed": True,
        "vendor": {"a server": {"n": 2}},
        "idle": [{"serverS": 3}],
    }
    expected = {
        "server": "x",
        "changed": True,
        "vendor": {"a ********": {"n": 2}},
        "idle": [{"********S": 3}],
    }
    assert clean(result, ["server"]) == expected


def test_a_value_that_may_be_a_login_is_not_quoted() -> None:
    for text in ("http://me:hush@192.0.2.1", "me:hush", "a/b?Key=hush", "me@hush"):
        assert "hush" not in quoted(text)
    for text in ("350500", "198.51.100.7/24", "2001:db8::1", "host.example:80"):
        assert text in quoted(text)
