# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Join the coverage data of the unit and integration tests, show what is left out, and fail below the wanted share.

usage: coverage_gate.py DIRECTORY
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WANTED = 95.0
PARTS = ("unit", "integration")


def code() -> set[str]:
    """Return the files that have to be in the report."""
    found = {str(path.relative_to(ROOT)) for path in (ROOT / "plugins").rglob("*.py")}
    return {name for name in found if not name.startswith("plugins/doc_fragments/")}


def main(directory: Path) -> int:
    """Return the exit code."""
    os.environ["COVERAGE_FILE"] = str(directory / "combined")
    files: list[str] = []
    for part in PARTS:
        # a process that was killed while it wrote leaves an empty file
        found = sorted(str(path) for path in directory.glob(f"{part}.data*") if path.stat().st_size)
        if not found:
            print(f"coverage: no data of the {part} tests; run: make {part}", file=sys.stderr)
            return 1
        files += found
    tool = [sys.executable, "-m", "coverage"]
    subprocess.run([*tool, "combine", "--quiet", "--keep", *files], cwd=ROOT, check=True)
    subprocess.run([*tool, "report"], cwd=ROOT, check=True)
    report = directory / "coverage.json"
    subprocess.run([*tool, "json", "--quiet", "-o", str(report)], cwd=ROOT, check=True)
    found = json.loads(report.read_text(encoding="utf-8"))
    totals = found["totals"]
    lines = 100.0 * totals["covered_lines"] / totals["num_statements"]
    branches = 100.0 * totals["covered_branches"] / totals["num_branches"]
    print(
        f"coverage: {branches:.1f} % of the branches and {lines:.1f} % of the lines of plugins/; wanted: {WANTED:.0f} %"
    )
    for name in sorted(code() - set(found["files"])):
        print(f"coverage: no test has loaded {name}", file=sys.stderr)
        lines = 0.0
    return 0 if min(lines, branches) >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
