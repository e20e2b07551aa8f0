# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents keep to the style of technical writing: word lists of what does not belong there, for both languages.

Code is left out, except YAML, whose names of plays and tasks are text. So are messages of the code that a document
quotes, since they are worded where they are raised.
"""

from __future__ import annotations

import ast
import functools
import io
import os
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FRAGMENTS = "changelogs/fragments/*.yml"
#: Documents, and files of YAML with descriptions or names. Add folders and files here.
DOCUMENTS = (
    "README*.md",
    "CODE_OF_CONDUCT.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "galaxy.yml",
    "docs/docsite/rst/*.rst",
    "docs/zh-CN/*.md",
    "docs/site/index.*",
    FRAGMENTS,
    "examples/**/README*.md",
    "examples/*/*.yml",
    "roles/*/README.md",
    "roles/*/meta/*.yml",
    "roles/*/defaults/*.yml",
    "roles/*/tasks/*.yml",
    "playbooks/*.yml",
    "extensions/eda/rulebooks/*.yml",
    "extensions/patterns/*/README.md",
    "extensions/patterns/*/*/*.*",
)
#: Modules and plugins, of which the strings below are read.
PLUGINS = ("plugins/[dfilm]*/*.py", "extensions/eda/plugins/*/*.py")
STRINGS = ("DOCUMENTATION", "EXAMPLES", "RETURN")
#: Files of Python of which comments, docstrings and messages are read.
CODE: tuple[str, ...] = ("plugins/**/*.py", "extensions/eda/plugins/*/*.py", "tests/unit/eda/*.py")

#: A pattern of English text, and what to write instead.
ENGLISH = {
    r"(?<!be\s)\b(?:tells?|told)\b": "reports, returns, shows",
    r"\b(?:hears?|heard|speaks|wishes|wishing)\b": "a verb for programs: receives, uses, requests",
    r"\bknows\b": "a verb for programs: contains, reads, supports; for a person: if you know",
    r"\b(?:nobody|somebody|whoever|anybody|everybody)\b": "the component or the person",
    r"\bnothing but\b": "only",
    r"\bno more than\b": "only, at most",
    r"\bso (?:many|much)\b": "N, a number of, at least N",
    r"\bshall\b": "must, should",
    r"\bWhere\b[^.?!:|]*, ": "if",
    r"\b(?:also|even|only) where\b": "also if, even if, only if",
    r"\bstands? (?:beside|in|on|there|between)\b": "is, contains",
    r"(?<![Tt]here\s)\b(?:is|are) no (?!longer\b|more\b|less\b|fewer\b|later\b)": "is not a",
    r"\b(?:gives?|gave|giving|given) up\b": "releases, stops, fails",
    r"\b[Gg]iv(?:es?|ing|en) (?:\w+ ){1,4}up\b": "releases",
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
    r"\b[Tt]he same;": "a full sentence",
    r"\bin vain\b": "timed out, failed, without an effect",
    r"\b(?:is|are|was|were|be|been) waited for\b": "who waits: the task waits for",
    r"\bwithout a word\b": "crashes, is killed",
    r"\bwith a sentence\b": "reports an error",
    r"\b(?:do|does|would) not know of\b": "are not coordinated",
    r"\b(?:tak(?:e|es|ing)|took) turns\b": "run one after the other, are never batched together",
    r"\b[Mm]end(?:s|ed|ing)?\b": "fix",
    r"\bThis file is private\b": "nothing: the underscore says it",
    r"\bHold as many\b": "Ensure a minimum number of",
    r"\bMany writers\b": "Concurrent writes",
    r"\b[Ee]veryone whose\b": "if your hosts",
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
    "您": "你",
}
#: Messages of the code that documents quote.
QUOTED = (
    "of the ... required sources reported an egress address",
    "No egress address of ... was put down in this run",
    "... does not use TLS",
)


#: Tests, of which comments, docstrings and names are read.
TESTS = ("tests/integration/*.py", "tests/runner/*.py", "tests/eda/*.py", "tests/chaos/*.py", "tests/unit/**/*.py")
#: Words of an older vocabulary, and what to write instead.
PRIVATE = {
    r"wish(?:es|ed)?": "request, desired state",
    r"nobody|somebody|whoever": "the component, such as another client, no other run, no process",
    r"problem": "error",
    r"told|tells": "reports, returns, shows",
}


def prose(path: Path) -> str:
    """The text of a document without code, links' targets and quoted messages; lines are kept as they are."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        texts = [strings(text), comments(text), messages(text)] if path in files(CODE) else [strings(text)]
        lines = zip(*(each.split("\n") for each in texts), strict=True)
        text = "\n".join(next(filter(None, parts), "") for parts in lines)
    # Blocks of YAML are matched, too: the end of one must not be taken for the beginning of another.
    text = re.sub(r"^ *```(\w*)\n.*?^ *```", blank_code, text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^\.\. code-block:: (?!yaml)\w+\n\n(?:   .*\n|\n)+", blank_lines, text, flags=re.MULTILINE)
    text = re.sub(r"`+[^`\n]+`+|\]\([^)]+\)|\b[CEIOV]\([^)]*\)", "X", text)
    for message in QUOTED:
        text = text.replace(message, "X")
    return text


def blank_lines(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def blank_code(match: re.Match[str]) -> str:
    return match[0] if match[1] == "yaml" else blank_lines(match)


def strings(source: str) -> str:
    """The documentation in a file of Python, with as many lines as the file has."""
    lines = [""] * (source.count("\n") + 1)
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name, value = node.targets[0].id, node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            fragment = name.isupper() and "options:" in value.value
            if name in STRINGS or fragment:
                put(lines, value, value.value)
    return "\n".join(lines)


def comments(source: str) -> str:
    """The comments and docstrings in a file of Python, with as many lines as the file has."""
    lines = [""] * (source.count("\n") + 1)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            lines[token.start[0] - 1] = token.string.lstrip("#: ")
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        text = ast.get_docstring(node, clean=False)
        if text and isinstance(node.body[0], ast.Expr):
            put(lines, node.body[0].value, text)
    return "\n".join(lines)


def messages(source: str) -> str:
    """The strings of some words in a file of Python, with as many lines as the file has; not SQL or programs."""
    lines = [""] * (source.count("\n") + 1)
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or "\n" in node.value:
            continue
        if node.value.count(" ") > 2 and not re.search(r"\b(?:SELECT|DELETE FROM|UPDATE|INSERT|CREATE)\b", node.value):
            lines[node.lineno - 1] += f" {node.value}"
    return "\n".join(lines)


def put(lines: list[str], node: ast.expr, text: str) -> None:
    """Put a text at the lines of its literal, some of which may have nothing of it."""
    for number, line in enumerate(text.split("\n"), node.lineno - 1):
        lines[number] = line


def found_in(path: Path, words: dict[str, str]) -> Iterator[str]:
    # A sentence may go over lines: they are joined, and the place is that of its beginning.
    text = prose(path)
    for pattern, instead in words.items():
        for match in re.finditer(pattern.replace(" ", r"\s+"), text):
            line = text.count("\n", 0, match.start()) + 1
            shown = re.sub(r"\s+", " ", match[0])
            yield f"{os.path.relpath(path, ROOT)}:{line}: {shown!r}: {instead}"


@functools.cache
def files(patterns: tuple[str, ...]) -> list[Path]:
    return sorted({path for pattern in patterns for path in ROOT.glob(pattern)})


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("It tells\nnobody.", ENGLISH, ["tells", "nobody"]),
        ("Where it fails, the task ends. It is no address.", ENGLISH, ["Where it fails, ", "is no "]),
        ("There is no address, wherever it is. It cannot be told where the file is.", ENGLISH, []),
        ("记住应答", CHINESE, ["应答", "记住"]),
        ("登记记录和响应", CHINESE, []),
        ("`told` is code.\n\n```shell\ntold\n```\n", ENGLISH, []),
        ("```yaml\n- name: Tell it\n- name: Whoever tells\n```\n", ENGLISH, ["tells"]),
        ("```yaml\nx: 1\n```\n\nIt tells.\n\n```shell\ntold\n```\n", ENGLISH, ["tells"]),
    ],
)
def test_the_lists(tmp_path: Path, text: str, words: dict[str, str], found: list[str]) -> None:
    path = tmp_path / "x.md"
    path.write_text(text, encoding="utf-8")
    assert [hit.split("'")[1] for hit in found_in(path, words)] == found


