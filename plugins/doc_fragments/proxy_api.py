# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options of every module that calls the proxy API."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of the classic proxy API, which ``module_utils/_task/options.py`` declares as well."""

    DOCUMENTATION = r"""
options:
  key:
    description:
      - The key of the product. QG.net calls it I(Authkey).
    type: str
    required: true
  password:
    description:
      - The password of the key. QG.net calls it I(Authpwd). The API needs it only if authentication by key and password
        is enabled in QG.net's user center.
    type: str
  api_url:
    description:
      - The URL of the API. Resellers provide the same API at their own. With another URL than the default, the APIs of
        the products are expected at C(/PRODUCT) below it.
    type: str
    default: https://proxy.qg.net
notes:
  - QG.net limits the calls per key, endpoint and minute. All tasks that share O(store) share the count, and wait for
    their turn.
"""

    # For plugins that run only on the control node: Ansible itself documents their variables and environment.
    PLUGIN = r"""
options:
  key:
    description:
      - The key of the product. QG.net calls it I(Authkey).
    type: str
    required: true
    vars:
      - name: qg_key
    env:
      - name: QG_KEY
  password:
    description:
      - The password of the key. QG.net calls it I(Authpwd). The API needs it only if authentication by key and password
        is enabled in QG.net's user center.
    type: str
    vars:
      - name: qg_password
    env:
      - name: QG_PASSWORD
  api_url:
    description:
      - The URL of the API. Resellers provide the same API at their own. With another URL than the default, the APIs of
        the products are expected at C(/PRODUCT) below it.
    type: str
    default: https://proxy.qg.net
    vars:
      - name: qg_api_url
    env:
      - name: QG_API_URL
"""
