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
      - The product's key. The vendor's console calls it I(Authkey).
      - If not set, the environment variable E(QG_KEY) of the control node is used, also for a task that is delegated.
    type: str
    required: true
  pwd:
    description:
      - The key's API password. The vendor's console calls it I(Authpwd). It is only needed where API authentication by
        key and password was switched on there.
      - If not set, the environment variable E(QG_PWD) is used.
    type: str
  api_url:
    description:
      - Where the API is served. Resellers serve the same API under their own domain.
      - If not set, the environment variable E(QG_API_URL) is used before the default.
    type: str
    default: https://proxy.qg.net
  timeout:
    description:
      - The most seconds that one call may take, from looking up the name to the last byte of the answer.
      - If not set, the environment variable E(QG_TIMEOUT) is used before the default.
    type: float
    default: 10
  max_wait:
    description:
      - The most seconds that the task may wait in all, for its turn under the vendor's limits per minute, between tries
        after a transient failure, and for what the vendor carries out later.
    type: float
    default: 300
  validate_certs:
    description: Whether the certificate of O(api_url) is checked.
    type: bool
    default: true
  ca_path:
    description: A file of certificate authorities to trust instead of those of the system.
    type: path
requirements:
  - requests >= 2.28
notes:
  - The vendor limits the calls per key, endpoint and minute. All tasks and playbooks that one user runs on a control
    node share the count, and wait for their turn instead of being refused.
  - The vendor takes the key in the query string of HTTPS calls. The collection shows it in no message, and stores it
    nowhere.
"""

    # The same for plugins that run on the control node alone, whose environment Ansible reads for them.
    PLUGIN = r"""
options:
  key:
    description:
      - The product's key. The vendor's console calls it I(Authkey).
    type: str
    required: true
    env:
      - name: QG_KEY
  pwd:
    description:
      - The key's API password. The vendor's console calls it I(Authpwd). It is only needed where API authentication by
        key and password was switched on there.
    type: str
    env:
      - name: QG_PWD
  api_url:
    description:
      - Where the API is served. Resellers serve the same API under their own domain.
    type: str
    default: https://proxy.qg.net
    env:
      - name: QG_API_URL
  timeout:
    description:
      - The most seconds that one call may take, from looking up the name to the last byte of the answer.
    type: float
    default: 10
    env:
      - name: QG_TIMEOUT
  max_wait:
    description:
      - The most seconds that the task may wait in all, for its turn under the vendor's limits per minute and between
        tries after a transient failure.
    type: float
    default: 300
  validate_certs:
    description: Whether the certificate of O(api_url) is checked.
    type: bool
    default: true
  ca_path:
    description: A file of certificate authorities to trust instead of those of the system.
    type: path
  state_dir:
    description:
      - The directory in which the runs of one control node share the count of calls per minute, and what they know of
        leases. It is made with mode 0700, and must be on a local disk.
      - Keys are kept in it only as a salted digest.
    type: path
    default: ~/.ansible/qgnet
    env:
      - name: QG_STATE_DIR
requirements:
  - requests >= 2.28
"""
