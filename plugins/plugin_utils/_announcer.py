# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The announcements of waits and of new stores on the control node, displayed by Ansible."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from ansible import constants
from ansible.utils.display import Display
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import Announcer
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line


def run_announcer(name: str) -> Announcer:
    """Return the announcer of a plugin.

    It announces each reason once in a run, whichever process waits first, and writes to the
    standard error, since the standard output may be JSON.
    """
    display = Display()

    def announce(reason: str, detail: str) -> None:
        name_of_reason = hashlib.sha256(reason.encode()).hexdigest()[:16]
        with contextlib.suppress(FileExistsError):
            # The directory of this run, which Ansible removes at its end.
            Path(constants.DEFAULT_LOCAL_TMP, f"qgnet-wait-{name_of_reason}").touch(
                0o600, exist_ok=False
            )
            text = f"{name}: {reason}: {detail}"
            display.display(one_line(text), stderr=True)

    return announce
