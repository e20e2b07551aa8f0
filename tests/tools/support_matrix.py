# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests on one ansible-core and note what was run; make the table of the READMEs of these notes.

usage: support_matrix.py run CORE [ARGUMENT ...]   run the tests of a core, and note it in .cache/matrix; or a part of
                                                   them, by arguments of pytest, and note nothing
       support_matrix.py write                     make docs/support_matrix.json of the notes, and the tables of it
       support_matrix.py render                    make the tables of docs/support_matrix.json again
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import workspace

ROOT = workspace.ROOT
NOTES = workspace.CACHE / "matrix"
RESULT = ROOT / "docs" / "support_matrix.json"
LOCKS = ROOT / "tests" / "requirements" / "locks"
PARTS = ("unit", "integration")
BEGIN = "<!-- support matrix: begin; made by make matrix -->"
END = "<!-- support matrix: end -->"
ALL_TESTS = ("tests/unit", "tests/integration")
#: What depends on ansible-core. The newest and the oldest core, and thus Python, run the rest as well.
TESTS_OF_CORE = ("-m", "not newest_core", "tests/unit/plugins", "tests/unit/eda", "tests/integration")
#: These look at what only comes of the whole run.
AFTERWARDS = (
    "tests/unit/test_repository.py::test_the_support_table_is_made_of_what_was_run",
    "tests/unit/test_repository.py::test_what_was_run_is_of_supported_cores",
)
#: Of each README, the head of the table, and the words of its cells.
WORDS = {
    "README.md": (
        ("ansible-core", "Python", "unit tests", "integration tests"),
        {"passed": "{} passed", "skipped": ", {} skipped", "failed": ", **{} failed**"},
    ),
    "README.zh-CN.md": (
        ("ansible-core", "Python", "单元测试", "集成测试"),
        {
            "passed": "{} 个通过",
            "skipped": "\N{FULLWIDTH COMMA}{} 个跳过",
            "failed": "\N{FULLWIDTH COMMA}**{} 个失败**",
        },
    ),
}


def pinned() -> list[str]:
    """Return the releases of ansible-core that are tested, oldest first."""
    found = []
    for path in LOCKS.glob("core-*.txt"):
        found += re.findall(r"^ansible-core==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return sorted(found, key=lambda version: [int(part) for part in re.findall(r"\d+", version)])


def read_report(report: Path) -> dict[str, dict[str, int]]:
    """Count what pytest reports: passed, failed and skipped tests of each part."""
    counts: dict[str, Counter[str]] = {part: Counter() for part in PARTS}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        tags = {child.tag for child in case}
        outcome = "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"
        counts[case.get("classname", "").split(".")[1]][outcome] += 1
    return {part: {outcome: counts[part][outcome] for outcome in ("passed", "skipped", "failed")} for part in PARTS}


def plugins_tree() -> str | None:
    """Return what Git calls the present state of plugins/; None if it is not committed."""
    commands = (["git", "status", "--porcelain", "--", "plugins"], ["git", "rev-parse", "HEAD:plugins"])
    changes, tree = (
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        for command in commands
    )
    return None if changes else tree


def untested(tree: str) -> list[str]:
    """Return the releases of ansible-core on which this state of plugins/ has not passed all tests."""
    passed = {
        entry["core"]
        for entry in load()["cores"]
        if entry.get("plugins") == tree and all(entry[part]["passed"] and not entry[part]["failed"] for part in PARTS)
    }
    return [core for core in pinned() if core not in passed]


def run(core: str, arguments: Sequence[str]) -> int:
    """Run the tests with this Python's ansible-core, note the result unless a part was chosen; return the exit code."""
    NOTES.mkdir(parents=True, exist_ok=True)
    report = NOTES / f"{core}.xml"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", f"--basetemp={NOTES / f'temporary-{core}'}", f"--junit-xml={report}"]
    command += ["--instafail", *workspace.PYTEST_WORKERS, *(f"--deselect={name}" for name in AFTERWARDS)]
    command += arguments or (ALL_TESTS if core in ("newest", "oldest") else TESTS_OF_CORE)
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if report.exists() and not arguments:
        version = importlib.metadata.version("ansible-core")
        noted = {"core": version, "python": platform.python_version(), "plugins": plugins_tree(), **read_report(report)}
        (NOTES / f"{core}.json").write_text(json.dumps(noted), encoding="utf-8")
        print(f"matrix: {noted}")
    return code


def cell(reported: dict[str, int], words: dict[str, str]) -> str:
    shown = [name for name in words if reported[name] or name == "passed"]
    return "".join(words[name].format(reported[name]) for name in shown)


def table(result: dict[str, Any], readme: str) -> str:
    head, words = WORDS[readme]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for entry in result["cores"]:
        parts = [cell(entry[part], words) for part in PARTS]
        lines.append(f"| {' | '.join([entry['core'], entry['python'], *parts])} |")
    return "\n".join(lines)


def replaced(text: str, made: str) -> str:
    before, begin, rest = text.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the marks of the table are missing")
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"


def load() -> dict[str, Any]:
    result: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return result


def render() -> int:
    result = load()
    for name in WORDS:
        path = ROOT / name
        path.write_text(replaced(path.read_text(encoding="utf-8"), table(result, name)), encoding="utf-8")
    return 0


def write() -> int:
    noted = [json.loads(path.read_text(encoding="utf-8")) for path in NOTES.glob("*.json")]
    by_core = {entry["core"]: entry for entry in noted}
    missing = [core for core in pinned() if core not in by_core]
    if missing:
        print(f"matrix: nothing was run on ansible-core {', '.join(missing)}", file=sys.stderr)
        return 1
    result = {"cores": [by_core[core] for core in pinned()]}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    render()
    failed = [entry["core"] for entry in result["cores"] if any(entry[part]["failed"] for part in PARTS)]
    print(f"matrix: {len(result['cores'])} releases of ansible-core; failures on: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["run"]:
        return run(arguments[1], arguments[2:])
    if arguments == ["write"]:
        return write()
    return render()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
