# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lines of the demo its picture shows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

HEADING = "== "
#: By heading: how a line begins that is shown, as a regular expression, and how many such lines are.
STORY: Mapping[str, Mapping[str, int]] = {
    "Before: the proxy refuses every host": {r"  host\d": 2},
    "One run registers them all": {
        r"\$ ansible-playbook ": 1,
        r"TASK .*Update the whitelist\]": 1,
        r"changed: \[host": 1,
        r"--- |\+\+\+ |@@ ": 3,
        r"\+203\.": 5,
        r"PLAY RECAP ": 1,
        r"host\d+ +: ok=\d+ +changed=1 ": 2,
    },
    "After: the proxy lets every host in": {r"  host\d": 2},
    "The same run again changes nothing": {
        r"\$ ansible-playbook ": 1,
        r"PLAY RECAP ": 1,
        r"host\d+ +: ok=\d+ +changed=0 ": 2,
    },
    "All went as it should": {"Hosts and simulator are stopped": 1},
}


def cut(lines: Sequence[str], story: Mapping[str, Mapping[str, int]]) -> list[int | None]:
    """Return the numbers of the lines that are shown, and None for each place where some are left out."""
    missing = {(heading, pattern): count for heading, patterns in story.items() for pattern, count in patterns.items()}
    shown: list[int | None] = []
    heading = ""
    blank = None
    for number, line in enumerate(lines):
        if not line.strip():
            blank = number
            continue
        if line.startswith(HEADING):
            heading = line.removeprefix(HEADING)
            kept = heading in story
        else:
            found = [key for key, count in missing.items() if key[0] == heading and count and re.match(key[1], line)]
            kept = bool(found)
            if kept:
                missing[found[0]] -= 1
        if kept:
            # An empty line stands before what it stood before, and is not one that is missed.
            shown += [number] if blank is None else [blank, number]
            blank = None
        elif not shown or shown[-1] is not None:
            shown.append(None)
            blank = None
    if absent := [f"{heading}: {pattern}" for (heading, pattern), count in missing.items() if count]:
        raise ValueError(f"the demo no longer tells: {'; '.join(absent)}")
    return shown
