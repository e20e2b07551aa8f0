# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The services of the vendor's cloud, as hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: qg_cloud
short_description: The servers of a QG.net account as an inventory
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Reads the services of an account (cloud servers, dial-up VPS and the like) and makes each of them a host, with an
    address, variables and groups.
  - The list of services is read completely, or the inventory fails. It is read again, up to three times in total, if
    services end in the meantime.
  - The name of the inventory file must end in C(qg_cloud.yml) or C(qg_cloud.yaml). Put the line C(plugin) first,
    because Ansible may show the first line of a file that it cannot use.
  - The variables of a host contain the vendor's data, and are never evaluated as templates.
  - A service without an address, or with one that no remote host can have, is omitted. One warning shows the
    number of omitted services, and the reason for the first ones. With C(-v), all are listed.
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [qingguo.qgnet.qg_cloud]
  product_ids:
    description:
      - The numbers of the vendor's brands to list, such as V(104). Each brand takes about one call per 48 services.
      - By default, all services of the account are listed, without their brand.
    type: list
    elements: int
    default: []
  simple_filters:
    description:
      - Only services that match all of these. A key is one of the variables listed in the notes, without prefix. The
        value is the required value, or a list of allowed values.
      - The comparison ignores case. Text may contain V(*) and V(?) as in file names; all other characters, such as
        V([), stand for themselves. V(null) matches a service for which the vendor does not return the value.
    type: dict
    default: {}
  filters:
    description:
      - Include and exclude filters, for services that match O(simple_filters). The first one whose expression is true
        decides. A service for which none is true becomes a host, unless the last one is O(filters[].exclude=true).
      - An expression is Jinja2 without braces, or a boolean. It can use the variables listed in the notes,
        C(ansible_host), which is null for a service without a usable address, and C(inventory_hostname), the
        name that O(hostnames) results in. The number of the service may be appended to it later if another host has the
        same name.
      - An expression that cannot be evaluated, or is neither true nor false, is an error.
    type: list
    elements: dict
    default: []
    suboptions:
      include:
        description: A service for which this is true becomes a host. Mutually exclusive with O(filters[].exclude).
        type: str
      exclude:
        description: A service for which this is true is omitted. Mutually exclusive with O(filters[].include).
        type: str
  hostnames:
    description:
      - The candidates for the name of a host. The first one that results in a usable name is used, or else the number
        of the service.
      - An entry is one of the variables listed in the notes, without prefix, or a template in double braces that can
        use the variables of the host. Note that C(host_name) is the name of the physical machine, which many services
        share.
      - A usable name consists of letters, digits, C(.), C(-) and C(_). Reserved names of Ansible, such as C(all), and
        names of the control node, such as C(localhost), are not used.
      - Of several services with the same name, the one with the smallest number gets it. The number of the service is
        appended to the name of each other one, with a warning.
    type: list
    elements: str
    default: [suid]
  connect_with:
    description: The address to use as C(ansible_host), the V(public) one (C(ip)) or the V(local) one (C(local_ip)).
    type: str
    choices: [public, local]
    default: public
  include_secrets:
    description:
      - Whether hosts get the passwords that the vendor returns, as C(adsl_password), C(business_password) and
        C(login_password).
      - Everything that shows the variables of a host then shows the passwords. The cache contains them too, and its
        files may be readable for other users. Keep O(cache_connection) in a private directory.
    type: bool
    default: false
  vars_prefix:
    description: The prefix of the names of the variables.
    type: str
    default: qg_
  default_groups:
    description:
      - The groups to create from the services. An empty list disables them.
      - V(product) requires O(product_ids). V(status) is the state of the machine, V(order) that of the order. V(os) is
        C(linux), C(windows) or C(unknown), by the name of the system image, and V(system) is that name.
    type: list
    elements: str
    choices: [product, line, area, status, order, os, system]
    default: [product, line, area, status, order, os, system]
  group_prefix:
    description:
      - The prefix of the names of the default groups. The kind of the group and its value follow, as in
        C(qg_line_ap_shanghai).
      - Letters are converted to lower case, and each sequence of characters that are invalid in group names to one
        C(_).
    type: str
    default: qg_
notes:
  - Host variables are, with O(vars_prefix) before each, C(product_id), C(suid), C(line_no), C(area_no), C(spec_no),
    C(spec_name), C(host_id), C(host_name), C(ip), C(local_ip), C(run_status), C(run_status_code), C(order_status),
    C(order_status_code), C(system_disk_type), C(system_disk), C(data_disk_type), C(data_disk), C(bandwidth),
    C(defense), C(system_no), C(system_name), C(os_family), C(adsl_name), C(buy_time), C(buy_time_iso), C(end_time) and
    C(end_time_iso). Each host has all of them; a value that the vendor does not return is null. They are documented
    with M(qingguo.qgnet.qg_cloud_instance_info).
  - All options except O(compose), O(groups), O(keyed_groups), O(filters) and O(hostnames) may be templates, such as
    V({{ lookup('env', 'NAME'\) }}), which can use extra variables. Values may be encrypted with Ansible Vault.
  - An inventory that cannot be read adds no hosts and groups. With O(strict=true), this also applies if an expression
    of O(compose), O(groups) or O(keyed_groups) cannot be evaluated for one of the hosts.
  - Ansible continues with a warning if an inventory cannot be read, unless C(any_unparsed_is_failed) is set in its
    configuration, or E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) in the environment.
  - In JSON, C(ansible-inventory --list) marks text that is not a template with C(__ansible_unsafe), in newer releases
    of Ansible all data of the vendor. C(--yaml) does not.
  - Ansible shows the lines of a file that is not valid YAML. Keep O(app_key) in the environment, in a template, or
    encrypted.
  - An C(ansible_host) that O(compose) sets is not checked like the one that the plugin sets.
  - The connection to a host depends on its system. Set it for a group, such as C(ansible_connection) in
    C(group_vars/qg_os_windows.yml), or with O(compose).
  - The cache contains the vendor's data, not the resulting hosts. Files with the same account, brands and
    O(include_secrets) share it, regardless of their other options. It needs O(cache_plugin), such as
    V(ansible.builtin.jsonfile), to last longer than a run.
