# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chart: seconds by hosts for each way, and what share of the hosts was registered. SVG, written by hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.figures import words_of

Rows = Sequence[Mapping[str, Any]]
Point = tuple[float, float]

WIDTH, HEIGHT = 960, 540
#: The plot: left, top, right, bottom.
LEFT, TOP, RIGHT, BOTTOM = 70, 92, 470, 440
#: The bars: left and right.
BARS, BARS_END = 690, 920
LABELS = {
    "role": "role, new hosts",
    "rest": "role, in sync",
    "uri": "uri per host",
    "uri_throttle": "uri, throttle: 1",
    "curl": "curl per host",
    "ping": "bare ping",
    "raw": "bare raw",
}
#: Colours that differ in lightness as well, for light and for dark (after Okabe and Ito).
COLOURS = {
    "role": ("#0072b2", "#56b4e9"),
    "rest": ("#009e73", "#2fd6a3"),
    "uri": ("#d55e00", "#ff8a3d"),
    "uri_throttle": ("#a63d00", "#e0763a"),
    "curl": ("#b0568f", "#e39bc8"),
    "ping": ("#6f6f6f", "#a8a8a8"),
    "raw": ("#8f8f8f", "#7d7d7d"),
}
TICKS = (1, 10, 60, 600, 3600)


def style() -> str:
    """One palette for light, one for dark; the picture has a background of its own, whatever the page's is."""
    light = [f".{way} {{ --c: {colours[0]}; }}" for way, colours in COLOURS.items()]
    dark = [f".{way} {{ --c: {colours[1]}; }}" for way, colours in COLOURS.items()]
    return "\n".join(
        [
            "text { font: 13px system-ui, 'Noto Sans', 'DejaVu Sans', sans-serif; fill: var(--ink); }",
            "svg { --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --page: #ffffff; }",
            ".title { font-size: 16px; font-weight: 600; } .soft { fill: var(--soft); }",
            ".page { fill: var(--page); stroke: var(--line); } .grid { stroke: var(--line); }",
            ".track { fill: var(--line); } .bar { fill: var(--c); }",
            ".name { fill: var(--c); font-weight: 600; } .tie { stroke: var(--c); fill: none; opacity: .6; }",
            ".way { fill: none; stroke: var(--c); stroke-width: 2.5; stroke-linejoin: round; }",
            ".guess { stroke-dasharray: 5 5; } .dot { fill: var(--c); }",
            ".ring { fill: var(--page); stroke: var(--c); stroke-width: 2; }",
            *light,
            "@media (prefers-color-scheme: dark) {",
            "svg { --ink: #f0f6fc; --soft: #9198a1; --line: #3d444d; --page: #0d1117; }",
            *dark,
            "}",
        ]
    )


