# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options for the state."""

from __future__ import annotations


class ModuleDocFragment:
    """The options for the state that the runs of one or several control nodes share."""

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
  state_url:
    description:
      - The URL of a PostgreSQL database that several control nodes share instead of the O(state_dir) of each, such as
        V(postgresql://qgnet@db.example.com/qgnet). It needs the Python package C(psycopg), version 3.2 or newer.
      - The password can be part of it, or in E(PGPASSWORD), C(~/.pgpass) or a service file. Parameters of the URL are
        those of libpq, such as C(sslmode).
      - If not set, the variable C(qg_state_url) and the environment variable E(QG_STATE_URL) are used in this order.
    type: str
"""

    # For plugins that run only on the control node: Ansible itself documents their variables and environment.
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
  state_url:
    description:
      - The URL of a PostgreSQL database that several control nodes share instead of the O(state_dir) of each, such as
        V(postgresql://qgnet@db.example.com/qgnet). It needs the Python package C(psycopg), version 3.2 or newer.
      - The password can be part of it, or in E(PGPASSWORD), C(~/.pgpass) or a service file. Parameters of the URL are
        those of libpq, such as C(sslmode).
    type: str
    vars:
      - name: qg_state_url
    env:
      - name: QG_STATE_URL
"""
