# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the reference in both languages, from the documentation of each part.

usage: reference.py [--check | --version VERSION]

The English is the documentation of modules, plugins and roles, and the first comment of each
playbook. ``reference.yml`` has the order and the Chinese. With ``--check``, nothing is written, and
the program fails if a file is not current. With ``--version``, all links of the documents lead to
this version from now on: to its tag, and to its part of the site.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
SITE = "https://qingguo.github.io/qingguo.qgnet"
GITHUB = "https://github.com/qingguo/qingguo.qgnet"
#: What a link has before and after the version to which it leads.
LINK = re.compile(
    rf"({re.escape(SITE)}/|{re.escape(GITHUB)}/(?:blob|tree|raw)/)([^/\s`>)\"]+)(?=/)"
)
#: The files with such links.
LINKED = (
    "*.md",
    "galaxy.yml",
    "docs/docsite/links.yml",
    "docs/docsite/rst/*.rst",
    "docs/zh-CN/*.md",
    "extensions/*/*.md",
    "roles/*/*.md",
    "tests/simulator/*.md",
)
VARIABLE = re.compile(r"^(\w+) \((.+?)\): (.+)$")
CHINESE: dict[str, Any] = yaml.safe_load((ROOT / "tools/reference.yml").read_text("utf-8"))
#: The kinds of plugins beside modules, with their names in both languages.
KINDS = {
    "lookup": ("lookup", "lookup"),
    "filter": ("filter", "filter"),
    "inventory": ("inventory", "inventory"),
    "event_source": ("event source", "事件源"),
}


@dataclass(frozen=True)
class Playbook:
    """What the first comment of a playbook says: its variables are (name, default, meaning)."""

    summary: str
    description: str
    variables: list[tuple[str, str, str]]


def documentation(path: Path) -> dict[str, Any]:
    """Return the documentation of a module or plugin, without the fragments that it extends."""
    for statement in ast.parse(path.read_text("utf-8")).body:
        if not isinstance(statement, ast.Assign):
            continue
        if ast.unparse(statement.targets[0]) == "DOCUMENTATION":
            content: dict[str, Any] = yaml.safe_load(ast.literal_eval(statement.value))
            return content
    raise ValueError(f"{path} has no DOCUMENTATION")


def path_of(plugin: str) -> Path:
    """Return the file of a plugin that is named as in reference.yml, such as lookup/proxy."""
    if plugin.startswith("event_source/"):
        return ROOT / f"extensions/eda/plugins/{plugin}.py"
    return ROOT / f"plugins/{plugin}.py"


def playbook(name: str) -> Playbook:
    """Read the first comment of a playbook."""
    text = (ROOT / f"playbooks/{name}.yml").read_text("utf-8").partition("\n---\n")[0]
    lines = [line.removeprefix("#").removeprefix(" ") for line in text.splitlines()]
    _license, summary, description, listed = "\n".join(lines).split("\n\n")
    variables = []
    for entry in re.sub(r"\n {4}", " ", listed).splitlines()[1:]:
        found = VARIABLE.match(entry.strip())
        if found is None:
            raise ValueError(f"{name}.yml: {entry!r} is not of the form 'name (default): meaning'")
        variables.append((found[1], found[2], found[3]))
    return Playbook(summary, description.replace("\n", " "), variables)


def chinese_playbook(name: str) -> Playbook:
    """Return what reference.yml says about a playbook."""
    own = CHINESE["playbooks"][name]
    variables = [(variable, *texts) for variable, texts in own["variables"].items()]
    return Playbook(own["summary"], own["description"], variables)


def check_chinese() -> None:
    """Fail unless reference.yml has all parts of the collection, and no others."""
    modules = [name for group in CHINESE["modules"] for name in group["rows"]]
    plugins = [
        f"{path.parent.name}/{path.stem}"
        for kind in KINDS
        for path in path_of(f"{kind}/x").parent.glob("*.py")
    ]
    expected = {
        "modules": [path.stem for path in (ROOT / "plugins/modules").glob("*.py")],
        "plugins": plugins,
        "roles": [path.name for path in (ROOT / "roles").iterdir()],
        "playbooks": [path.stem for path in (ROOT / "playbooks").glob("*.yml")],
    }
    for part, names in expected.items():
        translated = modules if part == "modules" else list(CHINESE[part])
        if sorted(translated) != sorted(names):
            different = sorted(set(translated) ^ set(names))
            raise ValueError(f"reference.yml, {part}: missing or too many: {different}")
    for name in CHINESE["playbooks"]:
        of_each = [
            [variable for variable, _default, _meaning in page.variables]
            for page in (playbook(name), chinese_playbook(name))
        ]
        if of_each[0] != of_each[1]:
            raise ValueError(f"reference.yml, playbook {name}: other variables or another order")


