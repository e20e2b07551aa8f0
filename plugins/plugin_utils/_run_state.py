# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prepares the process of a run before it forks its workers. Plugins that open the state import this file."""

from __future__ import annotations

import ansible.constants
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.failed_waits import FAILED_WAITS
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import preload
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import prepare_redaction
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import PROXY_API_OPTIONS


def prepare_workers() -> None:
    """Do once what each worker would do, and let the workers share the waits that timed out."""
    preload()
    prepare_redaction(PROXY_API_OPTIONS)
    # Ansible creates this directory for each run, before the workers, and removes it in the end.
    FAILED_WAITS.share_in(str(ansible.constants.DEFAULT_LOCAL_TMP))
