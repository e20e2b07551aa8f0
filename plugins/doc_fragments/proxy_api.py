# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options of every module that calls the proxy API."""

from __future__ import annotations


class ModuleDocFragment:
    """How the classic proxy API is reached; the same options are declared in ``module_utils/_task/options.py``."""

    DOCUMENTATION = r"""
options:
  key:
    description:
      - The key of the product. The vendor calls it I(Authkey).
      - If not set, the environment variable E(QG_KEY) of the control node is used, also for a task that is delegated.
    type: str
    required: true
  pwd:
    description:
      - The API password of the key. The vendor calls it I(Authpwd). It is needed only if API authentication by key and
        password is enabled in the vendor's user centre.
      - If not set, the environment variable E(QG_PWD) is used.
    type: str
  api_url:
    description:
      - The URL of the API. Resellers provide the same API under their own domain.
      - If not set, the environment variable E(QG_API_URL) is used before the default.
    type: str
    default: https://proxy.qg.net
  timeout:
    description:
      - The maximum duration of one call in seconds, from the name lookup to the last byte of the response.
      - If not set, the environment variable E(QG_TIMEOUT) is used before the default.
    type: float
    default: 10
  max_wait:
    description:
      - The maximum total waiting time of the task in seconds, for the vendor's rate limits, between attempts after
        transient failures, and for asynchronous operations of the vendor.
    type: float
    default: 300
  validate_certs:
    description: Whether to verify the certificate of O(api_url).
    type: bool
    default: true
  ca_path:
    description: A file with the certificate authorities to trust instead of those of the system.
    type: path
requirements:
  - requests >= 2.28
notes:
  - The vendor limits the calls per key, endpoint and minute. All tasks and playbooks of one user on a control node
    share the count. Calls are delayed instead of being refused.
  - The key is a part of the query string of HTTPS calls. The collection neither shows it in messages nor stores it.
"""

    # The same for plugins that run on the control node alone, whose environment Ansible reads for them.
    PLUGIN = r"""
options:
  key:
    description:
      - The key of the product. The vendor calls it I(Authkey).
    type: str
    required: true
    env:
      - name: QG_KEY
  pwd:
    description:
      - The API password of the key. The vendor calls it I(Authpwd). It is needed only if API authentication by key and
        password is enabled in the vendor's user centre.
    type: str
    env:
      - name: QG_PWD
  api_url:
    description:
      - The URL of the API. Resellers provide the same API under their own domain.
    type: str
    default: https://proxy.qg.net
    env:
      - name: QG_API_URL
  timeout:
    description:
      - The maximum duration of one call in seconds, from the name lookup to the last byte of the response.
    type: float
    default: 10
    env:
      - name: QG_TIMEOUT
  max_wait:
    description:
      - The maximum total waiting time in seconds, for the vendor's rate limits and between attempts after transient
        failures.
    type: float
    default: 300
  validate_certs:
    description: Whether to verify the certificate of O(api_url).
    type: bool
    default: true
  ca_path:
    description: A file with the certificate authorities to trust instead of those of the system.
    type: path
  state_dir:
    description:
      - The directory that all runs on a control node share, with the count of calls per minute and the records of
        leases. It is created with mode 0700, and must be on a local disk.
      - It contains only salted digests of keys.
    type: path
    default: ~/.ansible/qgnet
    env:
      - name: QG_STATE_DIR
requirements:
  - requests >= 2.28
"""
