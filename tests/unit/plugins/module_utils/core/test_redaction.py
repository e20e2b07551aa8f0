# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets are found in any spelling, at any place of a result, and nothing else is changed."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core import redaction
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.redaction import MASK, Redactor, unescaped
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.spellings import SIGNS, Spelled, secrets, spelled

KEY = "QGDEMO01"
HEX_OF_PERCENT = quote("a;b c;=").encode().hex()
LATE_SEMICOLON = "%30%30%30%30%30%30%39%25%33%42%26%6c%74%25%33%42%25%33%44"
PWD = "p+w/S3CR&T %<\u00fc>\"'\\x\U0001f511end"

QUIET = st.text("mnop ,:", max_size=8)


@st.composite
def results(draw: st.DrawFn) -> tuple[Spelled, Any]:
    """A secret in up to three encodings, and a result that holds it once, as a name or a value, at any depth."""
    case = draw(spelled(3))
    text = f"{draw(QUIET)}{case.text}{draw(QUIET)}"
    value: Any = draw(st.sampled_from([text, {f"N{text}": 1}, [text], {"N": [text]}]))
    for layer in draw(st.lists(st.sampled_from(["list", "dict", "vendor"]), max_size=4)):
        value = [draw(QUIET), value, 7] if layer == "list" else {"other": None, layer: value}
    return case, {"vendor": value}


def plain(secret: str, text: str) -> Spelled:
    return Spelled(secret, (), text)


@given(results())
@example((plain("a%41b c&", "a%2541b%20c%26"), {"x": "a%2541b%20c%26"}))
@example((plain("\\x00ff", "\\\\x00ff"), {"x": "\\\\x00ff"}))
@example((plain("a;b c;=", HEX_OF_PERCENT), {"x": f"m{HEX_OF_PERCENT}m"}))
# The semicolon of the entity is encoded once more than the rest.
@example((plain("0000009;<=", LATE_SEMICOLON), {"x": LATE_SEMICOLON}))
@settings(max_examples=300, deadline=None)
def test_a_secret_is_found_in_every_spelling_and_at_every_place(case: tuple[Spelled, Any]) -> None:
    spelling, result = case
    cleaned = repr(Redactor([spelling.secret]).tree(result))
    assert MASK in cleaned or redaction.MASKED_VALUE in cleaned
    for form in (spelling.text, spelling.secret):
        assert repr(form)[1:-1] not in cleaned


@given(secrets, st.booleans(), st.lists(st.binary(min_size=6, max_size=30), max_size=9))
def test_an_encoded_key_in_utf_16_is_found_in_base64_among_other_words(
    key: str, little_endian: bool, others: list[bytes]
) -> None:
    escaped = quote(key, safe="").replace("%", "%25").encode("utf-16-le" if little_endian else "utf-16-be")
    words = [base64.b64encode(data).decode() for data in (escaped, *others)]
    cleaned = Redactor([key]).tree({"vendor": words})["vendor"]
    assert cleaned[0] != words[0]


