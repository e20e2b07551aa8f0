# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options of everything that calls the account API."""

from __future__ import annotations


class ModuleDocFragment:
    """How the account API is reached; the same options are declared in ``module_utils/_task/options.py``."""

    DOCUMENTATION = r"""
options:
  app_id:
    description:
      - The I(appid) of the account, from the page Agent of the vendor's user centre (会员中心).
      - If not set, the environment variable E(QG_APP_ID) of the control node is used, also for a task that is
        delegated.
    type: str
    required: true
  app_key:
    description:
      - The I(appkey) of the account, from the same page. It signs the calls and is never sent.
      - If not set, the environment variable E(QG_APP_KEY) is used.
    type: str
    required: true
  account_url:
    description:
      - The URL of the API. Resellers provide the same API under their own domain.
      - If not set, the environment variable E(QG_ACCOUNT_URL) is used before the default.
    type: str
    default: https://www.qg.net/api
  domain:
    description:
      - The site of the account, which is a part of the signature. For an account at a reseller, set the domain of the
        reseller.
      - If not set, the environment variable E(QG_DOMAIN) is used before the default.
    type: str
    default: www.qg.net
  timeout:
    description:
      - The maximum duration of one call in seconds, from the name lookup to the last byte of the response.
      - If not set, the environment variable E(QG_TIMEOUT) is used before the default.
    type: float
    default: 10
  max_wait:
    description: The maximum total waiting time of the task between attempts after transient failures, in seconds.
    type: float
    default: 300
  validate_certs:
    description: Whether to verify the certificate of O(account_url).
    type: bool
    default: true
  ca_path:
    description: A file with the certificate authorities to trust instead of those of the system.
    type: path
requirements:
  - requests >= 2.28
notes:
  - Calls are signed with the time, so the clock of the machine that makes them must be right.
  - The vendor documents no rate limit for these calls, and the collection applies none.
"""

    # The same for plugins that run on the control node alone, whose environment Ansible reads for them.
    PLUGIN = r"""
options:
  app_id:
    description:
      - The I(appid) of the account, from the page Agent of the vendor's user centre (会员中心).
    type: str
    required: true
    env:
      - name: QG_APP_ID
  app_key:
    description:
      - The I(appkey) of the account, from the same page. It signs the calls and is never sent.
    type: str
    required: true
    env:
      - name: QG_APP_KEY
  account_url:
    description:
      - The URL of the API. Resellers provide the same API under their own domain.
    type: str
    default: https://www.qg.net/api
    env:
      - name: QG_ACCOUNT_URL
  domain:
    description:
      - The site of the account, which is a part of the signature. For an account at a reseller, set the domain of the
        reseller.
    type: str
    default: www.qg.net
    env:
      - name: QG_DOMAIN
  timeout:
    description:
      - The maximum duration of one call in seconds, from the name lookup to the last byte of the response.
    type: float
    default: 10
    env:
      - name: QG_TIMEOUT
  max_wait:
    description: The maximum total waiting time between attempts after transient failures, in seconds.
    type: float
    default: 300
  validate_certs:
    description: Whether to verify the certificate of O(account_url).
    type: bool
    default: true
  ca_path:
    description: A file with the certificate authorities to trust instead of those of the system.
    type: path
requirements:
  - requests >= 2.28
"""
