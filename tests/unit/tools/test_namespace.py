# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another namespace is written everywhere where the namespace is meant, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import namespace
import pytest
import workspace

OLD = workspace.NAMESPACE
#: Where the word is the vendor's name: as a value of its cloud, and where the choice is explained.
VENDOR = re.compile(r"V\(qingguo\)|qingguo, desktop|\"qingguo\", \"desktop\"|brand=\"qingguo\"|than qingguo")
EXPLAINED = {"CONTRIBUTING.md", "tests/tools/namespace.py", "tests/unit/tools/test_namespace.py"}


@pytest.mark.parametrize(
    ("text", "renamed"),
    [
        ("qingguo.qgnet.qg_whitelist", "acme.qgnet.qg_whitelist"),
        (r"qingguo\.qgnet", r"acme\.qgnet"),
        ("ansible_collections/qingguo/qgnet/plugins", "ansible_collections/acme/qgnet/plugins"),
        ("dist/qingguo-qgnet-1.0.0.tar.gz", "dist/acme-qgnet-1.0.0.tar.gz"),
        ("https://github.com/qingguo/qingguo.qgnet/issues", "https://github.com/acme/acme.qgnet/issues"),
        (f"namespace: {OLD}\n", "namespace: acme\n"),
        ('("qingguo", "qgnet")', '("acme", "qgnet")'),
        ('NAMESPACE = "qingguo"', 'NAMESPACE = "acme"'),
        ("* @qingguo/maintainers", "* @acme/maintainers"),
        ("qingguo is the vendor", "qingguo is the vendor"),
        ("myqingguo.qgnet", "myqingguo.qgnet"),
    ],
)
def test_a_text(text: str, renamed: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(text, encoding="utf-8")
    assert namespace.rename(tmp_path, [Path("file")], OLD, "acme") == ([Path("file")] if text != renamed else [])
    assert (tmp_path / "file").read_text("utf-8") == renamed


@pytest.mark.nightly
def test_no_file_of_the_checkout_keeps_it(tmp_path: Path) -> None:
    files = [path for path in workspace.collection_files() if not (workspace.ROOT / path).is_symlink()]
    for path in files:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes((workspace.ROOT / path).read_bytes())
    changed = namespace.rename(tmp_path, files, OLD, "another1")
    assert len(changed) > 500
    left = {}
    for path in files:
        text = VENDOR.sub("", (tmp_path / path).read_text("utf-8"))
        if str(path) not in EXPLAINED and (found := re.findall(rf".{{0,20}}\b{OLD}\b.{{0,20}}", text)):
            left[path] = found
    assert left == {}