def test_comments_and_docstrings_are_read() -> None:
    source = '"""One\ntwo."""\n\n\ndef f() -> str:\n    """Three."""\n    return "told"  # four\n'
    assert comments(source) == "One\ntwo.\n\n\n\nThree.\nfour\n"


def test_messages_are_read() -> None:
    source = 'x = 1\nraise ValueError(f"The task is told {x} times.")\ny = "told"\nz = "SELECT told FROM told, where"\n'
    assert messages(source).split() == ["The", "task", "is", "told"]


def words_of(path: Path) -> str:
    """The comments, docstrings and names in a file of Python, with the words of each name apart."""
    source = path.read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    names = {token.string for token in tokens if token.type == tokenize.NAME}
    # What is in backquotes or quotes is data.
    text = re.sub(r"`[^`\n]+`|\"[^\"\n]+\"", "", comments(source))
    return f"{text}\n{' '.join(sorted(names))}".replace("_", " ").lower()


def private_words(path: Path) -> list[str]:
    text = words_of(path)
    return [
        f"{match[0]}: {instead}"
        for pattern, instead in PRIVATE.items()
        for match in re.finditer(rf"\b(?:{pattern})\b", text)
    ]


def test_private_words_are_found(tmp_path: Path) -> None:
    path = tmp_path / "test_x.py"
    path.write_text(
        'WISHES = "nobody"  # Somebody tells.\n"""`told` and problems."""\ndef a_problem(): pass\n', "utf-8"
    )
    assert [hit.partition(":")[0] for hit in private_words(path)] == ["wishes", "somebody", "problem", "tells"]


@pytest.mark.parametrize("path", files(TESTS), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_words_of_a_test(path: Path) -> None:
    assert private_words(path) == []


@pytest.mark.parametrize(
    "path",
    files((*DOCUMENTS, *PLUGINS, *CODE)),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_language_of_a_document(path: Path) -> None:
    chinese = "zh-CN" in path.name or "zh-CN" in path.parts
    assert list(found_in(path, CHINESE if chinese else ENGLISH)) == []


def test_each_list_finds_documents() -> None:
    empty = {pattern for pattern in (*DOCUMENTS, *PLUGINS, *CODE, *TESTS) if not list(ROOT.glob(pattern))}
    # A release takes over all fragments.
    assert empty <= {FRAGMENTS}


def test_the_changelog_has_no_markup_of_plugin_documentation() -> None:
    for path in files((FRAGMENTS,)):
        assert re.findall(r"\b[A-Z]\([^)]+\)", path.read_text(encoding="utf-8")) == []
