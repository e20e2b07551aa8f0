# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of the results, for the guide in both languages: the same numbers, each between its marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import ratio, seconds_by_the_limit, words_of

Results = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]

#: Words of the tables; code is marked as in Markdown.
WORDS: dict[str, dict[str, str]] = {
    "en": {
        "role": "the role, new hosts",
        "rest": "the role, in sync",
        "uri": "`uri` per host",
        "uri_throttle": "`uri` per host, `throttle: 1`",
        "curl": "`shell` with `curl` per host",
        "ping": "a bare `ping`",
        "raw": 'a bare `raw: "true"`',
        "module": "`qg_whitelist` on each host",
        "way": "play",
        "hosts": "hosts",
        "hosts_wide": "{} hosts",
        "seconds": "time",
        "calls": "vendor calls",
        "queries": "queries",
        "adds": "adds",
        "registered": "registered",
        "refused": "refused (-11)",
        "unnoticed": "missing, not reported",
        "all": "time for all, by the limit",
        "computed": "{} (computed)",
        "most": "at most {}",
        "unknown": "unknown",
        "figure": "figure",
        "value": "value",
        "rest_ping": "the role in sync over {} hosts, by a bare `ping` of them",
        "rest_raw": 'the role in sync over {} hosts, by a bare `raw: "true"`',
        "role_uri": "the role over {} new hosts, by `uri` per host",
        "task_uri": "`qg_whitelist` without a change, by `uri` for the same GET",
        "list": "{} addresses from a file in one call, by one address",
        "list_variable": "{} addresses of a variable in one call, by one address",
        "paced": "paced adds in {} minutes, by the vendor's limit",
        "play": "whole play",
        "task": "less a play without tasks",
        "variable": "whole play, addresses in a variable",
        "addresses": "addresses",
        "minutes": "minutes",
        "limit": "vendor's limit",
        "measured": "measured",
        "machine": "machine",
        "versions": "versions",
    },
    "zh-CN": {
        "role": "role，新主机",
        "rest": "role，已同步",
        "uri": "每台主机用 `uri`",
        "uri_throttle": "每台主机用 `uri`，`throttle: 1`",
        "curl": "每台主机用 `shell` 和 `curl`",
        "ping": "仅 `ping`",
        "raw": '仅 `raw: "true"`',
        "module": "每台主机用 `qg_whitelist`",
        "way": "play",
        "hosts": "主机数",
        "hosts_wide": "{} 台主机",
        "seconds": "用时",
        "calls": "厂商调用",
        "queries": "查询",
        "adds": "添加",
        "registered": "已登记",
        "refused": "被拒绝（-11）",
        "unnoticed": "未登记且未报告",
        "all": "按频率限制全部登记所需时间",
        "computed": "{}（计算值）",
        "most": "最多 {}",
        "unknown": "未知",
        "figure": "指标",
        "value": "数值",
        "rest_ping": "{} 台主机已同步时的 role / 仅 `ping`",
        "rest_raw": '{} 台主机已同步时的 role / 仅 `raw: "true"`',
        "role_uri": "{} 台新主机的 role / 每台主机用 `uri`",
        "task_uri": "没有变更的 `qg_whitelist` / 同一 GET 的 `uri`",
        "list": "一次调用 {} 个地址 / 1 个地址，地址来自文件",
        "list_variable": "一次调用 {} 个地址 / 1 个地址，地址在变量中",
        "paced": "{} 分钟内按频率限制排队的添加 / 厂商的频率限制",
        "play": "整个 play",
        "task": "减去没有任务的 play",
        "variable": "整个 play，地址在变量中",
        "addresses": "地址数",
        "minutes": "分钟",
        "limit": "厂商的频率限制",
        "measured": "测量日期",
        "machine": "机器",
        "versions": "版本",
    },
}


