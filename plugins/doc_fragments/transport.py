# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options of everything that calls one of QG.net's APIs."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of the HTTP transport, which ``module_utils/_task/options.py`` declares as well."""

    DOCUMENTATION = r"""
options:
  timeout:
    description:
      - The maximum duration of one call in seconds, from the name lookup to the last byte of the response.
    type: float
    default: 10
  max_wait:
    description:
      - The maximum total waiting time in seconds, for rate limits, between attempts after transient failures, and for
        asynchronous operations of QG.net.
    type: float
    default: 300
requirements:
  - python >= 3.10, on the control node or on the host that a task is delegated to
  - requests >= 2.28
notes:
  - Each connection option can also be set as a variable, such as C(qg_timeout), or in the environment of the control
    node, such as E(QG_TIMEOUT). The option of the task or of C(module_defaults) comes first, then the variable, then
    the environment. A variable of this kind that does not exist is refused.
  - E(HTTPS_PROXY), E(NO_PROXY) and E(REQUESTS_CA_BUNDLE) in the environment apply to the calls.
"""

    # For plugins that run only on the control node: Ansible itself documents their variables and environment.
    PLUGIN = r"""
options:
  timeout:
    description:
      - The maximum duration of one call in seconds, from the name lookup to the last byte of the response.
    type: float
    default: 10
    vars:
      - name: qg_timeout
    env:
      - name: QG_TIMEOUT
  max_wait:
    description:
      - The maximum total waiting time in seconds, for rate limits, between attempts after transient failures, and for
        asynchronous operations of QG.net.
    type: float
    default: 300
    vars:
      - name: qg_max_wait
    env:
      - name: QG_MAX_WAIT
requirements:
  - python >= 3.10
  - requests >= 2.28
"""
