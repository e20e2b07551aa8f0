# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The announcements of waits on the control node, displayed by Ansible."""

from __future__ import annotations

from ansible.utils.display import Display
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import clean
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.waiting import Announcer


def run_announcer(name: str, secrets: frozenset[str]) -> Announcer:
    """Return the announcer of a plugin, which removes the secrets.

    It writes to the standard error, since the standard output may be JSON.
    """
    display = Display()

    def show(text: str) -> None:
        display.display(clean({"msg": f"{name}: {text}"}, secrets)["msg"], stderr=True)

    return Announcer(show)