@dataclass(frozen=True)
class Table:
    """A head and rows of cells, code in them marked as in Markdown."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """As Markdown."""
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def restructured(self) -> str:
        """As a list-table."""
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for row in (self.head, *self.rows):
            for number, cell in enumerate(row):
                text = f"{'   * -' if number == 0 else '     -'} {cell.replace('`', '``')}"
                lines.append(text.rstrip())
        return "\n".join(lines)


def seconds_of(row: Mapping[str, Any], words: Mapping[str, str]) -> str:
    """A time, marked where it was not measured."""
    text = words_of(row["seconds"])
    return words["computed"].format(text) if row["computed"] else text


def fleet_seconds(rows: Rows, words: Mapping[str, str]) -> Table:
    """A row for each way, a column for each size."""
    sizes = sorted({row["hosts"] for row in rows})
    found = {(row["way"], row["hosts"]): row for row in rows}
    ways = list(dict.fromkeys(row["way"] for row in rows))
    lines = [
        [words[way], *(seconds_of(found[way, size], words) if (way, size) in found else "" for size in sizes)]
        for way in ways
    ]
    return Table([words["way"], *(words["hosts_wide"].format(f"{size:,}") for size in sizes)], lines)


def outcome(rows: Rows, words: Mapping[str, str], *, seconds: bool = False) -> Table:
    """What came of each run: calls, registered hosts, refusals; and what the limit makes of one add for each host."""
    head = [words["hosts"], words["way"], *([words["seconds"]] if seconds else [])]
    head += [words[name] for name in ("calls", "registered", "refused", "unnoticed", "all")]
    lines = []
    for row in rows:
        if row["registered"] is None and not seconds:
            continue
        line = [f"{row['hosts']:,}", words[row["way"]], *([seconds_of(row, words)] if seconds else [])]
        if row["registered"] is None:
            line += [""] * 5
        else:
            total = f"{row['hosts']:,}"
            reached = f"{row['registered']:,} / {total}"
            line.append(words["most"].format(f"{row['calls']:,}") if row["computed"] else f"{row['calls']:,}")
            line.append(words["most"].format(reached) if row["computed"] else reached)
            line += [words["unknown"] if row[name] is None else f"{row[name]:,}" for name in ("refused", "unnoticed")]
            done = row["registered"] == row["hosts"] and not row["computed"]
            least = max(seconds_by_the_limit(row["hosts"]), row["seconds"])
            line.append(seconds_of(row, words) if done else words["computed"].format(words_of(least)))
        lines.append(line)
    return Table(head, lines)


def free(rows: Rows, words: Mapping[str, str]) -> Table:
    """Calls where every host is on its own."""
    names = ("queries", "adds", "refused")
    lines = [
        [
            f"{row['hosts']:,}",
            words[row["way"]],
            seconds_of(row, words),
            *("" if row["computed"] else f"{row[name]:,}" for name in names),
        ]
        for row in rows
    ]
    return Table([words["hosts"], words["way"], words["seconds"], *(words[name] for name in names)], lines)


def task(rows: Rows, words: Mapping[str, str]) -> Table:
    """One call."""
    lines = [[f"`{row['way']}`", f"{row['play']:.2f} s", f"{row['task']:.2f} s"] for row in rows]
    return Table([words["way"], words["play"], words["task"]], lines)


def addresses(rows: Rows, words: Mapping[str, str]) -> Table:
    """Many addresses in one call."""
    columns = ("play", "task", "variable")
    lines = [[f"{row['addresses']:,}", *(f"{row[name]:.2f} s" for name in columns)] for row in rows]
    return Table([words["addresses"], *(words[name] for name in columns)], lines)


def paced(rows: Rows, words: Mapping[str, str]) -> Table:
    """Adds under the limit."""
    names = ("minutes", "adds", "limit", "refused")
    return Table([words[name] for name in names], [[str(row[name]) for name in names] for row in rows])


def ratios(results: Results, words: Mapping[str, str]) -> list[tuple[str, float]]:
    """What is compared within one run, and the figure."""
    found: list[tuple[str, float]] = []
    rows = results.get("fleet", {}).get("rows", [])
    for hosts in sorted({row["hosts"] for row in rows}):
        for name, way, other in (
            ("rest_ping", "rest", "ping"),
            ("rest_raw", "rest", "raw"),
            ("role_uri", "role", "uri"),
        ):
            value = ratio(rows, way, other, hosts)
            if value is not None:
                found.append((words[name].format(f"{hosts:,}"), value))
    one = {row["way"]: row["play"] for row in results.get("task", {}).get("rows", [])}
    if one:
        found.append((words["task_uri"], one["qg_whitelist"] / one["uri"]))
    lists = results.get("addresses", {}).get("rows", [])
    found += [
        (words[name].format(f"{row['addresses']:,}"), row[column] / lists[0][column])
        for name, column in (("list", "play"), ("list_variable", "variable"))
        for row in lists[1:]
        if lists[0]["addresses"] == 1
    ]
    found += [
        (words["paced"].format(row["minutes"]), row["adds"] / row["limit"])
        for row in results.get("paced", {}).get("rows", [])
    ]
    return found


def machine(results: Results, words: Mapping[str, str]) -> Table:
    """Where and when, for each part."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    dates = sorted({part["date"] for part in results.values() if isinstance(part, dict) and "rows" in part})
    lines = [
        [words["measured"], ", ".join(dates)],
        [words["machine"], results["machine"]],
        [words["versions"], versions],
    ]
    return Table([words["figure"], words["value"]], lines)


def tables(results: Results, language: str) -> dict[str, Table]:
    """Every table that the results have, by the name of its marks."""
    words = WORDS[language]
    rows = {name: part["rows"] for name, part in results.items() if isinstance(part, dict) and "rows" in part}
    made = {"machine": machine(results, words)}
    made["ratios"] = Table(
        [words["figure"], words["value"]], [[text, f"{value:.2f}"] for text, value in ratios(results, words)]
    )
    if "fleet" in rows:
        made["seconds"] = fleet_seconds(rows["fleet"], words)
        made["outcome"] = outcome(rows["fleet"], words)
    if "ssh" in rows:
        made["ssh"] = outcome(rows["ssh"], words, seconds=True)
    for name, make in (("task", task), ("addresses", addresses), ("free", free), ("paced", paced)):
        if name in rows:
            made[name] = make(rows[name], words)
    return made


def marks(name: str, restructured: bool) -> tuple[str, str]:
    """What stands before and after a table."""
    begin, end = f"benchmarks begin: {name}", f"benchmarks end: {name}"
    return (f".. {begin}", f".. {end}") if restructured else (f"<!-- {begin} -->", f"<!-- {end} -->")


def replaced(text: str, made: Mapping[str, Table], restructured: bool) -> str:
    """A guide with other tables between its marks; what was not measured stays."""
    for name, table in made.items():
        begin, end = marks(name, restructured)
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"the marks of the table {name} are missing")
        body = table.restructured() if restructured else table.markdown()
        before, rest = text.split(begin)
        text = f"{before}{begin}\n\n{body}\n\n{end}{rest.split(end)[1]}"
    return text


def plain(table: Table) -> str:
    """For a terminal."""
    lines = [table.head, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def names(made: Iterable[str]) -> list[str]:
    """The names of tables, in the order in which they are told."""
    order = ["machine", "seconds", "outcome", "ssh", "task", "addresses", "free", "paced", "ratios"]
    return [name for name in order if name in set(made)]
