# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the benchmark: each measures side by side, in turn, and returns rows for the file of results."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.operations import WHITELIST
from benchmarks.figures import ADDS, MINUTE, SHOWN_HOSTS, Figures, counted, middle, scaled, words_of
from benchmarks.stage import CAPACITY, Broken, Stage, local, public, ssh
from benchmarks.ways import EMPTY, FROM_FILE, GET, LIST, MODULE, REST, ROLE, WAYS, Way
from support.playbooks import operate

Rows = list[dict[str, Any]]
#: Seconds beyond which a run is computed instead, unless the landing page shows this size.
TOO_LONG = 180.0
#: Seconds beyond which a run is not repeated.
ONCE = 40.0
#: As many of the vendor's minutes as the paced adds go on for.
PACED_MINUTES = 5


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    hosts: tuple[int, ...] = (10, 50, 200, 1000)
    ssh_hosts: int = 50
    addresses: tuple[int, ...] = (1, 100, 1000, 10000)
    free_hosts: tuple[int, ...] = (50, 200, 1000)
    repeat: int = 3

    @classmethod
    def quick(cls) -> Sizes:
        """Enough to see that all of it works."""
        return cls((10,), 5, (1, 1000), (10,), 1)


def say(text: str) -> None:
    """Tell how it goes on: a full run takes a while."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def _is_too_long(hosts: int, seconds: float) -> bool:
    return hosts > SHOWN_HOSTS and seconds > TOO_LONG


def in_turn(stage: Stage, ways: Iterable[Way], repeat: int, smaller: dict[str, Figures]) -> list[Figures]:
    """Measure ways in turn, so that whatever else the machine does meets all of them; ``smaller`` are known already."""
    hosts = len(stage.hosts)
    measured: dict[str, list[Figures]] = {}
    computed: dict[str, Figures] = {}
    for turn in range(repeat):
        registered = False
        for way in ways:
            before = measured.get(way.name, [])
            if way.name in computed or (turn and before[0].seconds > ONCE):
                continue
            if turn and way.keeps and not registered:
                # The way before it was not repeated, so its hosts would be new.
                continue
            known = smaller.get(way.name) or Figures(way.name, 1, way.guess, registered=0 if way.registers else None)
            if not turn and _is_too_long(hosts, known.seconds * hosts / known.hosts):
                computed[way.name] = scaled(known, hosts)
                say(f"{way.name}, {hosts} hosts: computed, {words_of(computed[way.name].seconds)}")
                continue
            row = stage.measure(way)
            registered = way.name in (ROLE.name, REST.name)
            measured.setdefault(way.name, []).append(row)
            say(f"{way.name}, {hosts} hosts: {row.seconds:.1f} s, registered {row.registered}, refused {row.refused}")
    rows = [middle(measured[way.name]) if way.name in measured else computed[way.name] for way in ways]
    for row in rows:
        if row.way in (ROLE.name, REST.name) and row.registered != hosts:
            raise Broken(f"the role registered {row.registered} of {hosts} hosts")
        if row.way == REST.name and row.adds:
            raise Broken(f"the hosts at rest were new: {row.adds} calls to add them")
    smaller.update({row.way: row for row in rows if not row.computed})
    return rows


def fleet(sizes: Sizes) -> Rows:
    """All ways, over local connections, for each size."""
    rows: list[Figures] = []
    smaller: dict[str, Figures] = {}
    for hosts in sorted(sizes.hosts):
        with local(hosts) as stage:
            rows += in_turn(stage, WAYS, sizes.repeat, smaller)
    return [row.row() for row in rows]


def over_ssh(sizes: Sizes) -> Rows:
    """All ways, over SSH, the connections being there already."""
    with ssh(sizes.ssh_hosts) as stage:
        stage.measure(next(way for way in WAYS if way.name == "raw"))
        return [row.row() for row in in_turn(stage, WAYS, sizes.repeat, {})]


def repeated(repeat: int, **plays: Callable[[], float]) -> dict[str, float]:
    """Medians of plays that are run in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in plays}
    for _turn in range(repeat):
        for name, run in plays.items():
            seconds[name].append(run())
    return {name: statistics.median(values) for name, values in seconds.items()}