extends_documentation_fragment:
  - qingguo.qgnet.account_api.plugin
  - qingguo.qgnet.transport.plugin
  - constructed
  - inventory_cache
seealso:
  - module: qingguo.qgnet.qg_cloud_instance_info
"""

EXAMPLES = r"""
# production.qg_cloud.yml. With QG_APP_ID and QG_APP_KEY in the environment, the first line alone is enough.
plugin: qingguo.qgnet.qg_cloud
app_id: "{{ lookup('ansible.builtin.env', 'COMPANY_QG_ID') }}"
app_key: "{{ lookup('ansible.builtin.file', '/run/secrets/qg_app_key') }}"
# Servers of one brand that run and are paid.
product_ids: [104]
simple_filters:
  run_status: running
  order_status: normal
  line_no: [ap-shanghai, ap-beijing]
  system_name: ["CentOS*", "Ubuntu*", "Windows*"]
# One of these in any case, and of the others none with little bandwidth.
filters:
  - include: qg_suid == '104000001'
  - exclude: qg_bandwidth is none or qg_bandwidth < 5
# Names of one's own, and the local network.
hostnames:
  - "{{ qg_area_no }}-{{ qg_suid }}"
connect_with: local
# Groups, and how Windows and Linux are reached.
default_groups: [os, area]
group_prefix: ""
keyed_groups:
  - key: qg_spec_no
    prefix: spec
groups:
  fast: qg_bandwidth >= 10
compose:
  ansible_connection: "'winrm' if qg_os_family == 'windows' else 'ssh'"
  ansible_user: "'Administrator' if qg_os_family == 'windows' else 'root'"
