# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options of everything that calls the account API."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of the account API, which ``module_utils/_task/options.py`` declares as well."""

    DOCUMENTATION = r"""
options:
  app_id:
    description:
      - The I(appid) of the account, from the page Agent of the vendor's user centre (会员中心).
      - If not set, the variable C(qg_app_id) and the environment variable E(QG_APP_ID) are used in this order.
    type: str
    required: true
    aliases: [appid]
  app_key:
    description:
      - The I(appkey) of the account, from the same page. It signs the calls and is never sent.
      - If not set, the variable C(qg_app_key) and the environment variable E(QG_APP_KEY) are used in this order.
    type: str
    required: true
    aliases: [appkey]
  account_url:
    description:
      - The URL of the API. Resellers provide the same API under their own domain.
      - If not set, the variable C(qg_account_url) and the environment variable E(QG_ACCOUNT_URL) are used in this order
        before the default.
    type: str
    default: https://www.qg.net/api
  domain:
    description:
      - The site of the account, which is a part of the signature. For an account at a reseller, set the domain of the
        reseller.
      - If not set, the variable C(qg_domain) and the environment variable E(QG_DOMAIN) are used in this order before
        the default.
    type: str
    default: www.qg.net
notes:
  - Calls are signed with the time, so the clock of the machine that makes them must be right.
  - The vendor documents no rate limit for these calls, and the collection applies none.
"""

    # For plugins that run only on the control node: Ansible itself documents their variables and environment.
    PLUGIN = r"""
options:
  app_id:
    description:
      - The I(appid) of the account, from the page Agent of the vendor's user centre (会员中心).
    type: str
    required: true
    aliases: [appid]
    vars:
      - name: qg_app_id
    env:
      - name: QG_APP_ID
  app_key:
    description:
      - The I(appkey) of the account, from the same page. It signs the calls and is never sent.
    type: str
    required: true
    aliases: [appkey]
    vars:
      - name: qg_app_key
    env:
      - name: QG_APP_KEY
  account_url:
    description:
      - The URL of the API. Resellers provide the same API under their own domain.
    type: str
    default: https://www.qg.net/api
    vars:
      - name: qg_account_url
    env:
      - name: QG_ACCOUNT_URL
  domain:
    description:
      - The site of the account, which is a part of the signature. For an account at a reseller, set the domain of the
        reseller.
    type: str
    default: www.qg.net
    vars:
      - name: qg_domain
    env:
      - name: QG_DOMAIN
"""
