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
      - The key of the product. The vendor calls it I(Authkey).
      - If not set, the variable C(qg_key) and the environment variable E(QG_KEY) are used in this order.
    type: str
    required: true
    aliases: [api_key, authkey]
  password:
    description:
      - The API password of the key. The vendor calls it I(Authpwd). It is needed only if API authentication by key and
        password is enabled in the vendor's user centre.
      - If not set, the variable C(qg_password) and the environment variable E(QG_PASSWORD) are used in this order.
    type: str
  api_url:
    description:
      - The URL of the API. Resellers provide the same API under their own domain.
      - If not set, the variable C(qg_api_url) and the environment variable E(QG_API_URL) are used in this order before
        the default.
    type: str
    default: https://proxy.qg.net
    aliases: [api_endpoint]
notes:
  - The vendor limits the calls per key, endpoint and minute. All tasks and playbooks of one user on a control node
    share the count. Calls are delayed instead of being refused.
  - The key is a part of the query string of HTTPS calls. The collection neither shows it in messages nor stores it.
"""

    # For plugins that run only on the control node: Ansible itself documents their variables and environment.
    PLUGIN = r"""
options:
  key:
    description:
      - The key of the product. The vendor calls it I(Authkey).
    type: str
    required: true
    aliases: [api_key, authkey]
    vars:
      - name: qg_key
    env:
      - name: QG_KEY
  password:
    description:
      - The API password of the key. The vendor calls it I(Authpwd). It is needed only if API authentication by key and
        password is enabled in the vendor's user centre.
    type: str
    vars:
      - name: qg_password
    env:
      - name: QG_PASSWORD
  api_url:
    description:
      - The URL of the API. Resellers provide the same API under their own domain.
    type: str
    default: https://proxy.qg.net
    aliases: [api_endpoint]
    vars:
      - name: qg_api_url
    env:
      - name: QG_API_URL
"""
