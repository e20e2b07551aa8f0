# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plugins by their names, and what their documentation says."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from ansible import constants
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Operation, Spec

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = "ansible_collections.qingguo.qgnet.plugins"


def plugin_names(kind: str) -> list[str]:
    """The names of the plugins (or modules) of a kind."""
    return sorted(
        path.stem
        for path in (ROOT / "plugins" / kind).glob("*.py")
        if not path.stem.startswith("_")
    )


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
    """A plugin as ansible-core's loader leaves it: known by its name, by which its options are
    configured.
    """
    constants.config.initialize_plugin_configuration_definitions(kind, name, documented)
    # The loader sets these two, and has no public way to set them.
    loaded._load_name = name
    loaded._redirected_names = []
    return loaded


def lookup_of(module: ModuleType, templar: Any = None) -> tuple[Any, set[str]]:
    """A lookup of the collection as Ansible makes it, and the names of the options that are
    documented.
    """
    documented = with_fragments(yaml.safe_load(module.DOCUMENTATION))
    # Ansible hands the terms over by themselves.
    del documented["_terms"]
    name = f"qingguo.qgnet.{module.__name__.rpartition('.')[2]}"
    return configured("lookup", module.LookupModule(templar=templar), name, documented), set(
        documented
    )


def with_fragments(documentation: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a plugin's documentation, with those of its fragments."""
    options: dict[str, Any] = dict(documentation.get("options", {}))
    for fragment in documentation.get("extends_documentation_fragment", []):
        own = fragment.startswith("qingguo.qgnet.")
        name, _dot, part = fragment.removeprefix("qingguo.qgnet.").partition(".")
        place = f"{PLUGINS}.doc_fragments" if own else "ansible.plugins.doc_fragments"
        source = importlib.import_module(f"{place}.{name}").ModuleDocFragment
        added = yaml.safe_load(getattr(source, part.upper() or "DOCUMENTATION"))
        for option, fields in added.get("options", {}).items():
            options[option] = {**fields, **options.get(option, {})}
    return options


def role_options(role: str) -> dict[str, Any]:
    """The documented options of a role."""
    text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    options: dict[str, Any] = yaml.safe_load(text)["argument_specs"]["main.yml"]["options"]
    return options


def returned_values(module: str) -> dict[str, Any]:
    """What a module's documentation says that it returns."""
    values: dict[str, Any] = yaml.safe_load(plugin("modules", module).RETURN)
    return values
