# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the archive of the collection so that it depends on its commit alone: two builds of it are the same bytes.

ansible-galaxy writes the time of the build into the archive, and lists the files as the file system does.

usage: reproducible.py DIRECTORY
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import workspace

MANIFEST, FILES = "MANIFEST.json", "FILES.json"


def commit_time() -> int:
    """Return the time of the commit, or that of SOURCE_DATE_EPOCH, in seconds since 1970."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    command = ["git", "log", "-1", "--format=%ct"]
    return int(given or subprocess.run(command, cwd=workspace.ROOT, capture_output=True, text=True, check=True).stdout)


def _encoded(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode()


def _in_order(contents: dict[str, bytes]) -> None:
    """Sort the list of files, and put its checksum into the manifest."""
    listed = json.loads(contents[FILES])
    listed["files"].sort(key=lambda entry: entry["name"])
    contents[FILES] = _encoded(listed)
    manifest = json.loads(contents[MANIFEST])
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(contents[FILES]).hexdigest()
    contents[MANIFEST] = _encoded(manifest)


def repack(archive: Path, seconds: int) -> None:
    """Write an archive anew: sorted, with this time, and with nothing of who built it."""
    with tarfile.open(archive) as opened:
        members = {member.name: member for member in opened.getmembers()}
        contents = {}
        for name, member in members.items():
            if file := opened.extractfile(member):
                contents[name] = file.read()
    _in_order(contents)
    packed = io.BytesIO()
    # Without a name and a time in its head, and by the same level everywhere.
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=seconds) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as made,
    ):
        # Galaxy expects the manifest first.
        for name in sorted(members, key=lambda name: (name not in (MANIFEST, FILES), name != MANIFEST, name)):
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.mtime = members[name].type, members[name].mode, seconds
            content = contents.get(name, b"")
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    archive.write_bytes(packed.getvalue())


def build(folder: Path) -> Path:
    """Build the archive, and show its checksum."""
    label = f"build-{os.getpid()}"
    copy = workspace.copy_collection(label)
    command = ["ansible-galaxy", "collection", "build", "--force", "--output-path", str(folder), str(copy)]
    subprocess.run(command, check=True)
    workspace.drop_copy(label)
    archive = folder / f"{workspace.NAMESPACE}-{workspace.NAME}-{workspace.version()}.tar.gz"
    repack(archive, commit_time())
    print(f"reproducible: {hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}", flush=True)
    return archive


if __name__ == "__main__":
    build(Path(sys.argv[1]))
