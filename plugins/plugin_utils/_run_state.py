# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the process of a run prepares for the processes that it forks.

This file is private to the collection. Plugins that open the state import it.
"""

from __future__ import annotations

import ansible.constants
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.failed_waits import FAILED_WAITS
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import preload


def prepare_workers() -> None:
    """Import what a database needs, and let the workers share which waits have timed out."""
    preload()
    # Ansible creates this directory for each run, before the workers, and removes it in the end.
    FAILED_WAITS.share_in(str(ansible.constants.DEFAULT_LOCAL_TMP))
