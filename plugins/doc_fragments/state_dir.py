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
      - The directory in which the runs of one control node share the count of calls per minute, what was registered for
        which host, and what was applied for with which options. It is made with mode 0700, and must be on a local disk.
      - Keys are kept in it only as a salted digest.
      - If not set, the environment variable E(QG_STATE_DIR) is used before the default.
    type: path
    default: ~/.ansible/qgnet
"""