@given(st.text(SIGNS, min_size=6, max_size=14), st.binary(max_size=7), st.binary(max_size=7), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_secret_is_found_in_base64_at_every_offset(secret: str, before: bytes, after: bytes, url_safe: bool) -> None:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    text = encode(before + secret.encode() + after).decode()
    cleaned = Redactor([secret]).tree({"vendor": {"header": f"Basic {text}"}})["vendor"]["header"]
    assert MASK in cleaned
    assert text not in cleaned


@pytest.mark.parametrize(
    "text",
    [
        KEY.lower(),
        KEY.encode().hex(),
        f"key%3D{KEY[:3]}%25252545{KEY[4:]}",
        "".join(f"\\{ord(sign):03o}" for sign in KEY),
        f"<a href='?Key=&#81;{KEY[1:]}&amp;Pwd='>",
        f"<a href='?Key=&amp;amp;#81;{KEY[1:]}'>",
    ],
)
def test_other_spellings_of_the_key(text: str) -> None:
    cleaned = Redactor([KEY]).text(text)
    assert MASK in cleaned
    assert KEY.casefold() not in unescaped(cleaned).casefold()


def test_a_number_of_thousands_of_digits_is_decoded() -> None:
    text = "".join(f"&#{'0' * 5000}{ord(sign)};" for sign in KEY)
    assert Redactor([KEY]).text(f"before {text} after") == f"before {MASK} after"


@pytest.mark.parametrize("end", ["", "u12", "x"])
def test_a_long_text_of_backslashes_takes_no_longer_than_another_one(end: str) -> None:
    """In time that grows with the square of the length, this would take a quarter of an hour."""
    text = "\\" * 200_000 + end
    assert Redactor([KEY]).text(text) == text


@pytest.mark.parametrize(
    "part", ["a\\", "Q\\\\\\", "\\n\\", "%25", "%u00", "&amp", "=4", "a\n \\n", "Q\u200b", "QGDEMO0", "4f:", "TVRJ"]
)
def test_the_time_for_a_long_text_grows_with_its_length_alone(part: str) -> None:
    """In time that grows with the square of the length, each of them would take minutes."""
    assert Redactor([KEY, PWD]).text(part * 100_000)


def test_a_text_that_repeats_an_encoded_key_in_many_words_is_masked() -> None:
    words = " ".join(base64.b64encode(f"{number} {KEY}".encode()).decode() for number in range(2000))
    cleaned = Redactor([KEY]).text(words)
    assert MASK in cleaned
    assert not re.search("[A-Za-z0-9]{8}", cleaned)


def test_base64_with_indented_lines_is_masked_and_text_around_it_stays() -> None:
    encoded = base64.b64encode(f"user:{KEY}:ends".encode()).decode()
    lines = "\r\n    ".join(re.findall(".{1,9}", encoded))
    assert Redactor([KEY]).text(f"sent: {lines}. Try again later") == f"sent: {MASK}. Try again later"


def test_the_rest_of_a_text_stays_readable() -> None:
    redactor = Redactor([KEY, PWD])
    assert redactor.text(f"no such key: {KEY}!") == f"no such key: {MASK}!"
    assert redactor.text(f"GET /x?Key={KEY}&Pwd={quote(PWD, safe='')}&Num=1") == f"GET /x?Key={MASK}&Pwd={MASK}&Num=1"
    assert redactor.text("100% of 5 &amp; more \\n") == "100% of 5 &amp; more \\n"


def test_characters_that_an_encoding_lacks_are_not_mistaken_for_a_secret() -> None:
    # As a server answers that knows only Western European characters.
    for secret in (KEY, "\u9752\u679c\u7f51\u7edc\u4ee3\u7406", PWD):
        assert Redactor([secret]).text("not allowed: ????????") == "not allowed: ????????"
    partial = base64.b64encode("caf\u00e9-secret-\u9752".encode("latin-1", "replace")).decode()
    assert Redactor(["caf\u00e9-secret-\u9752"]).text(partial).startswith(MASK)


def test_names_of_the_collection_stay_and_those_of_the_vendor_do_not() -> None:
    result = {
        "server": "x",
        "changed": True,
        "vendor": {"server": 1, "a server": {"server": 2}},
        "idle": [{"server": 3}],
    }
    assert Redactor(["server"]).tree(result) == {
        "server": "x",
        "changed": True,
        "vendor": {MASK: 1, f"a {MASK}": {MASK: 2}},
        "idle": [{MASK: 3}],
    }


def test_names_that_become_the_same_are_all_kept() -> None:
    result = {"vendor": {KEY: 1, KEY.lower(): 2, MASK: 3, "k": 4}}
    assert sorted(Redactor([KEY]).tree(result)["vendor"].values()) == [1, 2, 3, 4]


def test_deeply_nested_values_are_masked_if_a_secret_is_possible() -> None:
    deep: Any = KEY
    for _level in range(3000):
        deep = [deep]
    assert KEY not in repr(Redactor([KEY]).tree({"vendor": deep, "msg": KEY}))


def test_blanks_around_a_secret_are_not_part_of_it() -> None:
    assert Redactor([f" {KEY}\n"]).tree([KEY, f"x{KEY}x"]) == [redaction.MASKED_VALUE, f"x{MASK}x"]


def test_a_result_without_secrets_is_the_same_object() -> None:
    result = {"msg": "fine", "ips": ["198.51.100.1"], "n": 1.5, "none": None}
    assert Redactor([KEY, PWD]).tree(result) is result
    assert Redactor([]).tree(result) is result


def test_spellings_that_never_end_are_masked_as_a_whole() -> None:
    text = KEY
    for _layer in range(12):
        text = (
            "".join(f"&#x{ord(sign):x};" for sign in quote(text, safe="&"))[: 10**6]
            if len(text) < 10**5
            else f"%26amp;{text}"
        )
    assert KEY not in unescaped(Redactor([KEY]).text(text))


def test_ten_thousand_addresses_cost_next_to_nothing() -> None:
    """The same order as to write them as JSON once, which Ansible does several times; measured against that."""
    ips = [f"198.18.{number // 250}.{number % 250}" for number in range(10_000)]
    result = {"whitelist": ips, "diff": {"before": "".join(f"{ip}\n" for ip in ips), "after": ""}, "api": {"calls": 2}}
    redactor = Redactor([KEY, PWD])

    def fastest(work: Callable[[], object]) -> float:
        times = []
        for _again in range(7):
            began = time.process_time()
            work()
            times.append(time.process_time() - began)
        return min(times)

    assert fastest(lambda: redactor.tree(result)) < 30 * fastest(lambda: json.dumps(result))


REGISTERS = f"""
from {redaction.__name__} import Redactor, core_secrets

Redactor(["mnemosyne-4711", ""], for_one_call=["5f4dcc3b5aa765d61d8327deb882cf99"])
if core_secrets:
    print(core_secrets.mask_secrets("mnemosyne-4711 5f4dcc3b5aa765d61d8327deb882cf99", mask_placeholder="(masked)"))
"""


def test_secrets_are_registered_with_a_core_that_masks_them() -> None:
    """In a process of its own, whose other texts may be masked."""
    collections = str(Path(redaction.__file__).parents[6])
    paths = os.pathsep.join((collections, os.environ.get("PYTHONPATH", "")))
    command = [sys.executable, "-c", REGISTERS]
    shown = subprocess.check_output(command, env=os.environ | {"PYTHONPATH": paths}, text=True)
    masks = importlib.util.find_spec("ansible.module_utils.secrets")
    assert shown == ("(masked) 5f4dcc3b5aa765d61d8327deb882cf99\n" if masks else "")
