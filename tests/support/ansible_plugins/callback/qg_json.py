# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prints the outcome of a run as one JSON object, as the callback ansible.posix.json does."""

from __future__ import annotations

import json
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: qg_json
type: stdout
short_description: The outcome of a run as JSON
description: For tests alone.
"""


class CallbackModule(CallbackBase):
    """One object per run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "qg_json"

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._display.display(json.dumps({host: stats.summarize(host) for host in stats.processed}))
