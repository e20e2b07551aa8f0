# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options of everything that calls the account API."""


class ModuleDocFragment:
    """The options of the account API, which ``_task/api_options.py`` declares as well."""

    DOCUMENTATION = r"""
options:
  app_id:
    description:
      - The I(appid) of the account, from the page Agent in QG.net's user center (会员中心).
    type: str
    required: true
  app_key:
    description:
      - The I(appkey) of the account, from the same page. It signs the calls and is never sent.
    type: str
    required: true
  account_url:
    description:
      - The URL of the account API, or of the same API of a reseller. The host of a reseller's URL
        is the C(domain) in the signature.
    type: str
    default: https://www.qg.net/api
notes:
  - The signature of a call contains the time, so the clock of the machine that sends it must be
    right.
"""

    # The sources of the same options, for plugins that are not modules.
    PLUGIN = r"""
options:
  app_id:
    vars:
      - name: qg_app_id
    env:
      - name: QG_APP_ID
  app_key:
    vars:
      - name: qg_app_key
    env:
      - name: QG_APP_KEY
  account_url:
    vars:
      - name: qg_account_url
    env:
      - name: QG_ACCOUNT_URL
"""
