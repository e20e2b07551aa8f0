# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report as lines of text, from its data: a pure function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .._core.text import counted, one_line
from .._spending.forecast import number

#: The characters of a bar that stands for the cap, or without a cap for the day with most
#: purchases.
_BAR = 40
Row = Sequence[object]


def page(data: Mapping[str, Any]) -> list[str]:
    """Return the lines of a report."""
    lines = ["WHAT IS WRONG"]
    for problem in data["problems"]:
        lines += [f"  * {one_line(problem)}"]
    if not data["problems"]:
        lines.append("  nothing")
    lines += ["", "HOSTS", *_hosts(data["whitelist"]), "", "LEASES", *_leases(data)]
    lines += ["", "SPENDING", *_spending(data)]
    lines += ["", "GATEWAYS AND LISTS", *_installations(data["installations"])]
    return lines


def _hosts(whitelist: Mapping[str, Any] | None) -> list[str]:
    if whitelist is None:
        return ["  cannot be read, see above"]
    rows: list[Row] = []
    for entry in whitelist["entries"]:
        for owner in entry["owners"]:
            note = ""
            if not entry["listed"]:
                note = "not listed"
            elif owner["there_before"]:
                note = "there before"
            rows.append(
                (
                    entry["ip"],
                    owner["host"],
                    _minute(owner["registered_since"]),
                    note,
                    owner["inventory_id"],
                )
            )
        if not entry["owners"]:
            rows.append((entry["ip"], "-", "-", "no owner", ""))
    lines = []
    if rows:
        lines = _table(("address", "host", "since (UTC+08:00)", "note", "inventory"), rows)
    unowned = sum(1 for entry in whitelist["entries"] if not entry["owners"])
    missing = sum(1 for entry in whitelist["entries"] if not entry["listed"])
    lines.append(
        f"  {len(whitelist['whitelist'])} on the whitelist, {unowned} of them without an owner; "
        f"{missing} registered but not on the whitelist"
    )
    if whitelist["unreadable"]:
        unreadable = ", ".join(map(one_line, whitelist["unreadable"]))
        lines.append(f"  entries that are not one IPv4 address: {unreadable}")
    return lines


def _leases(data: Mapping[str, Any]) -> list[str]:
    if data["leases"] is None:
        return ["  cannot be read, see above"]
    rows: list[Row] = []
    origin = {True: "this store", False: "somebody else", None: "unknown"}
    for lease in data["leases"]:
        ends = _minute(lease["expires_at"])
        minutes = "-" if lease["remaining_seconds"] is None else lease["remaining_seconds"] // 60
        rows.append(
            (
                lease["server"],
                lease["ip"] or "-",
                ends,
                minutes,
                origin[lease["bought_here"]],
                lease["region"],
            )
        )
    product = data["product"] or "unknown, as with a tunnel's key"
    lines = [f"  {counted(len(rows), 'live lease')} of product {product}"]
    if rows:
        head = ("server", "exit", "until (UTC+08:00)", "minutes", "bought by", "region")
        lines += _table(head, rows)
    if data["quota"]:
        total = data["quota"]["total"]
        of_total = "" if total is None else f" of {number(total)}"
        available = number(data["quota"]["available"])
        lines.append(f"  {available}{of_total} {data['quota']['unit']} free")
    return lines


def _spending(data: Mapping[str, Any]) -> list[str]:
    days = data["spending"]
    if days is None:
        return ["  cannot be read, see above"]
    cap = data["cap"]
    bought = f"  {number(data['bought'])} bought in 24 hours"
    if cap is None:
        lines = [f"{bought}, without a limit. To set one, type: export QG_MAX_NEW_PER_DAY=NUMBER"]
    else:
        lines = [f"{bought} of at most {number(cap)}"]
    if data["forecast"]:
        lines.append(f"  {data['forecast']}")
    if not days:
        return [*lines, "  no purchases in the last fortnight"]
    whole = cap or max(day["received"] + day["unknown"] for day in days) or 1
    rows: list[Row] = []
    for day in days:
        length = min(_BAR, -(-(day["received"] + day["unknown"]) * _BAR // whole))
        gauge = f"{'=' * length}{'.' * (_BAR - length)}"
        rows.append(
            (day["day"], day["product"], day["calls"], day["received"], day["unknown"], gauge)
        )
    scale = "of the cap" if cap else "of the most in a day"
    lines += _table(("day (UTC+08:00)", "product", "calls", "bought", "unknown", scale), rows)
    if data["buyers"]:
        rows = []
        for each in data["buyers"]:
            rows.append(
                (
                    each["user"],
                    each["host"] or "-",
                    each["calls"],
                    each["received"],
                    each["unknown"],
                )
            )
        lines += _table(
            ("user in 24 hours", "host of the task", "calls", "bought", "unknown"), rows
        )
    return lines


def _installations(installations: Sequence[Mapping[str, Any]] | None) -> list[str]:
    if installations is None:
        return ["  cannot be read, see above"]
    if not installations:
        return ["  none installed"]
    rows: list[Row] = []
    for each in installations:
        seconds = "-" if each["seconds"] is None else f"{each['seconds']:.1f}"
        state = _state(each)
        refreshed = _minute(each["refreshed_at"]) if each["refreshed_at"] else "never"
        rows.append((each["host"], each["kind"], each["name"], refreshed, seconds, state))
    return _table(("host", "kind", "name", "last refresh (UTC+08:00)", "seconds", "state"), rows)


def _state(installation: Mapping[str, Any]) -> str:
    """Return how it goes with an installation: which of its pools sleep, if nothing is wrong."""
    if installation["problem"]:
        return "see above"
    if not installation["sleeps"]:
        return "ok"
    texts = []
    for sleep in installation["sleeps"]:
        saved = counted(round(sleep["not_bought"]), "lease")
        texts.append(
            f"{sleep['pool']} sleeps since {_minute(sleep['since'])}, about {saved} not bought"
        )
    return "; ".join(texts)


def _minute(moment: str | None) -> str:
    """Return a time in ISO 8601 without seconds and offset."""
    return "-" if moment is None else moment[:16].replace("T", " ")


def _table(head: Row, rows: Iterable[Row]) -> list[str]:
    """Return the lines of a table, with the digits of numbers at the right of their columns."""
    texts = [
        [one_line(str(cell or "")) if cell != 0 else "0" for cell in row] for row in (head, *rows)
    ]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = []
    for row in texts:
        cells = []
        for text, width in zip(row, widths, strict=True):
            cells.append(text.rjust(width) if text.isdecimal() else text.ljust(width))
        lines.append(f"  {'  '.join(cells)}".rstrip())
    return lines
