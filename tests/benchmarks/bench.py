# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role beside what people write without it, in one run on one machine, over HTTP and the vendor's real limits.

"make bench" runs all of it (less than 25 minutes on two quiet cores) and writes docs/benchmarks.json, the tables of
both guides, and docs/benchmarks.svg. A run of a part or of other sizes only shows its tables, unless --write is given.
The other measurements of tests/benchmarks/README.md have arguments of their own: "fleet", "gateway", "gateway_fleet",
"jobs", "proxy_check", "revisions" and "stores".
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import workspace
from benchmarks import fleet, gateway, gateway_fleet, jobs, proxy_check, revisions, stores
from benchmarks.chart import chart
from benchmarks.parts import PARTS, Sizes, say
from benchmarks.report import Table, names, plain, replaced, tables
from benchmarks.stage import Broken

ROOT = workspace.ROOT
RESULTS = ROOT / "docs" / "benchmarks.json"
CHART = ROOT / "docs" / "benchmarks.svg"
GUIDES = {
    "en": ROOT / "docs" / "docsite" / "rst" / "benchmarks.rst",
    "zh-CN": ROOT / "docs" / "zh-CN" / "benchmarks.md",
}
#: Measurements of their own, for tests/benchmarks/README.md.
OTHERS: Mapping[str, Callable[[Sequence[str]], None]] = {
    "fleet": fleet.main,
    "gateway": gateway.main,
    "gateway_fleet": gateway_fleet.main,
    "jobs": jobs.main,
    "proxy_check": proxy_check.main,
    "revisions": revisions.main,
    "stores": stores.main,
}
#: Takes five minutes by itself, so it is run when it is asked for.
LONG = "paced"


def processor() -> str:
    """What Linux calls the processor."""
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return " ".join(found[1].split()) if found else platform.machine()


def machine() -> str:
    """The machine, in a few words."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, ValueError, KeyError):
        memory, system = 0.0, platform.system()
    return f"{os.cpu_count()} x {processor()}, {memory:.0f} GiB, {system}"


def versions() -> dict[str, str]:
    """What was measured."""
    found = {"qingguo.qgnet": workspace.version(), "Python": platform.python_version()}
    return found | {name: importlib.metadata.version(name) for name in ("ansible-core", "requests")}


def measure(wanted: Sequence[str], sizes: Sizes, keep: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Run the parts; each is kept as soon as it is done, lest a later one that fails take it along."""
    results: dict[str, Any] = {"machine": machine(), "versions": versions()}
    for name in wanted:
        start = time.monotonic()
        results[name] = {"date": time.strftime("%Y-%m-%d"), "rows": PARTS[name](sizes)}
        say(f"the part {name} took {time.monotonic() - start:.0f} seconds")
        keep(results)
    return results


def load() -> dict[str, Any]:
    """The results that the documents have."""
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return found


def note(results: Mapping[str, Any]) -> str:
    """What the chart says about itself."""
    reported = ", ".join(f"{name} {version}" for name, version in results["versions"].items() if name != "requests")
    return f"{results['fleet']['date']}; {results['machine']}; 10 forks, local connections\n{reported}"


def documents(results: Mapping[str, Any]) -> dict[Path, str]:
    """What the documents should hold."""
    made = {}
    for language, path in GUIDES.items():
        text = path.read_text(encoding="utf-8")
        made[path] = replaced(text, tables(results, language), restructured=path.suffix == ".rst")
    if "fleet" in results:
        made[CHART] = chart(results["fleet"]["rows"], note(results))
    return made


def write(new: Mapping[str, Any]) -> None:
    """Write the results, those of other parts included, and the documents."""
    results = {**load(), **new}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for path, text in documents(results).items():
        path.write_text(text, encoding="utf-8")
        say(f"wrote {path.relative_to(ROOT)}")


def show(made: Mapping[str, Table]) -> None:
    """Print the tables."""
    for name in names(made):
        print(f"\n{name}\n{plain(made[name])}")


def missing(wanted: Sequence[str]) -> list[str]:
    """What has to be there before anything is measured, so that nobody waits for nothing."""
    lacking = [name for name in ("curl", "bash") if not shutil.which(name)]
    if not (Path(sys.executable).parent / "ansible-playbook").exists():
        lacking.append(f"ansible-playbook beside {sys.executable}")
    if "ANSIBLE_COLLECTIONS_PATH" not in os.environ:
        lacking.append("ANSIBLE_COLLECTIONS_PATH")
    if "ssh" in wanted:
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
        lacking += [name for name in ("ip", "nsenter", "ssh", "sshd") if not shutil.which(name, path=path)]
        if os.geteuid() != 0:
            lacking.append("root, for hosts in network namespaces (or leave the part ssh out: --only)")
    return lacking


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--paced", action="store_true", help="all parts and paced, which takes five minutes more")
    parser.add_argument("--hosts", nargs="+", type=int, metavar="N", help="sizes of the parts fleet and free")
    parser.add_argument("--repeat", type=int, metavar="N", help="runs of each, of which the median is reported (3)")
    parser.add_argument("--quick", action="store_true", help="the smallest sizes, once")
    parser.add_argument("--write", action="store_true", help="write the documents, whatever was left out")
    parser.add_argument("--render", action="store_true", help="measure nothing, make the documents of the last results")
    return parser.parse_args(given)


def sizes_of(options: argparse.Namespace) -> Sizes:
    """How much is measured."""
    sizes = Sizes.quick() if options.quick else Sizes()
    changes: dict[str, Any] = {}
    if options.hosts:
        changes |= {"hosts": tuple(options.hosts), "free_hosts": tuple(options.hosts)}
    if options.repeat:
        changes["repeat"] = options.repeat
    return Sizes(**{**vars(sizes), **changes})


def main(given: Sequence[str] | None = None) -> int:
    """Measure, show and write; the exit code."""
    given = sys.argv[1:] if given is None else given
    if given and given[0] in OTHERS:
        OTHERS[given[0]](given[1:])
        return 0
    options = arguments(given)
    if options.render:
        write({})
        return 0
    wanted = [name for name in PARTS if name in (options.only or PARTS) and (name != LONG or options.only)]
    if options.paced and LONG not in wanted:
        wanted.append(LONG)
    if lacking := missing(wanted):
        print(f"bench: missing: {', '.join(lacking)}", file=sys.stderr)
        return 2
    start = time.monotonic()
    whole = not (options.only or options.quick or options.hosts or options.repeat)
    keep = write if options.write or whole else lambda _results: None
    try:
        results = measure(wanted, sizes_of(options), keep)
    except Broken as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    show(tables(results, "en"))
    say(f"all of it took {(time.monotonic() - start) / 60:.1f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
