# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Combine the coverage data of the unit and integration tests, and fail below the wanted share.

usage: coverage_gate.py DIRECTORY

"coverage report --fail-under" adds lines and branches together, and does not know of files that no test has loaded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WANTED = 95.0


def main(directory: Path) -> int:
    os.environ["COVERAGE_FILE"] = str(directory / "combined")
    # A process that was killed while it wrote leaves an empty file.
    files = [str(path) for path in sorted(directory.glob("*.data*")) if path.stat().st_size]
    for part in ("unit", "integration"):
        if not any(Path(name).name.startswith(f"{part}.data") for name in files):
            print(f"coverage: no data of the {part} tests; run: make {part}", file=sys.stderr)
            return 1
    report = directory / "coverage.json"
    for arguments in (["combine", "--quiet", "--keep", *files], ["report"], ["json", "--quiet", "-o", str(report)]):
        subprocess.run([sys.executable, "-m", "coverage", *arguments], cwd=ROOT, check=True)
    found = json.loads(report.read_text(encoding="utf-8"))
    totals = found["totals"]
    lines = 100.0 * totals["covered_lines"] / totals["num_statements"]
    branches = 100.0 * totals["covered_branches"] / totals["num_branches"]
    print(f"coverage: {branches:.1f} % of the branches and {lines:.1f} % of the lines; wanted: {WANTED:.0f} %")
    code = {
        str(path.relative_to(ROOT)) for path in (ROOT / "plugins").rglob("*.py") if "doc_fragments" not in path.parts
    }
    for name in sorted(code - set(found["files"])):
        print(f"coverage: no test has loaded {name}", file=sys.stderr)
    return 0 if min(lines, branches) >= WANTED and code <= set(found["files"]) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
