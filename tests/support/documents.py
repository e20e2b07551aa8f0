# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What documents and plugins say, for tests that compare it: rows of tables, options, and their documentation."""

from __future__ import annotations

import functools
import importlib
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from ansible import constants
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Operation
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import Spec

ROOT = Path(__file__).resolve().parents[2]
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


def read(path: str | Path) -> str:
    """The text of a file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


def role_options() -> dict[str, Any]:
    """The variables of the role, as its argument spec declares them."""
    spec = yaml.safe_load(read("roles/egress_whitelist/meta/argument_specs.yml"))
    options: dict[str, Any] = spec["argument_specs"]["main.yml"]["options"]
    return options


def plugin_names(kind: str) -> list[str]:
    """The names of the plugins (or modules) of a kind."""
    return sorted(path.stem for path in (ROOT / "plugins" / kind).glob("*.py") if not path.stem.startswith("_"))


def plugin(kind: str, name: str) -> Any:
    """The file of a plugin (or module)."""
    return importlib.import_module(f"{PLUGINS}.{kind}.{name}")


def operation_of(module: str) -> Operation | None:
    """The operation that a module's action runs, if it runs one."""
    operation: Operation | None = getattr(plugin("action", module).ActionModule, "operation", None)
    return operation


def spec_of(module: str) -> Spec:
    """What a module's action validates its options with."""
    operation = operation_of(module)
    spec: Spec = operation.spec if operation else plugin("action", module).SPEC
    return spec


def configured(kind: str, loaded: Any, name: str, documented: Mapping[str, Any]) -> Any:
    """A plugin as ansible-core's loader leaves it: known by its name, by which its options are configured."""
    constants.config.initialize_plugin_configuration_definitions(kind, name, documented)
    # The loader sets these two, and has no public way to set them.
    loaded._load_name, loaded._redirected_names = name, []
    return loaded


def lookup_of(module: ModuleType, templar: Any = None) -> tuple[Any, set[str]]:
    """A lookup of the collection as Ansible makes it, and the names of the options that are documented."""
    documented = with_fragments(yaml.safe_load(module.DOCUMENTATION))
    # Ansible hands the terms over by themselves.
    del documented["_terms"]
    name = f"qingguo.qgnet.{module.__name__.rpartition('.')[2]}"
    return configured("lookup", module.LookupModule(templar=templar), name, documented), set(documented)


def with_fragments(documentation: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a plugin's documentation, with those of its fragments."""
    options: dict[str, Any] = dict(documentation.get("options", {}))
    for fragment in documentation.get("extends_documentation_fragment", []):
        own = fragment.startswith("qingguo.qgnet.")
        name, _dot, part = fragment.removeprefix("qingguo.qgnet.").partition(".")
        place = f"{PLUGINS}.doc_fragments" if own else "ansible.plugins.doc_fragments"
        source = importlib.import_module(f"{place}.{name}").ModuleDocFragment
        options = yaml.safe_load(getattr(source, part.upper() or "DOCUMENTATION")).get("options", {}) | options
    return options


@functools.cache
def documented_options(module: str) -> dict[str, Any]:
    """The options in a module's documentation, with those of its fragments."""
    return with_fragments(yaml.safe_load(plugin("modules", module).DOCUMENTATION))


def returned_values(module: str) -> dict[str, Any]:
    """What a module's documentation says that it returns."""
    values: dict[str, Any] = yaml.safe_load(plugin("modules", module).RETURN)
    return values
