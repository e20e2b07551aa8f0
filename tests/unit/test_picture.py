# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of the READMEs is there, fetches nothing, gives nothing away, and shows the output of the demo."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from demo.story import HEADING, STORY, cut

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "demo.svg"
DOCUMENTS = ["README.md", "README.zh-CN.md", "docs/docsite/rst/quickstart.rst", "docs/zh-CN/quickstart.md"]
SVG = "http://www.w3.org/2000/svg"
#: Those of RFC 5737, which belong to no host.
EXAMPLES = [ipaddress.ip_network(name) for name in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]
AGAIN = "run: make picture"


def source() -> str:
    assert PICTURE.is_file(), f"docs/demo.svg is missing; {AGAIN}"
    return PICTURE.read_text(encoding="utf-8")


def pieces() -> list[str]:
    """What the picture says, piece by piece: a piece ends where a line or a colour ends."""
    texts = ElementTree.fromstring(source()).iter(f"{{{SVG}}}text")
    return [(text.text or "").replace("\xa0", " ") for text in texts]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_documents_show_the_picture(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    assert re.search(r"(?:!\[[^\]]{20,}\]\(|\.\. figure:: )(?:(?:\.\./)*|https://\S+/raw/main/docs/)demo\.svg\b", text)


def test_the_picture_fetches_nothing() -> None:
    assert re.findall(r"\w+://[^\s\"'<>)]+", source()) == [SVG]
    assert re.findall(r"@import|@font-face|\b(?:href|src)\s*=|url\((?!#)", source()) == []


def test_the_picture_says_what_it_shows_to_those_who_do_not_see_it() -> None:
    root = ElementTree.fromstring(source())
    title = root.find(f"{{{SVG}}}title")
    assert title is not None
    assert title.text
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == title.get("id")


def test_each_heading_of_the_picture_is_one_of_the_demo() -> None:
    reported = re.findall(
        r'^ *heading "(.+)"$', (ROOT / "tests" / "demo" / "demo.sh").read_text(encoding="utf-8"), re.M
    )
    shown = [piece.removeprefix(HEADING) for piece in pieces() if piece.startswith(HEADING)]
    assert shown == list(STORY), f"the picture is older than its story; {AGAIN}"
    assert [heading for heading in reported if heading in STORY] == shown, f"demo.sh has other headings; {AGAIN}"


def test_the_picture_names_no_address_of_a_host_and_no_path() -> None:
    said = "\n".join(pieces())
    addresses = {ipaddress.ip_address(found) for found in re.findall(r"\d+\.\d+\.\d+\.\d+", said)}
    assert addresses
    assert [address for address in addresses if not any(address in network for network in EXAMPLES)] == []
    assert re.findall(r"(?:^|\s)[~/]\S*/", said) == []


def test_lines_that_are_left_out_leave_a_mark() -> None:
    lines = ["", "== A", "one", "", "two 1", "two 2", "two 3", "", "== B", "x", "", "== C", "end"]
    shown = cut(lines, {"A": {"two": 2}, "C": {"end": 1}})
    assert [number if number is None else lines[number] for number in shown] == [
        *("", "== A", None, "", "two 1", "two 2", None),
        *("", "== C", "end"),
    ]


def test_nothing_stands_in_for_a_line_that_is_no_longer_said() -> None:
    with pytest.raises(ValueError, match="no longer tells: A: three"):
        cut(["== A", "one"], {"A": {"one": 1, "three": 1}})
