# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The landing page shows the same in both languages: the diagram as it is described, examples, and measured figures."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import diagram
import landing
import pytest

import examples

PAGES = {"en": Path("docs/site/index.en.rst"), "zh-CN": Path("docs/site/index.zh-CN.md")}
AGAIN = "run: python docs/site/diagram.py (needs Graphviz)"


@pytest.mark.parametrize("language", diagram.LANGUAGES)
@pytest.mark.parametrize("name", diagram.names())
def test_a_diagram_is_drawn_from_its_source(name: str, language: str) -> None:
    drawing = ElementTree.parse(diagram.drawing_of(name, language)).getroot()
    assert drawing.get("data-source") == diagram.digest(name, language), AGAIN
    assert drawing.get("aria-label") == diagram.title(name, language)
    said = [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    labels = re.findall(r'label="([^"]+)"', diagram.source(name, language))
    lines = [unescape(line).strip(" ") for label in labels for line in label.split("\\n")]
    assert sorted(str(text).strip(" ") for text in said) == sorted(lines)


def test_the_chart_has_the_measured_figures_of_each_way() -> None:
    rows = {row["way"]: row for row in landing.rows()}
    assert list(rows) == list(landing.WAYS)
    for language in PAGES:
        chart = landing.chart(language)
        shown = re.findall(r'<span class="figure">(.+?)</span>', chart)
        assert shown[1::2] == [f"{row['registered']} / {landing.SHOWN_HOSTS}" for row in rows.values()]
        longest = max(rows.values(), key=lambda row: row["seconds"])["way"]
        assert re.search(
            rf'<tr class="{longest}">.*?<span class="bar" style="width: 100\.0%">', landing.chart(language)
        )


def test_both_languages_have_the_same_examples_of_at_most_six_lines() -> None:
    shown = {language: [one.text for one in examples.examples_of(path)] for language, path in PAGES.items()}
    assert shown["en"] == shown["zh-CN"]
    assert len(shown["en"]) == 5
    assert max(text.count("\n") for text in shown["en"]) <= 7


def test_both_languages_have_the_same_headings_and_cards() -> None:
    english, chinese = ((landing.workspace.ROOT / path).read_text(encoding="utf-8") for path in PAGES.values())
    assert len(re.findall(r"^-{3,}$", english, re.MULTILINE)) == len(re.findall(r"^## ", chinese, re.MULTILINE))
    for part in ("lead", "actions", "cards", "card", "terminal"):
        marked = re.findall(rf"^ *\.\. container:: {part}$", english, re.MULTILINE)
        assert len(marked) == len(re.findall(rf"^:+\{{container\}} {part}$", chinese, re.MULTILINE)) > 0
