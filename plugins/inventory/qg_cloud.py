# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The services of QG.net's cloud, as hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: qg_cloud
short_description: The servers of a QG.net account as an inventory
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Adds each service of an account, such as a cloud server or a dial-up VPS, as a host. The name of
    the host is QG.net's number of the service (C(suid)), and its C(ansible_host) is the public
    address.
  - If the list of services cannot be read completely, the inventory fails.
  - The name of the inventory file must end in C(qg_cloud.yml) or C(qg_cloud.yaml).
  - The variables of a host contain QG.net's data, which is not evaluated as templates.
  - The C(ansible_host) of a service without a public address does not exist. Set it with
    O(compose), for example to C(qg_local_ip). If a service does not have that either, its
    C(ansible_host) does not exist.
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [qingguo.qgnet.qg_cloud]
  product_ids:
    description:
      - QG.net's numbers of the brands whose services are added, such as V(104). By default, all
        services of the account are added, and C(qg_product_id) is null.
    type: list
    elements: int
    default: []
  include_secrets:
    description:
      - Whether hosts have the passwords of the services, as C(qg_adsl_password),
        C(qg_business_password) and C(qg_login_password).
      - Everything that shows the variables of a host then shows the passwords. The cache contains
        them as well.
    type: bool
    default: false
notes:
  - The variables of a host are C(qg_product_id), C(qg_suid), C(qg_line_no), C(qg_area_no),
    C(qg_spec_no), C(qg_spec_name), C(qg_host_id), C(qg_host_name), C(qg_ip), C(qg_local_ip),
    C(qg_run_status), C(qg_run_status_code), C(qg_order_status), C(qg_order_status_code),
    C(qg_system_disk_type), C(qg_system_disk), C(qg_data_disk_type), C(qg_data_disk),
    C(qg_bandwidth), C(qg_defense), C(qg_system_no), C(qg_system_name), C(qg_os_family),
    C(qg_adsl_name), C(qg_buy_time), C(qg_buy_time_iso), C(qg_end_time) and C(qg_end_time_iso).
    Values that QG.net does not return are null. M(qingguo.qgnet.qg_cloud_instance_info) documents
    them.
  - O(app_id), O(app_key) and O(account_url) may be templates, such as V({{ lookup('env', 'NAME'\)
    }}).
  - If the inventory cannot be read, Ansible shows a warning and continues. To make it fail, set
    C(any_unparsed_is_failed) in its configuration, or E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED)
    in the environment.
extends_documentation_fragment:
  - qingguo.qgnet.account_api
  - qingguo.qgnet.account_api.plugin
  - qingguo.qgnet.transport
  - qingguo.qgnet.transport.plugin
  - constructed
  - inventory_cache
seealso:
  - module: qingguo.qgnet.qg_cloud_instance_info
"""

EXAMPLES = r"""
# production.qg_cloud.yml. With QG_APP_ID and QG_APP_KEY in the environment, the first line is
# enough.
plugin: qingguo.qgnet.qg_cloud
app_key: "{{ lookup('ansible.builtin.file', '/run/secrets/qg_app_key') }}"
product_ids: [104]
# A group for each line and each system; a play names those that it means.
keyed_groups:
  - key: qg_line_no
    prefix: line
  - key: qg_os_family
    prefix: os
groups:
  usable: qg_run_status == 'running' and qg_order_status == 'normal'
compose:
  ansible_host: qg_local_ip
  ansible_user: "'Administrator' if qg_os_family == 'windows' else 'root'"
