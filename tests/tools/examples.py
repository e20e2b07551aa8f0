# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check every YAML example of the documents: guides and READMEs in both languages, and EXAMPLES of modules and plugins.

Each is written into a playbook, a file of variables or what else it is, below .cache/examples. ansible-lint checks them
under its production profile, the syntax of playbooks as well. What it leaves out are the options of a module that has
an action plugin, and of an inventory plugin: those that an example gives must be documented ones. What is found is
reported by the line of the document.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import workspace
import yaml

ROOT = workspace.ROOT
TARGET = workspace.CACHE / "examples"
COLLECTION = f"{workspace.NAMESPACE}.{workspace.NAME}"
PLUGINS = ("cache", "callback", "filter", "inventory", "lookup", "modules", "test", "vars")
#: Where ansible-lint expects what kind of file.
FOLDERS = {
    "playbook": "playbooks",
    "tasks": "playbooks",
    "variables": "vars",
    "inventory": "inventory",
    "rulebook": "extensions/eda/rulebooks",
    "requirements": "other",
    "pipeline": "other",
}
_FENCE = re.compile(r"^(?P<indent> *)```(?:yaml|yml|yaml\+jinja)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_DIRECTIVE = re.compile(
    r"^(?P<indent> *)\.\. code-block:: (?:yaml|yaml\+jinja)\n(?: +:\S.*\n)*\n(?P<body>(?:(?P=indent)   .*\n|\n)+)",
    re.MULTILINE,
)
_PLAY = {"hosts", "import_playbook", "ansible.builtin.import_playbook"}


@dataclass(frozen=True)
class Example:
    """One block of YAML in a document."""

    source: Path
    line: int
    text: str

    @property
    def kind(self) -> str:
        return kind_of(self.content)

    @property
    def content(self) -> Any:
        return yaml.safe_load(self.text)

    def __str__(self) -> str:
        return f"{self.source}:{self.line}"


def kind_of(content: Any) -> str:
    """Tell what a piece of YAML is, or raise ValueError."""
    if isinstance(content, list) and content and all(isinstance(entry, dict) for entry in content):
        if all("rules" in entry and "sources" in entry for entry in content):
            return "rulebook"
        plays = [bool(_PLAY & set(entry)) for entry in content]
        if all(plays):
            return "playbook"
        if not any(plays):
            return "tasks"
    elif isinstance(content, dict) and content:
        if "plugin" in content or set(content) == {"all"}:
            return "inventory"
        if "collections" in content:
            return "requirements"
        return "pipeline" if {"jobs", "stages", "steps"} & set(content) else "variables"
    raise ValueError("is no playbook, no tasks, and nothing else that is known")


def blocks(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, str]]:
    for match in pattern.finditer(text):
        yield text.count("\n", 0, match.start("body")) + 1, textwrap.dedent(match["body"]).rstrip() + "\n"


def documents(text: str, line: int) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each document in a block, which three dashes part."""
    for part in re.split(r"^---$", text, flags=re.MULTILINE):
        if part.strip() and yaml.safe_load(part) is not None:
            yield line, part
        line += part.count("\n")


def constant(text: str, name: str) -> Iterator[tuple[int, str]]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            yield node.value.lineno, ast.literal_eval(node.value)


def examples_of(path: Path) -> Iterator[Example]:
    """Yield the examples of a file of the checkout."""
    text = (ROOT / path).read_text(encoding="utf-8")
    found: Iterable[tuple[int, str]] = ()
    if path.suffix == ".md":
        found = blocks(_FENCE, text)
    elif path.suffix == ".rst":
        found = blocks(_DIRECTIVE, text)
    elif path.parts[:1] == ("plugins",) and path.parts[1] in PLUGINS:
        found = constant(text, "EXAMPLES")
    for line, block in found:
        for place, part in documents(block, line):
            yield Example(path, place, part)


def collect() -> list[Example]:
    names = [path for path in workspace.collection_files() if path.suffix in (".md", ".rst", ".py")]
    return [example for path in names for example in examples_of(path)]


class Writer:
    """Writes examples to where ansible-lint knows what they are, each line under its number in the document."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.lines: dict[str, dict[int, str]] = {}
        self.sources: dict[str, Path] = {}

    def add(self, example: Example) -> None:
        """Take over an example; those of one document that are played share a playbook."""
        kind = example.kind
        stem = re.sub(r"\W+", "_", str(example.source.with_suffix(""))).strip("_").lower()
        name = f"{FOLDERS[kind]}/{stem}{'' if FOLDERS[kind] == 'playbooks' else f'_{example.line}'}.yml"
        self.sources[name] = example.source
        lines = self.lines.setdefault(name, {})
        text = dict(enumerate(example.text.rstrip("\n").split("\n"), example.line))
        if kind == "tasks":
            play = (f"- name: Tasks of line {example.line}", "  hosts: localhost", "  gather_facts: false", "  tasks:")
            text = {number: f"    {line}".rstrip() for number, line in text.items()}
            text |= dict(enumerate(play, example.line - len(play)))
        if min(text) < 1 or text.keys() & lines.keys():
            raise ValueError("begins less than five lines after the example before it")
        lines |= text

    def write(self) -> None:
        shutil.rmtree(self.target, ignore_errors=True)
        for name, lines in self.lines.items():
            path = self.target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{lines.get(number, '#')}\n" for number in range(1, max(lines) + 1)), "utf-8")
        # ansible-lint takes the nearest one for the project
        for name in (".ansible-lint", ".yamllint"):
            settings = (ROOT / name).read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in settings if not line.startswith(("exclude_paths", "ignore-from-file", "  - "))]
            (self.target / name).write_text("".join(kept), "utf-8")

    def translate(self, output: str) -> str:
        """Name the document instead of the file that was written."""
        for name, source in self.sources.items():
            output = output.replace(f"{self.target}/{name}", str(source)).replace(name, str(source))
        return output


