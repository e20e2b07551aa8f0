# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the diagrams of the landing page and of the guides in each language, from docs/site/diagrams/*.dot and *.yml.

usage: python docs/site/diagram.py

It needs Graphviz. The drawings are committed, so that the site is built without it; each says from what it was drawn.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from html import escape
from pathlib import Path

import workspace
import yaml

FOLDER = workspace.ROOT / "docs" / "site" / "diagrams"
#: The drawings of guides, which the archive has as well.
DRAWINGS = workspace.ROOT / "docs" / "diagrams"
LANGUAGES = ("en", "zh-CN")
#: The diagram that is part of a page, whose style sheet gives the colours. The others are images.
LANDING = "landing"
#: What the diagrams of guides have in common: white, so that they are legible on a dark page as well.
STYLE = """
  graph [bgcolor="white", pad="0.2", ranksep="0.4", nodesep="0.35"]
  node [shape="box", style="rounded,filled", fillcolor="#f4f6fa", color="#5b6b86", fontname="DejaVu Sans",
    fontsize="11", margin="0.16,0.1"]
  edge [fontname="DejaVu Sans", fontsize="10", color="#5b6b86", arrowsize="0.7"]
"""
#: Attributes that would overrule the style sheet of the site, or that only Graphviz uses.
_PAINT = re.compile(r' (?:fill|stroke|font-family|id|width|height|xmlns:xlink)="[^"]*"')
_FONT = re.compile(r'font-family="[^"]*"')
_NOISE = re.compile(r"<!--.*?-->\s*|<\?xml.*?\?>\s*|<!DOCTYPE.*?>\s*|<title>.*?</title>\s*", re.DOTALL)
_WORD = re.compile(r"\{(\w+)\}")


def names() -> list[str]:
    """Return the names of the diagrams."""
    return sorted(path.stem for path in FOLDER.glob("*.dot"))


def drawing_of(name: str, language: str) -> Path:
    """Return the file of a drawing."""
    return (FOLDER if name == LANDING else DRAWINGS) / f"{name}.{language}.svg"


def words(name: str, language: str) -> dict[str, str]:
    """Return the words of a diagram in one language."""
    found: dict[str, str] = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))[language]
    return found


def source(name: str, language: str) -> str:
    """Return a diagram in the language of Graphviz, with the words of one language."""
    known = words(name, language) | {"style": STYLE}
    graph = (FOLDER / f"{name}.dot").read_text(encoding="utf-8")
    # A line break in a word is one in the label.
    return _WORD.sub(
        lambda match: known[match[1]] if match[1] == "style" else escape(known[match[1]].strip()).replace("\n", "\\n"),
        graph,
    )


def title(name: str, language: str) -> str:
    """Return what a diagram shows, for those who do not see it."""
    return words(name, language)["title"].strip()


def digest(name: str, language: str) -> str:
    """Return what names the source of a drawing."""
    return hashlib.sha256(f"{title(name, language)}\n{source(name, language)}".encode()).hexdigest()


def clean(drawing: str, name: str, language: str) -> str:
    """Return what Graphviz has drawn: a part of a page, or an image by itself."""
    body = _NOISE.sub("", drawing).strip()
    body = _PAINT.sub("", body) if name == LANDING else _FONT.sub('font-family="sans-serif"', body)
    label = escape(title(name, language))
    head = f'<svg class="diagram" role="img" aria-label="{label}" data-source="{digest(name, language)}"'
    licence = (
        f"<!--\nCopyright (c) 2026 The qingguo.qgnet authors\n{'SPDX'}-License-Identifier: GPL-3.0-or-later\n"
        "Drawn by docs/site/diagram.py\n-->\n"
    )
    return f"{licence}{body.replace('<svg', head, 1)}\n"


def main() -> int:
    """Draw, and return the exit code."""
    for name in names():
        for language in LANGUAGES:
            command = ["dot", "-Tsvg"]
            graph = source(name, language)
            drawn = subprocess.run(command, input=graph, capture_output=True, text=True, check=True).stdout
            path = drawing_of(name, language)
            path.write_text(clean(drawn, name, language), encoding="utf-8")
            print(f"diagram: {path.relative_to(workspace.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
