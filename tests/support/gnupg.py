# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key of GnuPG for one test."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def gpg(home: str, *arguments: str) -> bytes:
    command = ["gpg", "--homedir", home, "--batch", "--passphrase", "", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


@contextmanager
def home_with_a_key() -> Iterator[str]:
    """Make a directory for GNUPGHOME, with a key that has no passphrase."""
    # The socket of gpg-agent needs a short path.
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        gpg(home, "--quick-generate-key", "releases@example.com", "ed25519", "sign", "never")
        try:
            yield home
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=True)