def documented_event_source(name: str) -> dict[str, Any]:
    """Return the options of an event source, which ansible-doc does not know."""
    path = ROOT / "extensions" / "eda" / "plugins" / "event_source" / f"{name}.py"
    for _line, text in constant(path.read_text(encoding="utf-8"), "DOCUMENTATION") if path.exists() else ():
        return dict(yaml.safe_load(text)["options"])
    return {}


def documented(kind: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the options of plugins of the collection, by full name."""
    wanted = sorted({name for name in names if name.startswith(f"{COLLECTION}.")})
    if not wanted:
        return {}
    if kind == "event source":
        return {name: documented_event_source(name.rpartition(".")[2]) for name in wanted}
    command = ["ansible-doc", "--json", "--type", kind, *wanted]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {name: entry["doc"].get("options", {}) for name, entry in json.loads(shown).items()}


def calls(content: Any, kind: str = "module") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the tasks and event sources of the collection that a piece of YAML has, with their options."""
    if isinstance(content, list):
        for entry in content:
            yield from calls(entry, kind)
    elif isinstance(content, dict):
        for name, value in content.items():
            if str(name).startswith(f"{COLLECTION}."):
                yield kind, str(name), value if isinstance(value, dict) else {}
            else:
                yield from calls(value, "event source" if name == "sources" and "rules" in content else kind)


def wrong_options(examples: Iterable[Example]) -> Iterator[str]:
    used = [(example, *call) for example in examples for call in calls(example.content)]
    used += [
        (example, "inventory", example.content["plugin"], example.content)
        for example in examples
        if example.kind == "inventory" and "plugin" in example.content
    ]
    names: dict[str, list[str]] = {}
    for _example, kind, name, _options in used:
        names.setdefault(kind, []).append(name)
    known = {kind: documented(kind, wanted) for kind, wanted in names.items()}
    for example, kind, name, options in used:
        if not known[kind].get(name):
            yield f"{example}: there is no {kind} {name}"
            continue
        for option, value in options.items():
            allowed = known[kind][name].get(option)
            if allowed is None:
                yield f"{example}: {name} has no option {option}"
            elif (
                "choices" in allowed
                and isinstance(value, str)
                and "{{" not in value
                and value not in allowed["choices"]
            ):
                yield f"{example}: {option} of {name} cannot be {value}"


def main() -> int:
    examples = collect()
    writer = Writer(TARGET)
    wrong = []
    sound = []
    for example in examples:
        try:
            writer.add(example)
            sound.append(example)
        except (ValueError, yaml.YAMLError) as problem:
            wrong.append(f"{example}: {problem}")
    wrong += wrong_options(sound)
    writer.write()
    command = ["ansible-lint", "--offline", "--profile", "production", "--strict", "--format", "pep8", "-q"]
    done = subprocess.run(command, cwd=writer.target, capture_output=True, text=True, check=False)
    if done.returncode:
        print(writer.translate(done.stdout + done.stderr), file=sys.stderr)
    for reason in wrong:
        print(f"examples: {reason}", file=sys.stderr)
    kinds = Counter(example.kind for example in sound)
    reported = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    sources = len({example.source for example in examples})
    print(f"examples: {len(examples)} examples in {sources} documents ({reported})")
    return 1 if wrong or done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
