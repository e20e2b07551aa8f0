# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options of every module that calls the proxy API."""


class ModuleDocFragment:
    """The options of the classic proxy API, which ``module_utils/_task/api_options.py`` declares as
    well.
    """

    DOCUMENTATION = r"""
options:
  key:
    description:
      - The key of the product, which QG.net calls I(Authkey).
      - An empty option or variable is an error, so that no other key is used instead. An empty
        environment variable counts as unset.
    type: str
    required: true
  password:
    description:
      - The password of the key, which QG.net calls I(Authpwd). It is required if API authentication
        with a password is switched on in the user center.
    type: str
  api_url:
    description:
      - The URL of the API. A reseller's API must serve the products at C(/PRODUCT) below its URL.
      - Use the same host name everywhere. Rate limits, registrations, purchases and the cap
        C(max_new_per_day) are counted separately for each name of an API, such as an alias or an IP
        address.
    type: str
    default: https://proxy.qg.net
notes:
  - Tasks that share O(store) share QG.net's rate limits.
"""

    # The sources of the same options, for plugins that are not modules.
    PLUGIN = r"""
options:
  key:
    vars:
      - name: qg_key
    env:
      - name: QG_KEY
  password:
    vars:
      - name: qg_password
    env:
      - name: QG_PASSWORD
  api_url:
    vars:
      - name: qg_api_url
    env:
      - name: QG_API_URL
"""
