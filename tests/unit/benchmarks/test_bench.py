# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark makes of its figures: medians, computed times, tables and the chart. Nothing is timed here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import pytest
from benchmarks import bench, parts, report, revisions
from benchmarks.chart import COLOURS, HEIGHT, LABELS, WIDTH, chart
from benchmarks.figures import Figures, middle, scaled, seconds_by_the_limit
from benchmarks.report import WORDS, Table, replaced, tables
from benchmarks.stage import Stage as RealStage
from benchmarks.ways import WAYS


def way(name: str, hosts: int, seconds: float, **changes: Any) -> dict[str, Any]:
    """A row of the results."""
    counts = {"calls": 2 * hosts, "registered": hosts, "refused": 0, "unnoticed": 0}
    fields = {} if name in ("ping", "raw") else counts
    return Figures(**{"way": name, "hosts": hosts, "seconds": seconds, **fields, **changes}).row()


def results() -> dict[str, Any]:
    """Results as they are after a full run."""
    rows = [way(one.name, hosts, hosts / 10) for hosts in (10, 200) for one in WAYS]
    rows.append(way("uri", 1000, 400, computed=True, refused=None, unnoticed=None))
    part = {"date": "2026-11-25"}
    return {
        "machine": "2 x processor",
        "versions": {"qingguo.qgnet": "0.1.0", "Python": "3.13.5", "ansible-core": "2.21.5", "requests": "2.34.2"},
        "fleet": {**part, "rows": rows},
        "ssh": {**part, "rows": [way(one.name, 50, 5) for one in WAYS]},
        "task": {
            **part,
            "rows": [{"way": "qg_whitelist", "play": 0.6, "task": 0.1}, {"way": "uri", "play": 0.8, "task": 0.3}],
        },
        "addresses": {
            **part,
            "rows": [
                {"addresses": n, "play": 0.5 + n / 1e5, "task": 0.1, "variable": 0.5 + n / 5e4} for n in (1, 10000)
            ],
        },
        "free": {**part, "rows": [way("module", 50, 3.0, queries=3, adds=1)]},
        "paced": {**part, "rows": [{"minutes": 5, "adds": 100, "limit": 100, "refused": 0}]},
    }


@pytest.mark.parametrize(("seconds", "reported"), [([3.0, 1.0, 2.0], 2.0), ([1.0, 2.0], 1.5), ([4.0], 4.0)])
def test_the_middle_of_several_runs(seconds: list[float], reported: float) -> None:
    row = middle([Figures("uri", 10, one, calls=int(one)) for one in seconds])
    assert (row.seconds, row.runs) == (reported, len(seconds))
    assert row.calls in [int(one) for one in seconds]


@pytest.mark.parametrize(("hosts", "minutes"), [(1, 0), (20, 0), (21, 1), (50, 2), (200, 9), (1000, 49)])
def test_what_the_limit_makes_of_one_add_for_each_host(hosts: int, minutes: int) -> None:
    assert seconds_by_the_limit(hosts) == 60 * minutes


def test_a_run_that_would_take_too_long_is_computed_from_a_smaller_one() -> None:
    row = scaled(Figures("uri", 200, 80.0, registered=40, refused=3), 1000)
    assert (row.seconds, row.computed, row.runs) == (400.0, True, 0)
    # 400 seconds are six minutes and the begin of a seventh.
    assert (row.calls, row.registered) == (2000, 140)
    assert (row.refused, row.unnoticed) == (None, None)


def numbers(table: Table) -> list[list[list[str]]]:
    """The numbers of each cell."""
    return [[re.findall(r"\d[\d.,]*", cell) for cell in row] for row in table.rows]


def test_both_languages_have_the_same_numbers() -> None:
    english, chinese = (tables(results(), language) for language in ("en", "zh-CN"))
    assert list(english) == list(chinese)
    for name in english:
        if name != "ratios":
            assert numbers(english[name]) == numbers(chinese[name]), name
    values = [[row[-1] for row in made["ratios"].rows] for made in (english, chinese)]
    assert values[0] == values[1]


def test_a_play_that_registered_all_needed_no_more_than_its_own_time() -> None:
    rows = [way("uri", 50, 20, registered=20), way("role", 50, 2)]
    reported = [row[-1] for row in report.outcome(rows, WORDS["en"]).rows]
    assert reported == ["2 min (computed)", "2.0 s"]


