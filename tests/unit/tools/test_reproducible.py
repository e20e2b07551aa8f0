# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two builds of one commit are the same bytes, and still a collection."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from reproducible import commit_time, repack

CONTENT = {"galaxy": b"", "plugins/b.py": b"b = 1\n", "plugins/a.py": b"a = 1\n"}


def build(path: Path, names: list[str], time: int) -> None:
    """An archive as ansible-galaxy makes it: files in any order, with the time of the build."""
    files = [{"name": name, "chksum_sha256": hashlib.sha256(CONTENT[name]).hexdigest()} for name in names]
    listed = json.dumps({"files": files}).encode()
    manifest = {"file_manifest_file": {"name": "FILES.json", "chksum_sha256": hashlib.sha256(listed).hexdigest()}}
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {
            "MANIFEST.json": json.dumps(manifest).encode(),
            "FILES.json": listed,
            **{name: CONTENT[name] for name in names},
        }.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uname, member.mode = len(content), time, f"user{time}", 0o644
            archive.addfile(member, io.BytesIO(content))


def read(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {member.name: (archive.extractfile(member) or io.BytesIO()).read() for member in archive}


def test_the_order_and_the_time_of_a_build_do_not_show(tmp_path: Path) -> None:
    one, other = tmp_path / "one.tar.gz", tmp_path / "other.tar.gz"
    build(one, sorted(CONTENT), 1)
    build(other, sorted(CONTENT, reverse=True), 2)
    assert one.read_bytes() != other.read_bytes()
    for path in (one, other):
        repack(path, 1_800_000_000)
    assert one.read_bytes() == other.read_bytes()


def test_the_files_remain_and_the_manifest_fits_their_list(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    build(path, list(CONTENT), 1)
    repack(path, 1_800_000_000)
    found = read(path)
    assert list(found)[:2] == ["MANIFEST.json", "FILES.json"]
    assert {name: found[name] for name in CONTENT} == CONTENT
    manifest: dict[str, Any] = json.loads(found["MANIFEST.json"])
    assert manifest["file_manifest_file"]["chksum_sha256"] == hashlib.sha256(found["FILES.json"]).hexdigest()
    assert [entry["name"] for entry in json.loads(found["FILES.json"])["files"]] == sorted(CONTENT)


def test_the_time_is_that_of_the_commit_unless_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert commit_time() > 1_700_000_000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1750000000")
    assert commit_time() == 1_750_000_000
