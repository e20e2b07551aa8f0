# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the variables of a host declare of gateways and lists, with their keys."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway import operations, records
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.declaration import (
    Declaration,
    as_json,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.gateway_options import (
    GATEWAY_OPTIONS,
    LIST_OPTIONS,
    read_gateway,
    read_list,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.lease_sets import Need
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.logins import Login, login_of
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.timings import names_for
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.credentials import (
    check_credentials,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import (
    GATEWAY,
    LIST,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import (
    is_database,
    open_store,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.registrations import (
    registered_name,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import (
    KEY_OPTIONS,
    PRODUCT_OPTIONS,
    Connection,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    UNSET,
    Spec,
    plain,
    read_options,
    refuse_blank,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.values import typed_options
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import QgAction
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._list_file import check_template
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._variables import variable_value

#: The login of pools without a key of their own, who may all have one.
LOGIN: Spec = {name: {**option, "required": False} for name, option in KEY_OPTIONS.items()}
_PLACE = "variable"
#: The options of the role that installs each kind.
_OPTIONS: dict[str, Spec] = {GATEWAY: GATEWAY_OPTIONS, LIST: LIST_OPTIONS}


class GatewayVariables(QgAction):
    """The base of an action that reads the variables of the roles proxy_gateway and proxy_list."""

    @property
    def _host(self) -> str:
        return str(self._variables["inventory_hostname"])

    def _recorded_name(self, host: str, params: Mapping[str, Any]) -> str:
        return registered_name(host, is_shared=is_database(params["store"]))

    @contextlib.contextmanager
    def _store(self, params: Mapping[str, Any]) -> Iterator[Store]:
        store = open_store(params["store"], params["max_wait"], self.mode().announcer)
        with contextlib.closing(store):
            yield store

    def _declared(self, kind: str) -> tuple[Declaration, dict[str, Any]]:
        """Return what the variables of the role declare for this host, and these variables."""
        values = self._role_values(f"proxy_{kind}_", _OPTIONS[kind])
        product = self._shared_values(PRODUCT_OPTIONS)["product"]
        if kind == GATEWAY:
            return read_gateway(values, product), values
        # A list goes without its template, which may have gone before.
        path = "" if values["state"] == "absent" else values["template"]
        declaration = read_list(values, self._template(path) if path else "", product)
        if path:
            check_template(as_json(declaration), path)
        return declaration, values

    def _role_values(self, prefix: str, spec: Spec) -> dict[str, Any]:
        """Return the variables of a role as their types, without its prefix."""
        given = {}
        for option, field in spec.items():
            name = f"{prefix}{option}"
            value = plain(self._variable_of_role(prefix, option))
            if value is not UNSET:
                refuse_blank(name, field, value)
                given[name] = value
            elif field.get("required"):
                raise OptionError(name, "is missing", "set this variable")
        values = typed_options(
            {f"{prefix}{option}": field for option, field in spec.items()}, given
        )
        return {option: values[f"{prefix}{option}"] for option in spec}

    def _shared_values(self, spec: Spec) -> dict[str, Any]:
        """Return options that the task itself does not have, as variables or the environment set
        them.
        """
        return read_options(spec, {}, place=_PLACE, variable=self.variable)

    def _variable_of_role(self, prefix: str, option: str) -> Any:
        name = f"{prefix}{option}"
        return variable_value(name, self._variables.get(name, UNSET), self._templar)

    def _template(self, path: str) -> str:
        """Return the text of a template on the control node."""
        try:
            return Path(self._find_needle("templates", path)).read_text(encoding="utf-8")
        except (AnsibleError, OSError, UnicodeError):
            fix = "give the path of a template on the control node, as text in UTF-8"
            raise OptionError("proxy_list_template", f"={path} cannot be read", fix) from None

    def _login(self, kind: str, pool: str) -> Login:
        """Return the key and the password of a pool, as the variables of the task have them."""
        shared = self._shared_values(LOGIN)
        entries = []
        if kind == GATEWAY:
            given = plain(self._variable_of_role("proxy_gateway_", "pools"))
            if isinstance(given, list):
                entries = given
        return login_of(pool, entries, shared["key"], shared["password"])

    def _login_of_host(self, host: str, kind: str, pool: str) -> Login:
        """Return the key and the password of a pool, as the inventory has them for a host."""
        variables = self._variables["hostvars"][host]
        entries = plain(variables.get("proxy_gateway_pools") or []) if kind == GATEWAY else []
        shared = self._shared_values(LOGIN)
        key = plain(variables.get("qg_key")) or shared["key"]
        password = plain(variables.get("qg_password")) or shared["password"]
        return login_of(pool, entries, key, password)

    def _known_login(self, host: str, kind: str, pool: str, digest: str) -> Login:
        """Return the login whose digest a host has reported: that of this task, or the one in the
        inventory.
        """
        login = self._login(kind, pool)
        if login.digest != digest:
            login = self._login_of_host(host, kind, pool)
        if login.digest != digest:
            fix = (
                "set it in the inventory, as qg_key or in proxy_gateway_pools, or use another play"
            )
            raise OptionError(
                f"The key of pool {pool} of {host}", "is not that of the first host", fix
            )
        return login

    def _check_logins(self, order: operations.Order) -> None:
        """Refuse a pool without a key, and credentials without a password."""
        for pool in order.declaration.pools:
            login = self._login(order.installation.kind, pool.name)
            if login.key is None:
                fix = (
                    "set it, or QG_KEY in the environment, or key in an entry of "
                    "proxy_gateway_pools"
                )
                raise OptionError("qg_key", f"is missing for pool {pool.name}", fix)
            names = names_for(order.installation.kind, pool)
            fix = ""
            if pool.is_entry:
                fix = "set password in the entry of the pool, or qg_password if it has no key"
            check_credentials(pool.credentials, login.password, names.of("credentials"), fix=fix)

    def _use_keys(
        self, store: Store, host: str, order: operations.Order, *, is_refresh: bool
    ) -> None:
        """Record the keys of what is installed, or check those of what is refreshed."""
        keys = {}
        for pool in order.declaration.pools:
            try:
                login = self._known_login(
                    host, order.installation.kind, pool.name, order.logins[pool.name]
                )
                keys[pool.name] = records.key_digest(store, login.key or "")
                if is_refresh:
                    records.check_key(order.installation, pool.name, keys[pool.name])
            except QgError as error:
                if not is_refresh:
                    raise
                order.refused[pool.name] = error.message
        if not is_refresh:
            order.installation = dataclasses.replace(order.installation, keys=keys)

    def _connection_of(self, params: Mapping[str, Any], need: Need) -> Connection:
        login = self._known_login(need.host, need.kind, need.pool.name, need.login)
        values = {
            **params,
            "key": login.key,
            "password": login.password,
            "product": need.pool.product,
        }
        return Connection.of(values)
