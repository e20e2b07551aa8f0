# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of plugins/: what each folder may import, as CONTRIBUTING.md draws it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "plugins" / "module_utils"
PACKAGE = "ansible_collections.qingguo.qgnet.plugins.module_utils"
DOMAINS = {"_whitelist", "_leases", "_monopolies", "_egress", "_cloud", "_ledger", "_watch", "_tunnels", "_doctor"}
SHARED = {"_core", "_store", "_api", "_task", "_reconcile"}
#: What the files of a folder may import beside their own folder: folders, or single files.
MAY_IMPORT = {
    "_core": set(),
    "_store": {"_core"},
    "_api": {"_core", "_store"},
    "_reconcile": {"_core", "_api", "_store"},
    "_task": {"_core", "_store", "_api"},
    **dict.fromkeys(DOMAINS, SHARED),
}
#: Decisions without input or output.
PURE = {
    "_whitelist/plan",
    "_leases/plan",
    "_monopolies/matching",
    "_reconcile/view",
    "_store/journal_rows",
    "_watch/events",
}
PURE_MAY_IMPORT = {
    "_core",
    # For the states and marks of its rows, and the lag of lists.
    "_store/journal_rows",
    "_api/areas",
    "_api/parsing",
    "_api/classic/errors",
    "_api/leases",
    "_api/classic/models",
    "_api/account/models",
    "_api/account/records",
}
MAX_LINES_OF_A_FILE = 400
MAX_LINES_OF_A_CLASS = 200
FILES = sorted({str(path.relative_to(CLIENT).with_suffix("")) for path in CLIENT.rglob("*.py")})


def imported_files(path: Path) -> set[str]:
    """Return the files of the client that a file imports, however it writes that; not those for type checks alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    skipped = {id(inner) for check in checks for inner in ast.walk(check)}
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom) or id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            here = (f"{PACKAGE}.{'.'.join(path.relative_to(CLIENT).parts)}").split(".")[:-2] if node.level else []
            base = ".".join([*here[: len(here) - node.level + 1], *filter(None, [node.module])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        for name in names:
            place = name.removeprefix(f"{PACKAGE}.").replace(".", "/")
            if name.startswith(f"{PACKAGE}.") and (CLIENT / f"{place}.py").is_file():
                found.add(place)
    return found


def is_covered(name: str, allowed: set[str]) -> bool:
    return name in allowed or name.partition("/")[0] in allowed


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_client_keeps_to_its_layer(name: str) -> None:
    folder = name.partition("/")[0]
    imported = imported_files(CLIENT / f"{name}.py")
    assert {other for other in imported if not is_covered(other, {folder, *MAY_IMPORT[folder]})} == set()
    if name in PURE:
        assert {other for other in imported if not is_covered(other, PURE_MAY_IMPORT)} == set()


def test_every_import_is_seen() -> None:
    """A form of import that is not recognised would let everything pass."""
    assert imported_files(CLIENT / "_whitelist" / "operations.py") >= {"_whitelist/plan", "_task/options"}
    assert imported_files(CLIENT / "_store" / "interface.py") == {"_core/waiting"}
    assert imported_files(CLIENT / "_store" / "facts.py") == {"_store/interface"}


def test_sql_and_file_locks_are_in_the_store_alone() -> None:
    sql = re.compile(
        r"\b(SELECT .* FROM|INSERT INTO|DELETE FROM|UPDATE \w+ SET|CREATE TABLE)\b|\bimport (sqlite3|fcntl)\b"
    )
    outside = [name for name in FILES if sql.search((CLIENT / f"{name}.py").read_text(encoding="utf-8"))]
    # Announcements must not use the state, since a wait may be for it.
    assert [name for name in outside if not name.startswith("_store/")] == ["_task/announcements"]


def test_no_hash_is_used_that_a_system_in_fips_mode_lacks() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "plugins").rglob("*.py"))
    used = set(re.findall(r"hashlib\.(\w+(?:\(.*usedforsecurity=False)?)", text))
    # The signature of the account API is one of MD5 (vendor doc 250).
    assert {name.partition("(")[0] for name in used} == {"sha256", "md5"}
    assert "md5" not in used, "MD5 is refused there unless it is said to be used for no security"


def test_whatever_waits_lets_it_be_announced() -> None:
    sources = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in (ROOT / "plugins").rglob("*.py")}
    sleeping = [str(path) for path, text in sources.items() if re.search(r"\btime\.sleep\b", text)]
    assert sleeping == ["plugins/module_utils/_core/waiting.py"]
    locking = [line for text in sources.values() for line in text.splitlines() if "fcntl.flock(" in line]
    assert [line for line in locking if "LOCK_NB" not in line] == []


def test_one_file_reads_the_clocks_of_the_machine() -> None:
    """What reads the wall clock by itself compares times that a change of it moves apart."""
    sources = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in (ROOT / "plugins").rglob("*.py")}
    pattern = re.compile(r"\btime\.(time|monotonic|perf_counter|clock_gettime)\b")
    clocks = [str(path) for path, text in sources.items() if pattern.search(text)]
    # The program of shell.py runs on a host.
    assert sorted(clocks) == ["plugins/module_utils/_core/clock.py", "plugins/module_utils/_egress/shell.py"]
    dates = [str(path) for path, text in sources.items() if re.search(r"datetime\.(now|utcnow|today)\(", text)]
    assert dates == []


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_client_can_be_read_at_a_sitting(name: str) -> None:
    text = (CLIENT / f"{name}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES_OF_A_FILE
    classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    assert [c.name for c in classes if (c.end_lineno or 0) - c.lineno >= MAX_LINES_OF_A_CLASS] == []


def test_only_the_entry_point_of_modules_uses_ansible_module() -> None:
    texts = {name: (CLIENT / f"{name}.py").read_text(encoding="utf-8") for name in FILES}
    using = [name for name, text in texts.items() if "AnsibleModule" in re.sub(r'""".*?"""', "", text, flags=re.DOTALL)]
    assert using == ["_task/module"]


@pytest.mark.parametrize("kind", ["modules", "action", "inventory", "lookup", "filter", "plugin_utils"])
def test_a_plugin_leaves_calls_and_plans_to_the_operations(kind: str) -> None:
    for path in sorted((ROOT / "plugins" / kind).glob("*.py")):
        inner = {name for name in imported_files(path) if name.startswith(("_api/", "_reconcile/")) or name in PURE}
        # That the library is missing is a matter of each plugin, which says what to install.
        assert inner <= {"_api/deadline_session"}, path.name
