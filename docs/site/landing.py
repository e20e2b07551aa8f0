# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the landing page shows in each language: the diagram, and the chart of a run, made of docs/benchmarks.json."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import workspace
from benchmarks.figures import SHOWN_HOSTS, words_of
from benchmarks.report import WORDS

SETTINGS = workspace.ROOT / "docs" / "site"
WAYS = ("role", "curl", "uri", "uri_throttle")


def rows() -> list[Mapping[str, Any]]:
    """Return the figures of the chart, as they were measured."""
    results = json.loads((workspace.ROOT / "docs" / "benchmarks.json").read_text(encoding="utf-8"))
    found = {row["way"]: row for row in results["fleet"]["rows"] if row["hosts"] == SHOWN_HOSTS}
    if any(found[way]["computed"] for way in WAYS):
        raise ValueError(f"a figure for {SHOWN_HOSTS} hosts was not measured")
    return [found[way] for way in WAYS]


def bar_cell(share: float, words: str) -> str:
    """Return a cell with a bar, and what it stands for."""
    return f'<td><span class="bar" style="width: {share:.1%}"></span><span class="figure">{words}</span></td>'


def chart(language: str) -> str:
    """Return a table with bars for the time of a run, and for the hosts that it registered."""
    words = WORDS[language]
    longest = max(row["seconds"] for row in rows())
    heads = "".join(f'<th scope="col">{words[name]}</th>' for name in ("way", "seconds", "registered"))
    lines = [f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>"]
    for row in rows():
        name = re.sub(r"`(.+?)`", r"<code>\1</code>", escape(words[row["way"]], quote=False))
        time = bar_cell(row["seconds"] / longest, words_of(row["seconds"]))
        registered = bar_cell(row["registered"] / SHOWN_HOSTS, f"{row['registered']} / {SHOWN_HOSTS}")
        lines.append(f'<tr class="{row["way"]}"><th scope="row">{name}</th>{time}{registered}</tr>')
    return "\n".join(['<div class="chart">', *lines, "</tbody>\n</table>\n</div>\n"])


def write(template: str, language: str, navigation: str, target: Path) -> str:
    """Write what the page includes, and return its text."""
    target.mkdir(parents=True, exist_ok=True)
    (target / "diagram.html").write_text(
        (SETTINGS / "diagrams" / f"landing.{language}.svg").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (target / "chart.html").write_text(chart(language), encoding="utf-8")
    return template.replace("{hosts}", str(SHOWN_HOSTS)).replace("{navigation}", navigation)
