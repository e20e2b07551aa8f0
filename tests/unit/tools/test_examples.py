# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examples are found in every kind of document, recognised, and reported by their line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import examples

TASK = "- name: Wait\n  ansible.builtin.pause:\n"


@pytest.mark.parametrize("content", [None, [], {}, "text", [1], [{"hosts": "all"}, {"name": "x"}]])
def test_what_no_block_is(content: Any) -> None:
    with pytest.raises(ValueError, match="nothing else that is known"):
        examples.kind_of(content)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(examples, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("x.md", "# X\n\n```yaml\n- a: 1\n```\n\n```shell\nls\n```\n", 4),
        ("x.rst", "X\n=\n\n.. code-block:: yaml\n   :caption: c\n\n   - a: 1\n\nend\n", 7),
        ("plugins/modules/x.py", 'A = 1\nEXAMPLES = r"""\n- a: 1\n"""\n', 2),
    ],
)
def test_where_examples_stand(root: Path, name: str, text: str, line: int) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    (found,) = examples.examples_of(Path(name))
    assert (found.line, found.content) == (line, [{"a": 1}])


def test_a_finding_is_reported_by_the_line_of_the_document(tmp_path: Path) -> None:
    writer = examples.Writer(tmp_path / "out")
    writer.add(examples.Example(Path("docs/x.md"), 10, TASK))
    writer.add(examples.Example(Path("docs/x.md"), 20, "- hosts: all\n  roles: []\n"))
    writer.write()
    text = (writer.target / "playbooks" / "docs_x.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)[0]["tasks"] == yaml.safe_load(TASK)
    assert text.splitlines()[9] == "    - name: Wait"
    assert writer.translate("playbooks/docs_x.yml:11:3: bad") == "docs/x.md:11:3: bad"
    assert writer.translate(f"'{writer.target}/playbooks/docs_x.yml': line 21, column 3").startswith(
        "'docs/x.md': line 21"
    )


def test_an_example_too_near_to_the_one_before_is_an_error(tmp_path: Path) -> None:
    writer = examples.Writer(tmp_path)
    writer.add(examples.Example(Path("docs/x.md"), 10, TASK))
    with pytest.raises(ValueError, match="less than five lines"):
        writer.add(examples.Example(Path("docs/x.md"), 14, TASK))


def test_options_must_be_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"ips": {}, "state": {"choices": ["present", "absent"]}}
    known = {"module": {"qingguo.qgnet.qg_x": options}, "inventory": {}}
    monkeypatch.setattr(examples, "documented", lambda kind, names: known[kind])
    text = "- name: X\n  qingguo.qgnet.{}:\n    {}\n"

    def wrong(module: str, option: str) -> list[str]:
        return list(examples.wrong_options([examples.Example(Path("x.md"), 3, text.format(module, option))]))

    assert wrong("qg_x", "ips: []") == []
    assert wrong("qg_x", "state: '{{ state }}'") == []
    assert wrong("qg_x", "ip: []") == ["x.md:3: qingguo.qgnet.qg_x has no option ip"]
    assert wrong("qg_x", "state: gone") == ["x.md:3: state of qingguo.qgnet.qg_x cannot be gone"]
    assert wrong("qg_y", "ips: []") == ["x.md:3: there is no module qingguo.qgnet.qg_y"]


def test_options_of_an_event_source_must_be_documented(root: Path) -> None:
    path = root / "extensions" / "eda" / "plugins" / "event_source" / "qg_x.py"
    path.parent.mkdir(parents=True)
    path.write_text('DOCUMENTATION = r"""\noptions:\n  interval:\n    type: int\n"""\n', encoding="utf-8")
    text = "- name: X\n  hosts: all\n  sources:\n    - qingguo.qgnet.qg_x:\n        {}: 1\n  rules: []\n"

    def wrong(option: str) -> list[str]:
        return list(examples.wrong_options([examples.Example(Path("x.md"), 3, text.format(option))]))

    assert wrong("interval") == []
    assert wrong("every") == ["x.md:3: qingguo.qgnet.qg_x has no option every"]
