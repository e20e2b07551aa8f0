# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the options for the detection of a host's egress address."""


class ModuleDocFragment:
    """The options of the detection, which ``_task/api_options.py`` declares as well."""

    DOCUMENTATION = r"""
options:
  sources:
    description:
      - The URLs of echo services. They must return the address of the caller, as text or as JSON
        with V(ip) or V(origin). Each is named once.
      - All services are requested in parallel and directly, regardless of proxies in the host's
        environment and in the configuration files of its programs.
      - A URL must not contain a user name or a password. Results and messages show it without its
        query, but other users of the host can read the whole URL in the list of processes.
      - If it is not set, the variable C(qg_sources) is used, then the environment variable
        E(QG_SOURCES), in which commas separate the URLs, and then the default.
    type: list
    elements: str
    default:
      - https://d.qg.net/ip
      - https://checkip.amazonaws.com
      - https://api.ipify.org
  quorum:
    description:
      - The number of sources that must report an address before it is accepted. If fewer sources
        report an address, the detection fails.
      - The default is V(2), or V(1) if there is only one source.
    type: int
  samples:
    description:
      - The number of requests to each source. If a host alternates between several egress IPs,
        enough requests are needed to show all of them.
      - This is also the maximum number of egress IPs of a host. If the sources report more, the
        detection fails.
    type: int
    default: 1
"""