def scale(value: float, low: float, high: float, start: float, end: float) -> float:
    """Where a value stands on a logarithmic axis."""
    return start + (math.log(value) - math.log(low)) / (math.log(high) - math.log(low)) * (end - start)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places as near to the wanted ones as they can be with a gap between them, in their order."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    places = [0.0] * len(wanted)
    last = low - gap
    for index in order:
        last = places[index] = max(wanted[index], last + gap)
    over = last - high
    for index in reversed(order):
        if over <= 0:
            break
        places[index] = min(places[index], high)
        high = places[index] - gap
    return places


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> str:
    """Words at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(words)}</text>'


def lines(rows: Rows) -> list[str]:
    """Seconds by hosts, both axes logarithmic."""
    sizes = sorted({row["hosts"] for row in rows})
    seconds = [row["seconds"] for row in rows]
    low, high = min(0.5, *seconds), max(10.0, *seconds) * 1.1
    right_size = max(sizes[-1], sizes[0] + 1)

    def place(row: Mapping[str, Any]) -> Point:
        x = scale(row["hosts"], sizes[0], right_size, LEFT + 14, RIGHT - 14)
        return x, scale(row["seconds"], low, high, BOTTOM, TOP)

    made = []
    for tick in TICKS:
        if low <= tick <= high:
            y = scale(tick, low, high, BOTTOM, TOP)
            made.append(f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            made.append(text(LEFT - 8, y + 4, words_of(tick).replace(".0", ""), "soft", "end"))
    for size in sizes:
        x = scale(size, sizes[0], right_size, LEFT + 14, RIGHT - 14)
        made.append(text(x, BOTTOM + 20, f"{size:,}", "soft", "middle"))
    made.append(text((LEFT + RIGHT) / 2, BOTTOM + 42, "hosts", "soft", "middle"))
    ways = list(dict.fromkeys(row["way"] for row in rows))
    ends = []
    for way in ways:
        own = sorted((row for row in rows if row["way"] == way), key=lambda row: row["hosts"])
        for before, after in itertools.pairwise(own):
            (x1, y1), (x2, y2) = place(before), place(after)
            css = f"way {way}{' guess' if after['computed'] else ''}"
            made.append(f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')
        for row in own:
            x, y = place(row)
            css = f"{'ring' if row['computed'] else 'dot'} {way}"
            made.append(f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        ends.append((*place(own[-1]), own[-1]))
    for (x, y, row), label in zip(ends, spread([end[1] for end in ends], 19, TOP, BOTTOM), strict=True):
        way = row["way"]
        made.append(f'<polyline class="tie {way}" points="{x + 6:.1f},{y:.1f} {RIGHT + 2},{label:.1f}"/>')
        made.append(text(RIGHT + 6, label + 4, f"{LABELS[way]}, {words_of(row['seconds'])}", f"name {way}"))
    return made


def bars(rows: Rows, hosts: int) -> list[str]:
    """How many of the hosts were registered, way by way."""
    shown = [row for row in rows if row["hosts"] == hosts and row["registered"] is not None and row["way"] != "rest"]
    made = []
    for number, row in enumerate(shown):
        y = TOP + 26 + number * 62
        share = row["registered"] / hosts
        made.append(text(BARS, y, LABELS[row["way"]], f"name {row['way']}"))
        made.append(f'<rect class="track" x="{BARS}" y="{y + 8}" width="{BARS_END - BARS}" height="14" rx="3"/>')
        width = max(2.0, (BARS_END - BARS) * share)
        css = f"{'ring' if row['computed'] else 'bar'} {row['way']}"
        made.append(f'<rect class="{css}" x="{BARS}" y="{y + 8}" width="{width:.1f}" height="14" rx="3"/>')
        said = f"{'at most ' if row['computed'] else ''}{row['registered']:,} of {hosts:,}"
        made.append(text(BARS, y + 38, said, "soft"))
    return made


def chart(rows: Rows, note: str) -> str:
    """The whole picture."""
    sizes = sorted({row["hosts"] for row in rows})
    # Where the difference is plain, and most of it was measured.
    hosts = 200 if 200 in sizes else sizes[-1]
    body = [
        f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8"/>',
        text(24, 36, "Hosts on the whitelist: time of one run", "title"),
        text(24, 58, "seconds by hosts, both logarithmic; dashed and hollow: computed", "soft"),
        text(BARS, 36, "Registered by that run", "title"),
        text(BARS, 58, f"of {hosts:,} new hosts; 20 adds a minute", "soft"),
        *lines(rows),
        *bars(rows, hosts),
        *(text(24, HEIGHT - 34 + 18 * number, line, "soft") for number, line in enumerate(note.split("\n"))),
    ]
    title = "Time of one run by number of hosts, and how many hosts were registered by it"
    return "\n".join(
        [
            "<!--",
            "Copyright (c) 2026 The qingguo.qgnet authors",
            f"{'SPDX'}-License-Identifier: GPL-3.0-or-later",
            "Made by tests/benchmarks/bench.py",
            "-->",
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"',
            f' width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="t">',
            f'<title id="t">{title}</title>',
            f"<style>\n{style()}\n</style>",
            *body,
            "</svg>",
            "",
        ]
    )
