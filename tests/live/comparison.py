# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the answers of a run with those of the simulator, and finds the settings that make them the same."""

from __future__ import annotations

import contextlib
import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from simulator.validation import ValidationError

from .probes import Findings, Probes, Wanted
from .questions import NOT_ASKED, QUESTIONS, Question, Settings
from .transports import Simulated

WIDTHS = (4, 40, 32, 32, 12)


@dataclass(frozen=True)
class Row:
    question: Question
    simulated: str
    seen: str
    settings: Settings | None = None
    """What makes the simulator give the same answer."""
    settled: bool = False
    """Whether a setting that an earlier question has found does that."""

    @property
    def same(self) -> bool:
        return self.simulated == self.seen

    @property
    def verdict(self) -> str:
        return "same" if self.same else "different"

    @property
    def remedy(self) -> str:
        if self.settings:
            return f"set {_flat(self.settings)}"
        if self.settled:
            return "a setting above makes it the same"
        place = f", see {self.question.elsewhere}" if self.question.elsewhere else ""
        return f"no setting of the simulator makes it the same{place}"


def simulated_answers(wanted: Wanted, settings: Settings) -> dict[str, str]:
    """Return what the simulator answers to the same probes in the same situation."""
    return Probes(Simulated(wanted.situation, settings), wanted).run().answers


def merged(settings: Settings, more: Settings) -> Settings:
    return settings | {
        name: merged(settings.get(name, {}), value) if isinstance(value, dict) else value
        for name, value in more.items()
    }


def compare(wanted: Wanted, found: Findings, settings: Settings) -> tuple[list[Row], Settings]:
    """Return a row for each answer, and the settings of a simulator that answers in the same way.

    The settings found so far stay, since one decides about several answers.
    """
    wanted = replace(wanted, situation=found.situation)
    first = answers = simulated_answers(wanted, settings)
    rows = []
    for question in QUESTIONS:
        name = question.name
        if name not in found.answers:
            continue
        seen, chosen = found.answers[name], None
        settled = answers.get(name) == seen
        if not settled:
            for candidate in (candidate for each in question.candidates for candidate in each(seen)):
                tried = merged(settings, candidate)
                with contextlib.suppress(ValidationError):
                    # What was seen may be beyond the values that the simulator takes.
                    others = simulated_answers(wanted, tried)
                    if others.get(name) == seen:
                        settings, answers, chosen = tried, others, candidate
                        break
        simulated = first.get(name, "no answer")
        rows.append(Row(question, simulated, seen, chosen, settled))
    return rows, settings


def _flat(settings: Settings) -> str:
    return ", ".join(
        f"{section}.{name}={value}" for section, values in settings.items() for name, value in values.items()
    )


def table(rows: Sequence[Row]) -> Iterator[str]:
    yield from _lines("no.", "question", "the simulator", "seen", "")
    yield from _lines(*("-" * width for width in WIDTHS))
    for row in rows:
        yield from _lines(str(row.question.number), row.question.text, row.simulated, row.seen, row.verdict)


def _lines(*cells: str) -> Iterator[str]:
    wrapped = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, WIDTHS, strict=True)]
    for place in range(max(map(len, wrapped))):
        parts = (column[place] if place < len(column) else "" for column in wrapped)
        yield "  ".join(part.ljust(width) for part, width in zip(parts, WIDTHS, strict=True)).rstrip()


def report(rows: Sequence[Row], found: Findings, settings: Settings) -> Iterator[str]:
    """Yield the lines of the whole report."""
    yield from table(rows)
    yield ""
    different = [row for row in rows if not row.same]
    for row in different:
        yield f"Different: {row.question.text} {row.remedy}."
    if different and settings:
        yield f"All settings of the simulator together: {json.dumps(settings)}"
    yield f"{len(rows)} questions answered, {len(different)} differently from the simulator."
    answered = {row.question.name for row in rows}
    open_ones = [question.text for question in QUESTIONS if question.name not in answered]
    if open_ones:
        yield "Not answered in this run (--write and --paid allow more probes, and other plans have other answers):"
        yield from (f"  {text}" for text in open_ones)
    yield "Never asked:"
    yield from (f"  {text} {reason}" for text, reason in NOT_ASKED.values())
    yield from found.notes
    yield from found.left
    if found.ended:
        yield f"The run has ended early. {found.ended}"
