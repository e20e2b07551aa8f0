# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proxies that a key holds, for templates."""

from __future__ import annotations

DOCUMENTATION = r"""
name: proxy
short_description: The leased proxies of a key
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Returns the matching live leases of a QG.net key, earliest deadline first. It does not lease
    anything. Use M(qingguo.qgnet.qg_proxy_allocate) for that.
  - All templates with the same O(store) share the list of leases for O(max_age) seconds.
  - QG.net's list may lag. It is corrected by what tasks with the same O(store) have recently leased
    and released.
options:
  _terms:
    description: The lookup takes no terms.
  form:
    description:
      - The format of each returned lease.
      - V(server) is the host and the port.
      - V(url) is a URL with O(key) and O(password), which is a secret. A task that uses it must set
        C(no_log). It must not put the URL into its C(environment), which Ansible shows with C(-vvv)
        despite C(no_log). The examples of P(qingguo.qgnet.proxy_environment#filter) show how a
        program reads the URL from a file.
      - V(lease) is a dictionary as M(qingguo.qgnet.qg_proxy_info) returns it.
    type: str
    choices: [server, url, lease]
    default: server
  areas:
    description:
      - The areas of the leases, each by its code or its name, as M(qingguo.qgnet.qg_area_info)
        returns them in C(area_code) and C(name). The code of a province, such as V(350000),
        includes all areas in it. The list must not be empty.
    type: list
    elements: str
  isp:
    description: The ISP of the leases, which must not be empty. V(bgp) requires O(product=classic).
    type: str
    choices: [telecom, mobile, unicom, bgp]
  min_remaining:
    description:
      - The minimum remaining time of a lease, in minutes or with a unit, such as V(30s), V(5m),
        V(1h) or V(1d).
      - The option does not apply to O(product=longterm), whose leases may last longer than their
        deadline.
    type: str
    default: "0"
  exclude_ips:
    description: The exit IPs (C(ip)) or servers (C(server)) of leases that do not match.
    type: list
    elements: str
  on_uncertain:
    description: What to do with a lease when it is unknown whether it matches. V(fail) fails,
      V(match) returns the lease, and V(ignore) does not.
    type: str
    choices: [fail, ignore, match]
    default: ignore
  at_least:
    description: The minimum number of matching leases. If there are fewer, the lookup fails.
    type: int
    default: 1
  limit:
    description: The maximum number of leases to return.
    type: int
  seed:
    description:
      - A text that determines the order of the list, such as the name of a host. The order then
        differs from host to host, and each host keeps its order while the leases last.
    type: str
  max_age:
    description: The maximum age of the shared list, in seconds.
    type: float
    default: 10
extends_documentation_fragment:
  - qingguo.qgnet.product
  - qingguo.qgnet.product.plugin
  - qingguo.qgnet.proxy_api
  - qingguo.qgnet.proxy_api.plugin
  - qingguo.qgnet.transport
  - qingguo.qgnet.transport.plugin
  - qingguo.qgnet.store
  - qingguo.qgnet.store.plugin
seealso:
  - module: qingguo.qgnet.qg_proxy_allocate
  - plugin: qingguo.qgnet.proxy_environment
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Request a page, each host through its own proxy
  ansible.builtin.uri:
    url: https://www.example.com/
  environment: "{{ lookup('qingguo.qgnet.proxy', seed=inventory_hostname, limit=1) |
    qingguo.qgnet.proxy_environment }}"

- name: Request a page through a short-lived proxy
  ansible.builtin.uri:
    url: https://www.example.com/
  environment: "{{ lease | qingguo.qgnet.proxy_environment }}"
  vars:
    lease: "{{ lookup('qingguo.qgnet.proxy', product='share', limit=1) }}"

- name: Write all proxies of an area into a file
  ansible.builtin.copy:
    content: "{{ query('qingguo.qgnet.proxy', areas=350500, min_remaining=10) | join('\n') }}\n"
    dest: /etc/crawler/proxies.txt
    mode: "0644"
"""

RETURN = r"""
_raw:
  description: The leases, in the format of O(form).
  type: list
  elements: raw
"""

from typing import Any

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    QgError,
    UnexpectedError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.credentials import proxy_url
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.lookup import (
    LOOKUP_SELECTORS,
    find_leases,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import (
    PRODUCT_OPTIONS,
    PROXY_API_OPTIONS,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    UNSET,
    read_options,
    variable_name,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._announcer import run_announcer
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._variables import (
    check_settings,
    variable_value,
)

_SHARED = {**PRODUCT_OPTIONS, **PROXY_API_OPTIONS}
_FIELDS = ("type", "elements", "choices", "default", "required")


class LookupModule(LookupBase):
    """Reads the leases of a key, and selects from them."""

    def run(
        self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[Any]:
        """Return the leases in the requested form."""
        failure: QgError
        try:
            return self._find(terms, variables or {}, kwargs)
        except QgError as error:
            failure = error
        except AnsibleError:
            raise
        except Exception as error:
            failure = unexpected = UnexpectedError(error, "it was not completed")
            Display().vvv(unexpected.traceback)
        raise AnsibleLookupError(f"The lookup qingguo.qgnet.proxy failed: {failure.message}")

    def _find(
        self, terms: list[Any], variables: dict[str, Any], given: dict[str, Any]
    ) -> list[Any]:
        def variable(option: str) -> Any:
            if option not in _SHARED:
                return UNSET
            name = variable_name(option)
            return variable_value(name, variables.get(name, UNSET), self._templar)

        if terms:
            raise QgError("it takes no terms: use its options, such as areas=350500.")
        check_settings(variables)
        # The options are declared in the documentation alone.
        spec = {}
        for name, option in self.option_definitions.items():
            if not name.startswith("_"):
                spec[name] = {field: option[field] for field in _FIELDS if field in option}
        params = read_options(
            {**spec, **_SHARED},
            given,
            place="option of the lookup",
            variable=variable,
            selectors=LOOKUP_SELECTORS,
        )
        leases = find_leases(params, run_announcer("proxy"))
        if params["form"] == "lease":
            return leases
        servers = [lease["server"] for lease in leases]
        if params["form"] == "url":
            return [proxy_url(server, params["key"], params["password"]) for server in servers]
        return servers
