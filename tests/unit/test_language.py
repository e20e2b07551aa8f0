# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents keep to the style of technical writing: word lists of what does not belong there, for both languages.

Code is left out, except YAML, whose names of plays and tasks are text. So are messages of the code that a document
quotes, since they are worded where they are raised.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Documents, and files of YAML with descriptions or names. Add folders and files here.
DOCUMENTS = (
    "README*.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/docsite/rst/*.rst",
    "docs/zh-CN/*.md",
    "docs/site/index.*",
    "changelogs/fragments/*.yml",
    "roles/*/README.md",
    "roles/*/meta/*.yml",
    "roles/*/defaults/*.yml",
    "roles/*/tasks/*.yml",
    "playbooks/*.yml",
    "extensions/eda/rulebooks/*.yml",
)
#: Modules and plugins, of which the strings below are read.
PLUGINS = ("plugins/[dfilm]*/*.py", "extensions/eda/plugins/*/*.py")
STRINGS = ("DOCUMENTATION", "EXAMPLES", "RETURN")

#: A pattern of English text, and what to write instead.
ENGLISH = {
    r"(?<!be\s)\b(?:tells?|told)\b": "reports, returns, shows",
    r"\b(?:hears?|heard|speaks|wishes|wishing)\b": "a verb for programs: receives, uses, requests",
    r"\bknows\b": "a verb for programs: contains, reads, supports; for a person: if you know",
    r"\b(?:nobody|somebody|whoever|anybody|everybody)\b": "the component or the person: the vendor, another client, a user",
    r"\bnothing but\b": "only",
    r"\bno more than\b": "only, at most",
    r"\bso (?:many|much)\b": "N, a number of, at least N",
    r"\bshall\b": "must, should",
    r"\bWhere\b[^.?!:|]*, ": "if",
    r"\b(?:also|even|only) where\b": "also if, even if, only if",
    r"\bstands? (?:beside|in|on|there|between)\b": "is, contains",
    r"(?<!there\s)\b(?:is|are) no (?!longer\b|more\b)": "is not a",
    r"\b(?:gives?|gave|giving|given) up\b": "releases, stops, fails",
    r"\bgiv(?:es|ing) \w+ up\b": "releases",
    r"\bat rest\b": "in sync",
    r"\bputs? down\b": "queues, records",
    r"\bswap(?:s|ped|ping)?\b": "replace",
    r"\bbetween tries\b": "between attempts",
    r"\bremed(?:y|ies)\b": "fix",
    r"\bfalls? away\b": "omit",
    r"\bblindly orders?\b|\borders? blindly\b": "repeats a paid order",
    r"\bmay pass\b": "transient",
    r"\bthe most (?:seconds|addresses)\b": "the maximum number of",
    r"\bof which nobody\b": "the component",
}
#: The same for Chinese, where words of the vendor's and of other documents of Ansible come first.
CHINESE = {
    "租用": "申请",
    "应答": "响应",
    "限额": "频率限制",
    "控制台|用户中心": "会员中心",
    "检出目录": "源码目录",
    "被管主机": "受管节点",
    "动作组": "action group",
    "切片": "分片",
    "转发代理": "正向代理",
    "查询串": "查询字符串",
    "check 模式": "检查模式",
    "账号": "账户",
    "剩余量": "余量",
    "出口地址": "出口 IP",
    "偏差|偏移": "漂移",
    "告知|得知|记住|点名|记忆": "返回、发出、读取、保存、指定、登记记录",
    "这么多": "不少于指定值",
    "算数": "计入",
    "地区": "区域",
    "物理服务器": "物理机",
    "询问": "请求、检测",
}
#: Messages of the code that documents quote.
QUOTED = (
    "of the ... sources that are needed told an egress address",
    "but the vendor's list does not tell",
    "another lease that shall stay has the same address",
    "No egress address of ... was put down in this run",
    "... does not speak TLS",
)


def prose(path: Path) -> str:
    """The text of a document without code, links' targets and quoted messages; lines are kept as they are."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = strings(text)
    blank = lambda match: "\n" * match[0].count("\n")  # noqa: E731
    text = re.sub(r"^ *```(?!yaml)\w*\n.*?^ *```", blank, text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^\.\. code-block:: (?!yaml)\w+\n\n(?:   .*\n|\n)+", blank, text, flags=re.MULTILINE)
    text = re.sub(r"`+[^`\n]+`+|\]\([^)]+\)|\b[CEIOV]\([^)]*\)", "X", text)
    for message in QUOTED:
        text = text.replace(message, "X")
    return text


def strings(source: str) -> str:
    """The documentation in a file of Python, with as many lines as the file has."""
    lines = [""] * (source.count("\n") + 1)
    for node in ast.walk(ast.parse(source)):
        documented = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if documented and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            name = node.targets[0].id
            if name in STRINGS or (name.isupper() and "options:" in node.value.value):
                lines[node.value.lineno - 1 : node.value.end_lineno] = node.value.value.splitlines() + [""]
    return "\n".join(lines)


def found_in(path: Path, words: dict[str, str]) -> Iterator[str]:
    # A sentence may go over lines: they are joined, and the place is that of its beginning.
    text = prose(path)
    for pattern, instead in words.items():
        for match in re.finditer(pattern.replace(" ", r"\s+"), text):
            line = text.count("\n", 0, match.start()) + 1
            shown = re.sub(r"\s+", " ", match[0])
            yield f"{path.relative_to(ROOT)}:{line}: {shown!r}: {instead}"


def files() -> list[Path]:
    return sorted({path for pattern in (*DOCUMENTS, *PLUGINS) for path in ROOT.glob(pattern)})


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_language_of_a_document(path: Path) -> None:
    chinese = "zh-CN" in path.name or "zh-CN" in path.parts
    assert list(found_in(path, CHINESE if chinese else ENGLISH)) == []


def test_each_list_finds_documents() -> None:
    assert not [pattern for pattern in (*DOCUMENTS, *PLUGINS) if not list(ROOT.glob(pattern))]
