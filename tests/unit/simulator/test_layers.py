# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The import layers of the simulator."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

import pytest
from simulator.fixture import PROGRAM

#: What each package or module may import from the simulator, besides itself. A layer may import layers above it in this
#: table only. A module with a row of its own (``control.faults``) is not part of the row of its package.
LAYERS: dict[str, set[str]] = {
    "clock": set(),
    "network": set(),
    "validation": set(),
    "formats": set(),
    "rate_limits": {"clock"},
    "exchange": {"network"},
    "proxies": {"clock", "network", "validation"},
    # A lease has an exit address and a port.
    "keys": {"clock", "proxies", "rate_limits", "validation"},
    "classic": {"exchange", "formats", "keys", "rate_limits"},
    "product": {"exchange", "formats", "keys", "rate_limits"},
    "tunnels": {"clock", "exchange", "keys"},
    "account": {"clock", "exchange", "validation"},
    "routing": {"account", "classic", "product", "tunnels"},
    # The core applies faults and keeps the journal. The control calls, on top of the core, only show and change them.
    "control.journal": {"exchange"},
    "control.faults": {"routing", "validation"},
    "core": {
        *("account", "classic", "clock", "control.faults", "control.journal"),
        *("exchange", "keys", "network", "product", "rate_limits", "routing", "tunnels"),
    },
    "control": {
        *("account", "clock", "control.faults", "core", "exchange", "keys", "proxies", "routing", "validation"),
    },
    "server": {"clock", "control", "control.faults", "core", "exchange", "network", "product", "proxies", "routing"},
    "cli": {"account", "control", "core", "proxies", "server"},
    "__main__": {"cli"},
}
#: The modules that may import other packages than the standard library.
MAY_USE_LIBRARIES = {"proxies.echo", "proxies.forwarding", "control.api", "control.page", "control.same_origin"}
MODULES = {
    ".".join(path.relative_to(PROGRAM).with_suffix("").parts): path
    for path in sorted(PROGRAM.rglob("*.py"))
    # The fixture starts the program and is no part of it.
    if path.name not in ("__init__.py", "fixture.py")
}


def imported_names(module: str) -> Iterator[str]:
    """Yield the absolute names that a module imports, wherever the statement is."""
    package = ["simulator", *module.split(".")[:-1]]
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            yield from (".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names)


def layer_of(name: str) -> str:
    """Return the row of the table for a module or a name in it."""
    matching = [layer for layer in LAYERS if name == layer or name.startswith(f"{layer}.")]
    assert matching, f"{name} is in no row of the table"
    return max(matching, key=len)


def imported_layers(module: str) -> set[str]:
    """Return the other layers of the simulator that a module imports."""
    internal = [name.removeprefix("simulator.") for name in imported_names(module) if name.startswith("simulator.")]
    return {layer_of(name) for name in internal} - {layer_of(module)}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_the_layers_that_the_table_allows(module: str) -> None:
    assert imported_layers(module) <= LAYERS[layer_of(module)]


def test_the_table_allows_no_unused_import() -> None:
    used: dict[str, set[str]] = {layer: set() for layer in LAYERS}
    for module in MODULES:
        used[layer_of(module)] |= imported_layers(module)
    assert used == LAYERS


def test_a_layer_imports_only_layers_above_it_in_the_table() -> None:
    order = list(LAYERS)
    for layer, allowed in LAYERS.items():
        assert allowed <= set(order[: order.index(layer)]), layer


def test_the_apis_and_the_proxies_do_not_import_each_other() -> None:
    groups = ("classic", "product", "tunnels", "account", "proxies")
    assert [LAYERS[group] & set(groups) for group in groups] == [set()] * len(groups)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_nothing_of_the_collection_and_only_expected_libraries(module: str) -> None:
    packages = {name.partition(".")[0] for name in imported_names(module)} - {"simulator"}
    libraries = packages - sys.stdlib_module_names
    may_use = module in MAY_USE_LIBRARIES or layer_of(module) == "server"
    assert libraries <= ({"proxy", "starlette", "trustme", "uvicorn"} if may_use else set())
