# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the option that names the state directory."""

from __future__ import annotations


class ModuleDocFragment:
    """Where the runs of one control node share what they know."""

    DOCUMENTATION = r"""
options:
  state_dir:
    description:
      - The directory that all runs on a control node share, with the count of calls per minute, the registrations of
        hosts, and the records of leases and resources. It is created with mode 0700, and must be on a local disk.
      - It contains only salted digests of keys.
      - If not set, the variable C(qg_state_dir) and the environment variable E(QG_STATE_DIR) are used in this order
        before the default.
    type: path
    default: ~/.ansible/qgnet
"""

    # The same for plugins that run on the control node alone, whose variables and environment Ansible documents
    # itself.
    PLUGIN = r"""
options:
  state_dir:
    description:
      - The directory that all runs on a control node share, with the count of calls per minute, the registrations of
        hosts, and the records of leases and resources. It is created with mode 0700, and must be on a local disk.
      - It contains only salted digests of keys.
    type: path
    default: ~/.ansible/qgnet
    vars:
      - name: qg_state_dir
    env:
      - name: QG_STATE_DIR
"""
