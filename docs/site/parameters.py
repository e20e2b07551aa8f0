# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of options in the pages of the reference.

antsibull-docs sorts the options by name, so those of the connection, such as api_url, stand before those that a page is
about. Here the own options of a module or plugin come first, in the order of its documentation, and the variables of a
role in the order of its argument specification.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import workspace
import yaml

PLUGINS, ROLES = workspace.ROOT / "plugins", workspace.ROOT / "roles"
#: The fragments with options of the connection, which every page has.
CONNECTION = ("proxy_api", "account_api", "product", "transport", "state_dir")
#: The begin of a row for an option, with its name; a slash follows the name of an option with suboptions.
_ROW = re.compile(r'^  \* - \.\. raw:: html\n\n.*\n +<div [^>]* id="parameter-(?:[\w.]+--)?(\w+)(/?)', re.MULTILINE)


def documented(path: Path) -> list[str]:
    """Return the options that a file documents itself, in its order."""
    found: dict[str, Any] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            text = yaml.safe_load(node.value.value) if "options:" in node.value.value else None
            found |= (text.get("options") or {}) if isinstance(text, dict) else {}
    return list(found)


def order_of(page: str) -> tuple[list[str], list[str]]:
    """Return the options that come first in a page, in order, and those that come last."""
    name, _underscore, kind = page.rpartition("_")
    if kind == "role":
        specification = yaml.safe_load((ROLES / name / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
        (entry,) = specification["argument_specs"].values()
        return list(entry["options"]), []
    last = [option for fragment in CONNECTION for option in documented(PLUGINS / "doc_fragments" / f"{fragment}.py")]
    own = documented(PLUGINS / ("modules" if kind == "module" else kind) / f"{name}.py")
    return [option for option in own if option not in last], last


def arranged(text: str, first: list[str], last: list[str]) -> str:
    """Return a page with the options in their order. Suboptions stay behind the option that they belong to."""
    rows = list(_ROW.finditer(text))
    if not rows:
        return text
    after = re.compile(r"^\S", re.MULTILINE).search(text, rows[-1].end())
    end = after.start() if after else len(text)
    blocks: list[tuple[str, str]] = []
    for row, stop in zip(rows, [*(each.start() for each in rows[1:]), end], strict=True):
        if row[2]:
            blocks[-1] = (blocks[-1][0], blocks[-1][1] + text[row.start() : stop])
        else:
            blocks.append((row[1], text[row.start() : stop].rstrip("\n") + "\n\n"))

    # An option of another fragment, such as that of the terms of leases, belongs to the subject of the page.
    ranks = {name: rank for rank, name in enumerate([*first, None, *last])}
    blocks.sort(key=lambda block: ranks.get(block[0], ranks[None]))
    return text[: rows[0].start()] + "".join(block for _name, block in blocks) + "\n" + text[end:]


def arrange(source: Path) -> None:
    """Arrange the options of every page of the reference."""
    for path in source.glob("*_*.rst"):
        if re.search(r"_(?:filter|inventory|lookup|module|role)$", path.stem):
            text = path.read_text(encoding="utf-8")
            path.write_text(arranged(text, *order_of(path.stem)), encoding="utf-8")
