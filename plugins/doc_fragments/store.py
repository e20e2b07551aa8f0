# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the option for the store."""


class ModuleDocFragment:
    """The option for the store, which ``module_utils/_task/api_options.py`` declares as well."""

    DOCUMENTATION = r"""
options:
  store:
    description:
      - Where runs share rate limits, locks, registrations and the record of purchases. This is a
        local directory or, for several control nodes, the URL of a PostgreSQL database, such as
        V(postgresql://qgnet@db.example.com/qgnet). A database requires the Python library
        C(psycopg).
      - The path of a directory must be absolute, or begin with V(~/).
      - Only the default directory is made if it does not exist. Any other must exist, since the
        ledger, caps and registrations of a new store begin empty. To begin one, make an empty
        directory with C(mkdir -m 700). The first run says that the store is new.
    type: str
    default: ~/.ansible/qgnet
"""

    # The sources of the same options, for plugins that are not modules.
    PLUGIN = r"""
options:
  store:
    vars:
      - name: qg_store
    env:
      - name: QG_STORE
"""
