# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the site: what leads nowhere, or comes from elsewhere, is found."""

from __future__ import annotations

from pathlib import Path

import docsite
import pytest


def site(folder: Path, body: str, head: str = "") -> list[str]:
    (folder / "there.html").write_text('<html lang="en"><p id="here">x</p></html>', encoding="utf-8")
    page = f'<html lang="en"><head>{head}</head><body id="top">{body}</body></html>'
    (folder / "index.html").write_text(page, encoding="utf-8")
    return list(docsite.problems(folder))


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("gone.html", "does not exist"),
        ("there.html#gone", "has no such anchor"),
        ("#gone", "has no such anchor"),
        ("docs/", "does not exist"),
    ],
)
def test_links_that_lead_nowhere(tmp_path: Path, link: str, reason: str) -> None:
    (found,) = site(tmp_path, f'<a href="{link}">x</a>')
    assert found == f"index.html links to {link}, which {reason}"


@pytest.mark.parametrize(
    "head",
    [
        '<script src="https://cdn.example.com/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example.com/x.css">',
        '<img src="http://www.example.com/x.png">',
        '<img srcset="https://www.example.com/x.png 2x">',
    ],
)
def test_what_comes_from_elsewhere(tmp_path: Path, head: str) -> None:
    (found,) = site(tmp_path, "", head)
    assert found.startswith("index.html loads ")


@pytest.mark.parametrize(
    "rule", ["@import 'https://www.example.com/x.css';", "p {background: url(//www.example.com/x)}"]
)
def test_what_a_style_sheet_takes_from_elsewhere(tmp_path: Path, rule: str) -> None:
    (tmp_path / "x.css").write_text(rule, encoding="utf-8")
    (found,) = docsite.problems(tmp_path)
    assert found.startswith("x.css loads ")


def test_links_of_a_document_lead_into_the_site_or_to_the_repository() -> None:
    source = docsite.ROOT / "docs" / "zh-CN" / "quickstart.md"
    places = {docsite.ROOT / "docs" / "zh-CN" / "proxies.md": "proxies.md"}
    text = "[a](proxies.md#b) [c](../../SECURITY.md) [d](https://www.example.com)\n\n```\n[e](gone.md)\n```\n"
    assert docsite.rewrite(text, source, places) == (
        f"[a](proxies.md#b) [c]({docsite.repository()}/SECURITY.md) [d](https://www.example.com)\n\n"
        "```\n[e](gone.md)\n```\n"
    )
    with pytest.raises(FileNotFoundError, match=r"links to gone\.md"):
        docsite.rewrite("[a](gone.md)", source, places)


def test_what_a_picture_takes_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "x.svg").write_text('<svg><image href="https://www.example.com/x.png"/></svg>', encoding="utf-8")
    assert list(docsite.problems(tmp_path)) == ["x.svg loads https://www.example.com/x.png"]


def test_modules_are_linked_in_prose_alone() -> None:
    text = "# `qg_whitelist`\n\n`qg_whitelist`\n\n```yaml\n`qg_whitelist`\n```\n"
    linked = "# `qg_whitelist`\n\n[`qg_whitelist`](english:qg_whitelist_module.html)\n\n```yaml\n`qg_whitelist`\n```\n"
    assert docsite.link_modules(text) == linked
