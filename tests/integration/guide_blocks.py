# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The READMEs and guides: where they are, and the blocks that a reader types, saves or compares."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENGLISH = ROOT / "docs/docsite/rst"
CHINESE = ROOT / "docs/zh-CN"
#: Documents that exist in both languages.
BOTH = {"README": (ROOT / "README.md", ROOT / "README.zh-CN.md")} | {
    path.stem: (path, CHINESE / f"{path.stem}.md") for path in sorted(ENGLISH.glob("*.rst"))
}
#: What a reader types is equal in both languages.
TYPED = ("shell", "yaml", "python", "go", "javascript")
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DIRECTIVE = re.compile(r"^\.\. code-block:: (\w+)\n\n((?:   .*\n|\n)+)", re.MULTILINE)
_FILE = re.compile(r"`([\w./-]+\.(?:ya?ml|py|go|mjs))`")


@dataclass(frozen=True)
class Block:
    """One block of a document, with the paragraph before it."""

    language: str
    text: str
    before: str

    @property
    def typed(self) -> tuple[str, str]:
        """What must not differ between the languages."""
        return self.language, self.text

    @property
    def file(self) -> str | None:
        """The file that the reader is told to save it as: the last one that the paragraph names."""
        names: list[str] = _FILE.findall(self.before)
        return names[-1] if names else None

    @property
    def is_for_another_terminal(self) -> bool:
        return "another terminal" in self.before


def document(guide: str) -> Path:
    """Return the document of a name; in English, if there is one."""
    return BOTH[guide][0] if guide in BOTH else CHINESE / f"{guide}.md"


def blocks(path: Path, *languages: str) -> list[Block]:
    """Return the blocks of a document, by default those that a reader types."""
    text = path.read_text(encoding="utf-8")
    is_rst = path.suffix == ".rst"
    pattern = _DIRECTIVE if is_rst else _FENCE
    result = []
    for match in pattern.finditer(text):
        if match[1] not in (languages or TYPED):
            continue
        body = re.sub("^   ", "", match[2], flags=re.MULTILINE) if is_rst else match[2]
        before = text[: match.start()].rstrip().rpartition("\n\n")[2]
        result.append(Block(match[1], body.strip() + "\n", before))
    return result


def block_after(guide: str, words: str, language: str) -> Block:
    """Return the first block of a language behind the one that has some words."""
    listed = blocks(document(guide), *TYPED, "text")
    start = next(number for number, block in enumerate(listed) if words in block.text)
    return next(block for block in listed[start + 1 :] if block.language == language)
