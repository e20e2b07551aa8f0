# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the diagram of the landing page in each language, from docs/site/diagram.dot and diagram.yml.

usage: python docs/site/diagram.py

It needs Graphviz. The drawings are committed, so that the site is built without it; each says from what it was drawn.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from html import escape

import workspace
import yaml

FOLDER = workspace.ROOT / "docs" / "site"
LANGUAGES = ("en", "zh-CN")
#: Attributes that would overrule the style sheet of the site, or that only Graphviz uses.
_PAINT = re.compile(r' (?:fill|stroke|font-family|id|width|height|xmlns:xlink)="[^"]*"')
_NOISE = re.compile(r"<!--.*?-->\s*|<\?xml.*?\?>\s*|<!DOCTYPE.*?>\s*|<title>.*?</title>\s*", re.DOTALL)
_WORD = re.compile(r"\{(\w+)\}")


def source(language: str) -> str:
    """Return the diagram in the language of Graphviz, with the words of one language."""
    words = yaml.safe_load((FOLDER / "diagram.yml").read_text(encoding="utf-8"))[language]
    graph = (FOLDER / "diagram.dot").read_text(encoding="utf-8")
    return _WORD.sub(lambda match: escape(words[match[1]]), graph)


def title(language: str) -> str:
    """Return what the diagram shows, for those who do not see it."""
    return str(yaml.safe_load((FOLDER / "diagram.yml").read_text(encoding="utf-8"))[language]["title"]).strip()


def digest(language: str) -> str:
    """Return what names the source of a drawing."""
    return hashlib.sha256(f"{title(language)}\n{source(language)}".encode()).hexdigest()


def clean(drawing: str, language: str) -> str:
    """Return what Graphviz has drawn, as a part of a page whose style sheet gives the colours."""
    body = _PAINT.sub("", _NOISE.sub("", drawing)).strip()
    head = f'<svg class="diagram" role="img" aria-label="{escape(title(language))}" data-source="{digest(language)}"'
    licence = (
        f"<!--\nCopyright (c) 2026 The qingguo.qgnet authors\n{'SPDX'}-License-Identifier: GPL-3.0-or-later\n"
        "Drawn by docs/site/diagram.py\n-->\n"
    )
    return f"{licence}{body.replace('<svg', head, 1)}\n"


def main() -> int:
    """Draw, and return the exit code."""
    for language in LANGUAGES:
        command = ["dot", "-Tsvg"]
        drawn = subprocess.run(command, input=source(language), capture_output=True, text=True, check=True).stdout
        path = FOLDER / f"diagram.{language}.svg"
        path.write_text(clean(drawn, language), encoding="utf-8")
        print(f"diagram: {path.relative_to(workspace.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
