# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the bill of materials of the archives in a directory, as CycloneDX: their files, and what they require.

usage: sbom.py DIRECTORY
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tarfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

#: Files of the archive that name Python packages, and whether they are needed for each use.
REQUIREMENTS = {"requirements.txt": "required", "tests/simulator/requirements.txt": "optional"}


def _members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        files = ((member.name.removeprefix("./"), opened.extractfile(member)) for member in opened.getmembers())
        return {name: content.read() for name, content in files if content is not None}


def packages_in(files: dict[str, bytes]) -> Iterator[dict[str, Any]]:
    core = yaml.safe_load(files["meta/runtime.yml"])["requires_ansible"]
    lines = [("required", f"ansible-core{core}")]
    lines += [(scope, line) for name, scope in REQUIREMENTS.items() for line in files[name].decode().splitlines()]
    seen = set()
    for scope, line in lines:
        found = re.match(r"([A-Za-z0-9._-]+?)(?:\[.*\])?\s*([<>=!~].*)?$", line.partition("#")[0].strip())
        if found and found[1] not in seen:
            seen.add(found[1])
            purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', found[1]).lower()}"
            range_of = [{"name": "qgnet:version-range", "value": found[2].strip()}] if found[2] else []
            yield {"type": "library", "bom-ref": purl, "name": found[1], "purl": purl, "scope": scope} | (
                {"properties": range_of} if range_of else {}
            )


def bill(archive: Path) -> dict[str, Any]:
    """Return the bill of materials of an archive; the same for the same archive."""
    files = _members(archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    about = json.loads(files["MANIFEST.json"])["collection_info"]
    name, version = f"{about['namespace']}.{about['name']}", about["version"]
    reference = f"pkg:generic/{name}@{version}"
    packages = list(packages_in(files))
    listed = json.loads(files["FILES.json"])["files"]
    contents = [
        {"type": "file", "name": item["name"], "hashes": [{"alg": "SHA-256", "content": item["chksum_sha256"]}]}
        for item in listed
        if item["ftype"] == "file"
    ]
    licences = [{"license": {"id": identifier}} for identifier in about["license"]]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, digest)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": reference,
                "name": name,
                "version": version,
                "description": about["description"],
                "purl": reference,
                "licenses": licences,
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "externalReferences": [{"type": "vcs", "url": about["repository"]}],
            }
        },
        "components": packages + contents,
        "dependencies": [{"ref": reference, "dependsOn": [package["bom-ref"] for package in packages]}],
    }


def main(arguments: Sequence[str]) -> int:
    archives = sorted(Path(arguments[0]).glob("*.tar.gz"))
    if not archives:
        print(f"sbom: {arguments[0]} holds no archive; make build makes it", file=sys.stderr)
        return 1
    for archive in archives:
        target = archive.with_name(f"{archive.name.removesuffix('.tar.gz')}.cdx.json")
        value = bill(archive)
        target.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        print(f"sbom: {target.name}: {len(value['components'])} components")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
