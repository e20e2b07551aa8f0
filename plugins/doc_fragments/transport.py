# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options of everything that calls one of QG.net's APIs."""


class ModuleDocFragment:
    """The options of the HTTP transport, which ``module_utils/_task/api_options.py`` declares as
    well.
    """

    DOCUMENTATION = r"""
options:
  timeout:
    description:
      - The maximum duration of one call, in seconds.
    type: float
    default: 10
  max_wait:
    description:
      - The maximum total waiting time, in seconds, for rate limits, for other processes, and for
        QG.net to complete what was requested.
    type: float
    default: 300
requirements:
  - python >= 3.10, on the control node or on the host that a task is delegated to
  - requests >= 2.28
notes:
  - Instead of a connection option, such as O(timeout), you can set a variable, such as
    C(qg_timeout), or an environment variable, such as E(QG_TIMEOUT). The option takes precedence
    over the variable, and the variable over the environment.
  - The environment variables E(HTTPS_PROXY), E(NO_PROXY) and E(REQUESTS_CA_BUNDLE) are used.
"""

    # The sources of the same options, for plugins that are not modules.
    PLUGIN = r"""
options:
  timeout:
    vars:
      - name: qg_timeout
    env:
      - name: QG_TIMEOUT
  max_wait:
    vars:
      - name: qg_max_wait
    env:
      - name: QG_MAX_WAIT
"""