@pytest.mark.parametrize("restructured", [True, False])
def test_a_table_goes_between_its_marks_and_nowhere_else(restructured: bool) -> None:
    begin, end = report.marks("x", restructured)
    text = f"before\n\n{begin}\n\nold\n\n{end}\n\nafter\n"
    once = replaced(text, {"x": Table(["a"], [["1\\2"]])}, restructured)
    assert once.startswith(f"before\n\n{begin}\n\n")
    assert once.endswith(f"\n\n{end}\n\nafter\n")
    assert "old" not in once
    assert "1\\2" in once
    assert replaced(once, {"x": Table(["a"], [["1\\2"]])}, restructured) == once
    with pytest.raises(ValueError, match="the marks of the table y are missing"):
        replaced(text, {"y": Table(["a"], [])}, restructured)


@pytest.mark.parametrize("language", list(bench.GUIDES))
def test_the_guide_has_a_place_for_every_table(language: str) -> None:
    path = bench.GUIDES[language]
    assert replaced(path.read_text(encoding="utf-8"), tables(results(), language), path.suffix == ".rst")


@pytest.mark.parametrize("path", [*bench.GUIDES.values(), bench.CHART], ids=lambda path: str(path.name))
def test_the_documents_are_made_of_what_was_measured(path: Path) -> None:
    assert bench.documents(bench.load())[path] == path.read_text(encoding="utf-8"), "run: bench.py --render"


def test_the_chart_is_sound_and_holds_every_way() -> None:
    root = ElementTree.fromstring(chart(results()["fleet"]["rows"], "a <note>\nof two lines"))
    texts = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a <note>", "of two lines"} <= set(texts)
    for label in LABELS.values():
        assert any(text.startswith(label) for text in texts), label
    for node in root.iter():
        for name, limit in (("x", WIDTH), ("cx", WIDTH), ("x2", WIDTH), ("y", HEIGHT), ("cy", HEIGHT), ("y2", HEIGHT)):
            assert 0 <= float(node.get(name, 0)) <= limit
    classes = [node.get("class", "") for node in root.iter()]
    assert "way uri guess" in classes
    assert "ring uri" in classes


def test_each_way_has_words_a_colour_and_a_label() -> None:
    for one in WAYS:
        assert one.name in WORDS["en"]
        assert one.name in COLOURS
        assert one.name in LABELS


def test_a_part_is_kept_although_a_later_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_sizes: parts.Sizes) -> parts.Rows:
        raise RuntimeError("it fails")

    kept: list[dict[str, Any]] = []
    monkeypatch.setattr(bench, "PARTS", {"one": lambda _sizes: [{"row": 1}], "two": fail})
    with pytest.raises(RuntimeError, match="it fails"):
        bench.measure(["one", "two"], parts.Sizes.quick(), lambda found: kept.append(dict(found)))
    assert [found["one"]["rows"] for found in kept] == [[{"row": 1}]]


class Stage:
    """Hosts whose runs take as long as they are reported to."""

    def __init__(self, hosts: int, seconds: dict[str, float]) -> None:
        self.hosts = [str(number) for number in range(hosts)]
        self.seconds = seconds
        self.measured: list[str] = []

    def measure(self, one: Any) -> Figures:
        """One run."""
        self.measured.append(one.name)
        return Figures(one.name, len(self.hosts), self.seconds[one.name], registered=len(self.hosts), refused=0)


def test_long_runs_are_computed_or_made_once_and_the_others_in_turn() -> None:
    ways = [one for one in WAYS if one.name in ("role", "uri", "curl")]
    stage = Stage(300, {"role": 5.0, "curl": 50.0})
    known = {"uri": Figures("uri", 50, 60.0, registered=20)}
    rows = parts.in_turn(cast(RealStage, stage), ways, 3, known)
    assert stage.measured == ["role", "curl", "role", "role"]
    assert [(row.way, row.computed, row.runs) for row in rows] == [
        ("role", False, 3),
        ("uri", True, 0),
        ("curl", False, 1),
    ]
    assert set(known) == {"role", "uri", "curl"}
    assert known["uri"].hosts == 50


def test_every_way_is_run_with_the_fleet_that_the_landing_page_shows() -> None:
    ways = [one for one in WAYS if one.name == "uri"]
    stage = Stage(200, {"uri": 240.0})
    rows = parts.in_turn(cast(RealStage, stage), ways, 3, {"uri": Figures("uri", 50, 60.0, registered=20)})
    assert [(row.seconds, row.computed, row.runs) for row in rows] == [(240.0, False, 1)]


def test_a_ratio_is_that_of_the_rounds_and_not_of_the_seconds() -> None:
    # In a slow hour, both take twice as long: the ratio of the medians would be 1.0.
    other = [1.0, 1.0, 2.0, 2.0, 2.0]
    assert revisions.ratio([1.5, 1.5, 2.0, 3.0, 3.0], other) == (1.5, 1.0, 1.5)
    assert revisions.ratio(other, other) == (1.0, 1.0, 1.0)