# The list of services is kept for an hour.
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/qg_inventory
cache_timeout: 3600
"""

import os
import re
from collections.abc import Mapping
from typing import Any

from ansible import template
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account_rows import (
    INSTANCE_COLUMNS,
    INSTANCE_SECRETS,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.checks import (
    check_range,
    is_public,
    parse_address,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import (
    OptionError,
    QgError,
    UnexpectedError,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import (
    ACCOUNT_API_OPTIONS,
    AccountConnection,
    account_api,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    environment_name,
    read_options,
    redact,
    variable_name,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.values import typed
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._announcer import run_announcer
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._variables import check_settings

Row = dict[str, Any]
#: Names with another meaning in Ansible, and those of the control node.
_TAKEN = frozenset({"all", "ungrouped", "_meta", "localhost"})


def host_name(row: Mapping[str, Any]) -> str | None:
    """Return the number of the service if a host can be named after it.

    Ansible's patterns use other characters.
    """
    suid = str(row["suid"])
    if suid.casefold() in _TAKEN or not re.fullmatch(r"\w[\w-]{0,252}", suid):
        return None
    return suid


def host_address(row: Mapping[str, Any]) -> str | None:
    """Return the public address of a service; None without one that Ansible may connect to."""
    try:
        address = parse_address(row["ip"] or "")
    except ValueError:
        return None
    if not is_public(address):
        return None
    return str(address)


def _untrusted(variables: Row) -> Row:
    """Mark QG.net's text so that it is never a template, which a password may look like.

    Since ansible-core 2.19, only trusted text can be one.
    """
    if hasattr(template, "trust_as_template"):
        return variables
    from ansible.utils.unsafe_proxy import wrap_var

    return dict(wrap_var(variables))


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Adds the services of an account, or cached ones, as hosts."""

    NAME = "qingguo.qgnet.qg_cloud"

    def verify_file(self, path: str) -> bool:
        """Whether the name of the file shows that it is for this plugin.

        Ansible shows the error for a file that names this plugin, and otherwise ignores it.
        """
        if path.endswith(("qg_cloud.yml", "qg_cloud.yaml")):
            return bool(super().verify_file(path))
        name = os.path.basename(path)
        raise AnsibleParserError(
            f"{self.NAME}: the name {name} does not end with qg_cloud.yml: rename the file, such "
            "as to production.qg_cloud.yml."
        )

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the hosts and groups of the file to the inventory."""
        super().parse(inventory, loader, path, cache)
        config = self._read_config_data(path)
        try:
            check_settings(self._vars)
            if unknown := sorted(set(map(str, config)) - set(self.option_definitions)):
                fix = f"see ansible-doc -t inventory {self.NAME}"
                raise OptionError(unknown[0], "is not an option", fix)
            for row in self._rows(self.get_cache_key(path), cache):
                self._add(row)
        except QgError as error:
            raise AnsibleParserError(f"{self.NAME}: {error.message}") from None
        except AnsibleError:
            raise
        except Exception as error:
            unexpected = UnexpectedError(error, self.NAME)
            self.display.vvv(unexpected.traceback)
            raise AnsibleParserError(unexpected.message) from None

    def set_options(
        self, task_keys: Any = None, var_options: Any = None, direct: Any = None
    ) -> None:
        """Let empty variables and environment variables count as unset, as other plugins do."""
        given = (var_options or {}).items()
        variables = {name: value for name, value in given if value not in (None, "")}
        options = {}
        for name, option in ACCOUNT_API_OPTIONS.items():
            is_empty = os.environ.get(environment_name(name)) == ""
            if is_empty and variable_name(name) not in variables:
                options[name] = option.get("default", "")
        options |= direct or {}
        super().set_options(task_keys=task_keys, var_options=variables, direct=options)

    def _params(self) -> Row:
        """Return the options of the account, whose templates are evaluated; "" counts as unset."""
        self.templar.available_variables = self._vars
        given = {}
        for name in ACCOUNT_API_OPTIONS:
            value = self.get_option(name)
            if isinstance(value, str):
                value = self.templar.template(value)
            if value != "":
                given[name] = value
        return read_options(ACCOUNT_API_OPTIONS, given, place="option of the inventory plugin")

    def _rows(self, key: str, use_cache: bool) -> list[Row]:
        """Return the services, from the cache if it is enabled and has them."""
        cached = self.get_option("cache")
        if cached and use_cache:
            try:
                return list(self._cache[key])
            except KeyError:
                pass
        params = self._params()
        api = account_api(AccountConnection.of(params), run_announcer("qg_cloud"))
        secrets = self.get_option("include_secrets")
        # Ansible does not check the entries of a list.
        numbers = {"type": "list", "elements": "int"}
        chosen = typed("product_ids", numbers, self.get_option("product_ids"))
        for number in chosen:
            check_range("product_ids", number, 1, 10**9)
        services: dict[str, Row] = {}
        for product in chosen or [None]:
            for row in api.instances(product, include_secrets=secrets):
                del row["vendor"]
                services.setdefault(row["suid"], {"product_id": product, **row})
        rows = sorted(services.values(), key=lambda row: (len(row["suid"]), row["suid"]))
        redacted: dict[str, list[Row]] = redact({"rows": rows}, params, ACCOUNT_API_OPTIONS)
        if cached:
            self._cache[key] = redacted["rows"]
        return redacted["rows"]

    def _add(self, row: Mapping[str, Any]) -> None:
        """Add one service as a host, and apply the options of ``constructed``."""
        name = host_name(row)
        if name is None:
            self.display.warning(
                f"{self.NAME}: the service {row['suid']!r} is left out: no host can have this name."
            )
            return
        self.inventory.add_host(name)
        # Without passwords, unless they are requested: a cache may still have them.
        hidden = () if self.get_option("include_secrets") else INSTANCE_SECRETS
        columns = [column for column in INSTANCE_COLUMNS if column in row and column not in hidden]
        variables = _untrusted({f"qg_{column}": row[column] for column in columns})
        for variable, value in variables.items():
            self.inventory.set_variable(name, variable, value)
        # Without an address, Ansible would connect to the number, which is an address as well.
        nowhere = f"{name}.invalid"
        self.inventory.set_variable(name, "ansible_host", host_address(row) or nowhere)
        host = self.inventory.get_host(name)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), host.get_vars(), name, strict=strict)
        if not host.get_vars()["ansible_host"]:
            self.inventory.set_variable(name, "ansible_host", nowhere)
        composed = host.get_vars()
        groups = self.get_option("groups")
        self._add_host_to_composed_groups(groups, composed, name, strict=strict)
        keyed_groups = self.get_option("keyed_groups")
        self._add_host_to_keyed_groups(keyed_groups, composed, name, strict=strict)