# An answer that is kept for an hour.
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/qg_inventory
cache_timeout: 3600
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible import template
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.deadline_session import (
    MISSING_REQUESTS,
    REQUESTS_IMPORT_ERROR,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud import hosts
from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.hosts import Row
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError, UnexpectedError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import redact, secrets_in
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import ACCOUNT_API_OPTIONS, account_api
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import (
    explain_missing,
    missing_options,
    variable_name,
    with_value,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._announcer import run_announcer
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._sources import for_plugin

#: Options that are evaluated for each host, and not when the file is read.
_FOR_EACH_HOST = ("compose", "groups", "keyed_groups", "filters", "hostnames")


def _untrusted(variables: Row) -> Row:
    """Mark the vendor's text so that it is never a template. Since ansible-core 2.19, only trusted text can be one.

    A password alone may look like one: it is exact.
    """
    if hasattr(template, "trust_as_template"):
        return variables
    from ansible.utils.unsafe_proxy import wrap_var

    return dict(wrap_var(variables))


def _names_this_plugin(path: str) -> bool:
    """Whether a file begins like a configuration of this plugin."""
    with contextlib.suppress(OSError, UnicodeError), open(path, encoding="utf-8") as file:
        return bool(re.search(r"^plugin:\s*['\"]?qingguo\.qgnet\.qg_cloud\b", file.read(4096), re.MULTILINE))
    return False


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    first, _dot, second = text.partition(". ")  # Older releases of Ansible repeat it.
    return first if first == second else text


def _snapshot(inventory: Any) -> Callable[[], None]:
    """Return a function that restores an inventory, including hosts and groups of other sources, to its present state.

    Ansible keeps hosts and variables of a source that fails, and has no function that removes variables, or groups from
    their parents. Hosts and groups refer to each other, so copies of them would not be sufficient.
    """

    def copy_of(value: Any) -> Any:
        return value.copy() if isinstance(value, (dict, list, set)) else value

    objects = [inventory, *inventory.hosts.values(), *inventory.groups.values()]
    states = [{name: copy_of(value) for name, value in vars(each).items()} for each in objects]

    def restore() -> None:
        for each, state in zip(objects, states, strict=True):
            vars(each).update(state)

    return restore


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Adds the vendor's services, or cached ones, as hosts."""

    NAME = "qingguo.qgnet.qg_cloud"

    def verify_file(self, path: str) -> bool:
        """Whether the name of the file shows that it is for this plugin."""
        if not super().verify_file(path):
            return False
        if path.endswith(("qg_cloud.yml", "qg_cloud.yaml")):
            return True
        if _names_this_plugin(path):
            # Ansible itself says only that no plugin could parse the file.
            self.display.warning(
                f"{path} names the inventory plugin {self.NAME}, which reads only files whose name ends in "
                f"qg_cloud.yml or qg_cloud.yaml: rename it, such as to {os.path.splitext(path)[0]}.qg_cloud.yml."
            )
        return False

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the hosts and groups of the file to the inventory."""
        super().parse(inventory, loader, path, cache)
        try:
            self._read_config_data(path)
            self._populate(cache)
        except QgError as error:
            raise AnsibleParserError(f"{self.NAME}: {error.message}") from None
        except AnsibleError:
            raise
        except Exception as error:
            unexpected = UnexpectedError(error, self.NAME)
            self.display.vvv(unexpected.traceback)
            raise AnsibleParserError(unexpected.message) from None

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        """Evaluate the templates in the file before Ansible checks the types of options."""
        if direct is not None:
            checked = self._checked(self._evaluated(direct))
            # Options that are evaluated later must not be changed here, so that their text stays trusted.
            direct = {**checked, **{name: direct[name] for name in _FOR_EACH_HOST if name in direct}}
            var_options = None
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)

    def _checked(self, config: Row) -> Row:
        """Return the options of the file with their types, and those that extra variables set."""
        checked = hosts.check_config(config, self.option_definitions)
        complete = for_plugin(ACCOUNT_API_OPTIONS, checked, self._vars, self.templar)
        for name in complete.keys() - checked.keys():
            try:
                complete |= hosts.check_config({name: complete[name]}, self.option_definitions)
            except OptionError as error:
                raise OptionError(f"{variable_name(name)}: {error.message}") from None
        if missing := missing_options(ACCOUNT_API_OPTIONS, with_value(complete)):
            raise explain_missing(missing, "option of the inventory file", variables="extra variable")
        return complete

    def _evaluated(self, config: Mapping[str, Any]) -> Row:
        self.templar.available_variables = self._vars
        return {
            name: value if name in _FOR_EACH_HOST else self._evaluate(value, f"The option {name}")
            for name, value in config.items()
        }

    def _evaluate(self, value: Any, what: str) -> Any:
        try:
            return self.templar.template(value)
        except AnsibleError as error:
            raise OptionError(f"{what} cannot be evaluated: {_sentence(error)}") from None

    def _rows(self, cache: bool) -> list[Row]:
        """Return the services, from the cache if it is enabled and has them."""
        products = hosts.check_products(self.get_option("product_ids"))
        secrets = self.get_option("include_secrets")
        key = f"{self.NAME}_{hosts.cache_key(self.get_options(), products)}"
        if self.get_option("cache") and cache:
            try:
                rows = self._cache[key]
            except KeyError:
                rows = None
            if hosts.is_collected(rows):
                return list(rows)
        if REQUESTS_IMPORT_ERROR is not None:
            raise OptionError(MISSING_REQUESTS)
        options = self.get_options()
        announcer = run_announcer(self.NAME.rpartition(".")[2], secrets_in(options, ACCOUNT_API_OPTIONS))
        api = account_api(options, announcer)
        rows = hosts.collect(products, lambda product: api.instances(product, include_secrets=secrets))
        redacted: dict[str, list[Row]] = redact({"rows": rows}, self.get_options(), ACCOUNT_API_OPTIONS)
        rows = redacted["rows"]
        self.display.vv(f"{self.NAME}: {len(rows)} services, {api.count.calls} calls of the vendor")
        if self.get_option("cache"):
            self._cache[key] = rows
        return rows

    def _populate(self, cache: bool) -> None:
        """Add all hosts, or none if there is an error: a play must not run on a part of them."""
        group_prefix = hosts.check_prefix("group_prefix", self.get_option("group_prefix"))
        found = list(self._hosts(cache))
        restore = _snapshot(self.inventory)
        try:
            for name, row, variables in found:
                self.inventory.add_host(name)
                for variable, value in variables.items():
                    self.inventory.set_variable(name, variable, value)
                for group in hosts.group_names(row, self.get_option("default_groups"), group_prefix):
                    self.inventory.add_child(self.inventory.add_group(group), name)
                self._construct(name)
        except Exception:
            restore()
            raise

    def _hosts(self, cache: bool) -> Iterator[tuple[str, Row, Row]]:
        """Yield name, service and variables of each host."""
        patterns = hosts.check_simple_filters(self.get_option("simple_filters"))
        filters = hosts.parse_filters(self.get_option("filters"))
        prefix = hosts.check_prefix("vars_prefix", self.get_option("vars_prefix"))
        hosts.check_hostnames(self.get_option("hostnames"))
        column = hosts.ADDRESSES[self.get_option("connect_with")]
        rows, names, left_out = self._rows(cache), hosts.HostnameAllocator(), []
        for row in rows:
            if not hosts.matches(row, patterns):
                continue
            suid, variables = row["suid"], _untrusted(hosts.variables(row, prefix))
            address, reason = hosts.address(row, column)
            candidates = self._name_candidates(row, variables) if address else ()
            name, variables["ansible_host"] = hosts.first_name(suid, candidates), address
            if not self._is_included(suid, filters, {**variables, "inventory_hostname": name}):
                continue
            if name is None or address is None:
                left_out.append((suid, reason or "no possible name"))
            else:
                yield names.allocate(suid, name), row, variables
        self._warn(left_out, len(rows), "left out")
        self._warn(names.renamed, len(rows), "renamed, because another service has the same name")

    def _is_included(self, suid: str, filters: Iterable[hosts.Filter], variables: Row) -> bool:
        """Whether the first filter that is true for a service includes it, or none is true."""
        for action, condition in filters:
            what = f"filters, {action}: {condition}"
            try:
                result = condition if isinstance(condition, bool) else self._compose(condition, variables)
            except AnsibleError as error:
                raise OptionError(f"{what} cannot be evaluated for {suid}: {_sentence(error)}") from None
            if not isinstance(result, bool):
                raise OptionError(f"{what} is neither true nor false for {suid}: write a comparison.")
            if result:
                return action == "include"
        return True

    def _name_candidates(self, row: Row, variables: Row) -> Iterator[Any]:
        for each in self.get_option("hostnames"):
            if hosts.is_template(each):
                self.templar.available_variables = variables
                yield self._evaluate(each, f"hostnames: {each}")
            else:
                yield row[each]

    def _construct(self, name: str) -> None:
        """Apply the options of ``constructed`` to a host."""
        strict, host = self.get_option("strict"), self.inventory.get_host(name)
        try:
            self._set_composite_vars(self.get_option("compose"), host.get_vars(), name, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), host.get_vars(), name, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), host.get_vars(), name, strict=strict)
        except AnsibleError as error:
            # It may quote text of the vendor.
            raise QgError(_sentence(error)) from None

    def _warn(self, services: list[tuple[str, str]], total: int, what: str) -> None:
        if services:
            message = f"{len(services)} of {total} services {what}: {hosts.describe_services(services)}."
            self.display.warning(f"{self.NAME}: {message}")
        for suid, remark in services:
            self.display.v(f"{self.NAME}: {one_line(f'{suid}: {remark}')}")