class Page:
    """The rows of the reference in one language: English, or Chinese."""

    def __init__(self, language: str, version: str) -> None:
        self.is_english = language == "en"
        self.language = language
        self.site = f"{SITE}/{version}"
        self.github = f"{GITHUB}/blob/{version}"

    def choose(self, english: str, chinese: str) -> str:
        """Return the text of this language."""
        return english if self.is_english else chinese

    def modules(self, group: dict[str, Any]) -> list[tuple[str, str, str]]:
        """Return name, link and summary of the modules of a group."""
        rows = []
        for name, chinese in group["rows"].items():
            english = documentation(ROOT / f"plugins/modules/{name}.py")["short_description"]
            link = f"{self.site}/{name}_module.html"
            rows.append((f"`{name}`", link, self.choose(english, chinese)))
        return rows

    def roles(self) -> list[tuple[str, str, str]]:
        """Return name, link and summary of the roles."""
        rows = []
        for name, chinese in CHINESE["roles"].items():
            path = ROOT / f"roles/{name}/meta/argument_specs.yml"
            specs = yaml.safe_load(path.read_text("utf-8"))["argument_specs"]
            english = specs["main.yml"]["short_description"]
            link = f"{self.site}/{name}_role.html"
            rows.append((f"`{name}` (role)", link, self.choose(english, chinese)))
        return rows

    def plugins(self) -> list[tuple[str, str, str]]:
        """Return name, link and summary of the plugins that are no modules."""
        rows = []
        for plugin, chinese in CHINESE["plugins"].items():
            kind, name = plugin.split("/")
            link = f"{self.site}/{name}_{kind}.html"
            if kind == "event_source":
                link = f"{self.github}/extensions/eda/README.md"
            english = documentation(path_of(plugin))["short_description"]
            shown = f"`{name}` ({self.choose(*KINDS[kind])})"
            rows.append((shown, link, self.choose(english, chinese)))
        return rows

    def playbook(self, name: str) -> Playbook:
        """Return the documentation of a playbook."""
        return playbook(name) if self.is_english else chinese_playbook(name)


def markdown_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table for a page in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def linked(rows: list[tuple[str, str, str]]) -> list[tuple[str, ...]]:
    """Return rows with name and summary, in which the name is a link of Markdown."""
    return [(f"[{name}]({link})", summary) for name, link, summary in rows]


def rst(text: str) -> str:
    """Return a text of Markdown as reStructuredText."""
    return text.replace("`", "``")


