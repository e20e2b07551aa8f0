# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes a private file in one step."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from .._core.errors import OptionError

_MODE = 0o600


def export(path: str, content: str, *, check: bool) -> bool:
    """Write the content to a file that only its owner can read; returns whether that changes it.

    Other processes see the old content or the new one. With ``check``, nothing is written.
    """
    target, data = Path(path), content.encode("utf-8", "replace")
    try:
        if not target.parent.is_dir():
            raise NotADirectoryError(0, "its directory does not exist")
        if target.is_dir():
            raise IsADirectoryError(0, "it is a directory")
        changed = not _is_current(target, data)
        if changed and not check:
            _replace(target, data)
    except OSError as error:
        raise OptionError(f"export {path} cannot be written: {error.strerror}. Give another path.") from None
    return changed


def _is_current(target: Path, data: bytes) -> bool:
    try:
        return stat.S_IMODE(target.stat().st_mode) == _MODE and target.read_bytes() == data
    except FileNotFoundError:
        return False


def _replace(target: Path, data: bytes) -> None:
    # The file of mkstemp() has the mode 0600.
    descriptor, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        raise
