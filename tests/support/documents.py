# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What documents say, for tests that compare it: rows of tables, and the options of a plugin's documentation."""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import yaml
from ansible import constants

PLUGINS = "ansible_collections.qingguo.qgnet.plugins"
#: The cells of a row, by the headings of its table.
Rows = list[dict[str, str]]


def table_rows(text: str) -> Rows:
    """The rows of all list-tables."""
    found: Rows = []
    for body in re.findall(r"^\.\. list-table::\n   :header-rows: 1\n\n((?:   .*\n?)+)", text, re.MULTILINE):
        lines = re.sub(r"\n {7}(?! )", " ", body.rstrip("\n"))
        rows = [
            re.split(r"\n     -(?: |$)", row, flags=re.MULTILINE) for row in re.split(r"^   \* - ", lines, flags=re.M)
        ]
        head, *others = ([cell.strip() for cell in row] for row in rows[1:])
        found += [dict(zip(head, row, strict=True)) for row in others]
    return found


def markdown_rows(text: str) -> Rows:
    """The rows of all tables of a document in Markdown."""
    found: Rows = []
    for body in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        head, _line, *others = ([cell.strip() for cell in line[1:-1].split("|")] for line in body.splitlines())
        found += [dict(zip(head, row, strict=True)) for row in others]
    return found


def codes(cell: str) -> list[str]:
    """What is set in code."""
    return re.findall(r"``(.+?)``", cell)


def alike(text: str) -> str:
    """Text with the brackets and commas of English, and code marked as in Markdown."""
    return unicodedata.normalize("NFKC", text).replace("``", "`")


def running_text(text: str) -> str:
    """The same without its line breaks, for sentences."""
    return re.sub(r"\s+", " ", alike(text))


def lookup_of(plugin: ModuleType) -> tuple[Any, set[str]]:
    """A lookup of the collection as Ansible makes it, and the names of the options that are documented."""
    documented = with_fragments(yaml.safe_load(plugin.DOCUMENTATION))
    # Ansible hands the terms over by themselves.
    del documented["_terms"]
    name = f"qingguo.qgnet.{plugin.__name__.rpartition('.')[2]}"
    constants.config.initialize_plugin_configuration_definitions("lookup", name, documented)
    lookup = plugin.LookupModule()
    lookup._load_name = name
    return lookup, set(documented)


def with_fragments(documentation: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a plugin's documentation, with those of its fragments."""
    options: dict[str, Any] = dict(documentation.get("options", {}))
    for fragment in documentation.get("extends_documentation_fragment", []):
        own = fragment.startswith("qingguo.qgnet.")
        name, _dot, part = fragment.removeprefix("qingguo.qgnet.").partition(".")
        place = f"{PLUGINS}.doc_fragments" if own else "ansible.plugins.doc_fragments"
        source = importlib.import_module(f"{place}.{name}").ModuleDocFragment
        options |= yaml.safe_load(getattr(source, part.upper() or "DOCUMENTATION")).get("options", {})
    return options


def documented_options(module: str) -> dict[str, Any]:
    """The options in a module's documentation, with those of its fragments."""
    return with_fragments(yaml.safe_load(importlib.import_module(f"{PLUGINS}.modules.{module}").DOCUMENTATION))