def rst_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table for a page in reStructuredText."""
    first, *others = [
        ", ".join('"' + cell.replace('"', '""') + '"' for cell in cells) for cells in (head, *rows)
    ]
    lines = [f".. csv-table::\n   :header: {first}\n", *(f"   {line}" for line in others)]
    return "\n".join(lines) + "\n"


def rst_linked(rows: list[tuple[str, str, str]]) -> list[tuple[str, ...]]:
    """Return rows with name and summary, in which the name is a link of reStructuredText."""
    cells: list[tuple[str, ...]] = []
    for name, link, summary in rows:
        plain, _blank, kind = name.replace("`", "").partition(" ")
        cells.append((f"`{plain} <{link}>`__ {kind}".rstrip(), rst(summary)))
    return cells


def rst_section(title: str, line: str, *parts: str) -> str:
    """Return a section of a page in reStructuredText."""
    return "\n".join([f"{title}\n{line * len(title)}\n", *parts]) + "\n"


def english_reference(page: Page, frame: str) -> str:
    """Return the English page, of which the frame has the text before the tables."""
    head = ("Name", "What it does")
    parts = [frame]
    parts.append(rst_section("Roles", "-", rst_table(head, rst_linked(page.roles()))))
    groups = [
        rst_section(group["title"]["en"], "~", rst_table(head, rst_linked(page.modules(group))))
        for group in CHINESE["modules"]
    ]
    parts.append(rst_section("Modules", "-", *groups))
    parts.append(rst_section("Plugins", "-", rst_table(head, rst_linked(page.plugins()))))
    playbooks = []
    for name in CHINESE["playbooks"]:
        own = page.playbook(name)
        rows: list[tuple[str, ...]] = [
            (f"``{variable}``", rst(default), rst(meaning))
            for variable, default, meaning in own.variables
        ]
        table = rst_table(("Variable", "Default", "Meaning"), rows)
        description = textwrap.fill(rst(own.description), width=124, break_on_hyphens=False)
        texts = (f"{rst(own.summary)}.\n", f"{description}\n", table)
        playbooks.append(rst_section(name, "~", *texts))
    parts.append(rst_section("Playbooks", "-", *playbooks))
    return re.sub("\n{3,}", "\n\n", "".join(parts)).rstrip("\n") + "\n"


def chinese_reference(page: Page, frame: str) -> str:
    """Return the Chinese page, of which the frame has the text before the tables."""
    head = ("名称", "作用")
    parts = [frame, f"## role\n\n{markdown_table(head, linked(page.roles()))}\n## 模块\n"]
    for group in CHINESE["modules"]:
        table = markdown_table(head, linked(page.modules(group)))
        parts.append(f"\n### {group['title']['zh']}\n\n{table}")
    parts.append(f"\n## 插件\n\n{markdown_table(head, linked(page.plugins()))}\n## playbook\n")
    for name in CHINESE["playbooks"]:
        own = page.playbook(name)
        rows: list[tuple[str, ...]] = [
            (f"`{variable}`", default, meaning) for variable, default, meaning in own.variables
        ]
        table = markdown_table(("变量", "默认值", "含义"), rows)
        parts.append(f"\n### {name}\n\n{own.summary}。{own.description}\n\n{table}")
    return "".join(parts)


def generated(version: str) -> dict[Path, str]:
    """Return the two files, of which the text before the tables is kept."""
    check_chinese()
    english = Page("en", version)
    chinese = Page("zh", version)
    result = {}
    path = ROOT / "docs/docsite/rst/reference.rst"
    frame = path.read_text("utf-8").partition("Roles\n-----\n")[0]
    result[path] = english_reference(english, frame)
    path = ROOT / "docs/zh-CN/reference.md"
    frame = path.read_text("utf-8").partition("## role\n")[0]
    result[path] = chinese_reference(chinese, frame)
    return result


def current_version() -> str:
    """Return the version to which the links of the documents lead."""
    text = (ROOT / "galaxy.yml").read_text("utf-8")
    found = re.search(rf"^documentation: {re.escape(SITE)}/([^/\s]+)/$", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"the documentation in galaxy.yml is not {SITE}/VERSION/")
    return found[1]


def point_links(version: str) -> None:
    """Let all links lead to a version."""
    for pattern in LINKED:
        for path in ROOT.glob(pattern):
            text = path.read_text("utf-8")
            path.write_text(LINK.sub(rf"\g<1>{version}", text), "utf-8")


def show_on_site(_app: object, page: str, source: list[str]) -> None:
    """Let links between the pages of the site stay on it; Sphinx calls this for each page."""
    version = current_version()
    up = "../" * page.count("/") or "./"
    guides = rf"{re.escape(GITHUB)}/blob/{version}/docs/docsite/rst/(\w+)\.rst"
    text = re.sub(guides, rf"{up}docsite/\1.html", source[0])
    source[0] = text.replace(f"{SITE}/{version}/", up)


def main(arguments: list[str]) -> int:
    """Run as a program."""
    if arguments[:1] == ["--version"]:
        point_links(arguments[1])
    files = generated(current_version())
    if arguments != ["--check"]:
        for path, text in files.items():
            path.write_text(text, "utf-8")
        return 0
    old = [path.name for path, text in files.items() if path.read_text("utf-8") != text]
    if old:
        print(
            f"not current: {', '.join(old)}: run .venv/bin/python tools/reference.py",
            file=sys.stderr,
        )
    return 1 if old else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
