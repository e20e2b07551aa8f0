# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options of everything that calls one of the vendor's APIs."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of the HTTP transport, which ``module_utils/_task/options.py`` declares as well."""

    DOCUMENTATION = r"""
options:
  timeout:
    description:
      - The maximum duration of one call in seconds, from the name lookup to the last byte of the response.
      - If not set, the variable C(qg_timeout) and the environment variable E(QG_TIMEOUT) are used in this order before
        the default.
    type: float
    default: 10
    aliases: [api_timeout]
  max_wait:
    description:
      - The maximum total waiting time in seconds, for the vendor's rate limits, between attempts after transient
        failures, and for asynchronous operations of the vendor.
      - If not set, the variable C(qg_max_wait) and the environment variable E(QG_MAX_WAIT) are used in this order
        before the default.
    type: float
    default: 300
  retries:
    description:
      - How often a call is sent again after transient failures. With V(0), each call is sent once.
      - Paid calls and changes have lower limits of their own, which a smaller value reduces further.
      - Pauses that the vendor's rate limits require do not count.
      - If not set, the variable C(qg_retries) and the environment variable E(QG_RETRIES) are used in this order before
        the default.
    type: int
    default: 5
    aliases: [api_retries]
  use_proxy:
    description:
      - Whether calls may go through a proxy. With V(true), O(api_proxy) is used, or the proxy of the environment
        (C(HTTPS_PROXY), C(HTTP_PROXY), C(ALL_PROXY), C(NO_PROXY)) of the machine that makes the calls. With V(false),
        calls are direct.
      - If not set, the variable C(qg_use_proxy) and the environment variable E(QG_USE_PROXY) are used in this order
        before the default.
    type: bool
    default: true
  api_proxy:
    description:
      - The URL of an HTTP proxy for calls to the vendor, V(http://HOST:PORT) or V(http://USER:PASSWORD@HOST:PORT),
        instead of that of the environment. It has nothing to do with the leased proxies.
      - If not set, the variable C(qg_api_proxy) and the environment variable E(QG_API_PROXY) are used in this order.
    type: str
requirements:
  - python >= 3.10, on the control node or on the host that a task is delegated to
  - requests >= 2.28
notes:
  - Variables such as C(qg_key) belong to Ansible, those in capitals to the environment of the control node, also for a
    delegated task. The keyword C(environment) does not set them.
"""

    # The options of TLS.
    TLS = r"""
options:
  validate_certs:
    description:
      - Whether to verify the certificate of the API.
      - If not set, the variable C(qg_validate_certs) and the environment variable E(QG_VALIDATE_CERTS) are used in this
        order before the default.
    type: bool
    default: true
  ca_path:
    description:
      - A file or directory with the certificate authorities to trust instead of those of the system.
      - If not set, the variable C(qg_ca_path) and the environment variable E(QG_CA_PATH) are used in this order.
    type: path
"""

    # For plugins that run only on the control node: Ansible itself documents their variables and environment.
    PLUGIN = r"""
options:
  timeout:
    description:
      - The maximum duration of one call in seconds, from the name lookup to the last byte of the response.
    type: float
    default: 10
    aliases: [api_timeout]
    vars:
      - name: qg_timeout
    env:
      - name: QG_TIMEOUT
  max_wait:
    description:
      - The maximum total waiting time in seconds, for the vendor's rate limits, between attempts after transient
        failures, and for asynchronous operations of the vendor.
    type: float
    default: 300
    vars:
      - name: qg_max_wait
    env:
      - name: QG_MAX_WAIT
  retries:
    description:
      - How often a call is sent again after transient failures. With V(0), each call is sent once.
      - Paid calls and changes have lower limits of their own, which a smaller value reduces further.
      - Pauses that the vendor's rate limits require do not count.
    type: int
    default: 5
    aliases: [api_retries]
    vars:
      - name: qg_retries
    env:
      - name: QG_RETRIES
  use_proxy:
    description:
      - Whether calls may go through a proxy. With V(true), O(api_proxy) is used, or the proxy of the environment
        (C(HTTPS_PROXY), C(HTTP_PROXY), C(ALL_PROXY), C(NO_PROXY)) of the machine that makes the calls. With V(false),
        calls are direct.
    type: bool
    default: true
    vars:
      - name: qg_use_proxy
    env:
      - name: QG_USE_PROXY
  api_proxy:
    description:
      - The URL of an HTTP proxy for calls to the vendor, V(http://HOST:PORT) or V(http://USER:PASSWORD@HOST:PORT),
        instead of that of the environment. It has nothing to do with the leased proxies.
    type: str
    vars:
      - name: qg_api_proxy
    env:
      - name: QG_API_PROXY
  validate_certs:
    description:
      - Whether to verify the certificate of the API.
    type: bool
    default: true
    vars:
      - name: qg_validate_certs
    env:
      - name: QG_VALIDATE_CERTS
  ca_path:
    description:
      - A file or directory with the certificate authorities to trust instead of those of the system.
    type: path
    vars:
      - name: qg_ca_path
    env:
      - name: QG_CA_PATH
requirements:
  - python >= 3.10
  - requests >= 2.28
"""
