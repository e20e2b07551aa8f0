# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bill of materials names what is in the archive, and what it requires."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import sbom

FILES = {
    "meta/runtime.yml": "requires_ansible: '>=2.16.0'\n",
    "requirements.txt": "# comment\nrequests>=2.28 # why\n",
    "tests/simulator/requirements.txt": "starlette>=1.0,<2\nproxy.py>=2.4.10,<3\nrequests\n",
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    about = {"namespace": "qingguo", "name": "qgnet", "version": "1.2.3", "license": ["GPL-3.0-or-later"]}
    about |= {"description": "What it is", "repository": "https://example.com/x"}
    listed = [
        {"name": name, "ftype": "file", "chksum_sha256": hashlib.sha256(text.encode()).hexdigest()}
        for name, text in FILES.items()
    ]
    made = {
        "MANIFEST.json": {"collection_info": about},
        "FILES.json": {"files": [{"name": ".", "ftype": "dir"}, *listed]},
    }
    path = tmp_path / "qingguo-qgnet-1.2.3.tar.gz"
    with tarfile.open(path, "w:gz") as opened:
        for name, text in {**FILES, **{name: json.dumps(value) for name, value in made.items()}}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            opened.addfile(member, io.BytesIO(text.encode()))
    return path


def test_the_bill_of_an_archive(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sbom.main([str(archive.parent)]) == 0
    value: dict[str, Any] = json.loads((archive.parent / "qingguo-qgnet-1.2.3.cdx.json").read_text("utf-8"))
    assert (value["bomFormat"], value["specVersion"]) == ("CycloneDX", "1.6")
    about = value["metadata"]["component"]
    assert about["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(archive.read_bytes()).hexdigest()}]
    packages = {part["purl"]: part for part in value["components"] if part["type"] == "library"}
    assert {
        purl: (part["scope"], part.get("properties", [{"value": ""}])[0]["value"]) for purl, part in packages.items()
    } == {
        "pkg:pypi/ansible-core": ("required", ">=2.16.0"),
        "pkg:pypi/requests": ("required", ">=2.28"),
        "pkg:pypi/starlette": ("optional", ">=1.0,<2"),
        "pkg:pypi/proxy-py": ("optional", ">=2.4.10,<3"),
    }
    assert [part["name"] for part in value["components"] if part["type"] == "file"] == list(FILES)
    assert value["dependencies"][0]["dependsOn"] == list(packages)
    assert sbom.bill(archive) == value
    assert capsys.readouterr().out == "sbom: qingguo-qgnet-1.2.3.cdx.json: 7 components\n"