def _ran(stage: Stage, text: str, calls: int, **extra: Any) -> float:
    """Seconds of a play that must have made so many calls and changed nothing."""
    stage.forget_calls()
    seconds, done = stage.play(text, extra=extra)
    got = len(stage.sim.journal())
    if done.returncode or got != calls or "changed=1" in done.stdout:
        raise Broken(f"a play made {got} calls instead of {calls}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds


def task(sizes: Sizes) -> Rows:
    """One call of qg_whitelist that changes nothing, beside one uri for the same GET, less a play without any task."""
    with local(1) as stage:
        stage.reset()
        stage.sim.configure(whitelist=stage.wished)
        one = {"bench_ips": stage.wished}
        found = repeated(
            2 * sizes.repeat + 1,
            qg_whitelist=lambda: _ran(stage, LIST, 1, **one),
            uri=lambda: _ran(stage, GET, 1),
            empty=lambda: _ran(stage, EMPTY, 0),
        )
    for name, seconds in found.items():
        say(f"one task, {name}: {seconds:.2f} s")
    empty = found.pop("empty")
    return [
        {"way": name, "play": round(seconds, 3), "task": round(seconds - empty, 3)} for name, seconds in found.items()
    ]


def addresses(sizes: Sizes) -> Rows:
    """One call of qg_whitelist for more and more addresses, all of which are there: from a file, and in a variable."""

    def run(stage: Stage, count: int, filed: bool) -> float:
        ips = [public(number) for number in range(count)]
        stage.sim.configure(whitelist=ips)
        (stage.folder / "ips.txt").write_text("".join(f"{ip}\n" for ip in ips), encoding="utf-8")
        return _ran(stage, LIST, 1, bench_ips=FROM_FILE if filed else ips)

    rows: Rows = []
    with local(1) as stage:
        stage.reset()
        plays: dict[str, Callable[[], float]] = {"empty": lambda: _ran(stage, EMPTY, 0)}
        for count in sizes.addresses:
            plays[f"{count} filed"] = partial(run, stage, count, filed=True)
            plays[f"{count} in a variable"] = partial(run, stage, count, filed=False)
        found = repeated(2 * sizes.repeat - 1, **plays)
    for count in sizes.addresses:
        filed, variable = found[f"{count} filed"], found[f"{count} in a variable"]
        say(f"{count} addresses: {filed:.2f} s, in a variable {variable:.2f} s")
        reported = {"play": filed, "task": filed - found["empty"], "variable": variable}
        rows.append({"addresses": count, **{name: round(seconds, 3) for name, seconds in reported.items()}})
    return rows


def free(sizes: Sizes) -> Rows:
    """Under the strategy free, with 50 forks: how many queries and adds there are when every host is on its own."""
    rows: Rows = []
    smaller: dict[str, Figures] = {}
    for hosts in sorted(sizes.free_hosts):
        with local(hosts) as stage:
            for way in (ROLE, REST, MODULE):
                known = smaller.get(way.name) or Figures(way.name, 1, way.guess, registered=0)
                guess = max(known.seconds / known.hosts * hosts, _waits(known, hosts))
                if _is_too_long(hosts, guess):
                    row = Figures(way.name, hosts, guess, runs=0, computed=True, registered=hosts)
                else:
                    row = stage.measure(way, forks=50, strategy="free")
                    smaller[way.name] = row
                say(
                    f"free, {way.name}, {hosts} hosts: {row.seconds:.1f} s{' computed' if row.computed else ''}, "
                    f"{row.queries} queries, {row.adds} adds, refused {row.refused}"
                )
                rows.append(row.row())
    return rows


def _waits(known: Figures, hosts: int) -> float:
    """What the vendor's limit adds, if each host costs as many adds as it did with fewer hosts."""
    adds = known.adds / known.hosts * hosts
    return max(0.0, (adds / ADDS - 1) * MINUTE)


def paced(_sizes: Sizes) -> Rows:
    """Single addresses, added one after the other for five of the vendor's minutes, as fast as the limit allows."""
    length = PACED_MINUTES * MINUTE
    with local(1) as stage:
        stage.reset()
        options = {
            "key": stage.sim.key,
            "api_url": stage.url,
            "state_dir": str(stage.folder / "paced"),
            "max_wait": 2 * MINUTE,
            "allow_non_global": True,
        }
        number, start = 0, time.monotonic()
        while time.monotonic() - start < length and number < CAPACITY:
            result = operate(WHITELIST, {**options, "ips": [public(number)]})
            if result.get("failed"):
                raise Broken(f"a paced add failed: {result['msg']}")
            number += 1
        journal = stage.sim.journal()
    first = journal[0]["at"]
    within = [call for call in journal if call["at"] < first + length]
    counts = counted(within)
    row = {
        "minutes": PACED_MINUTES,
        "adds": counts["adds"],
        "limit": ADDS * PACED_MINUTES,
        "refused": counts["refused"],
    }
    say(f"paced: {row['adds']} adds in {PACED_MINUTES} minutes, the limit is {row['limit']}, refused {row['refused']}")
    return [row]


#: By name, in the order of the guide; the last one takes five minutes by itself and is run when asked for.
PARTS: dict[str, Callable[[Sizes], Rows]] = {
    "fleet": fleet,
    "ssh": over_ssh,
    "task": task,
    "addresses": addresses,
    "free": free,
    "paced": paced,
}
