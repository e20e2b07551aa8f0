# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories for PATH with one tool that asks for an egress address, and none of those that would
be taken before.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest


def programs(directory: Path, *names: str) -> Path:
    """A directory for PATH that holds these programs and no others."""
    directory.mkdir(parents=True)
    for name in names:
        target = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        assert target is not None, f"this test needs the program {name}"
        (directory / name).symlink_to(target)
    return directory


def path_for(folder: Path, tool: str, *others: str) -> Path:
    """A directory for PATH with this tool, and none of those that would be taken before it; "none"
    has no tool.
    """
    if tool == "busybox" and shutil.which("busybox", path="/usr/local/bin:/usr/bin:/bin") is None:
        pytest.skip("busybox is not installed: its wget cannot be tried")
    # Some systems have wget2 under the name of its ancestor.
    names = {"python": (), "none": (), "wget2": (), "busybox": ("busybox",)}.get(tool, (tool,))
    path = programs(folder / tool, *names, *others)
    if tool == "python":
        (path / "python3").symlink_to(Path(sys.executable).resolve())
    if tool == "busybox":
        (path / "wget").symlink_to((path / "busybox").resolve())
    if tool == "wget2":
        (path / "wget").symlink_to((programs(folder / "wget2-itself", "wget2") / "wget2").resolve())
    return path
