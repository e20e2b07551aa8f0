# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_proxy_gateway: the steps of a run that installs or refreshes gateways and lists.

Options come from the variables of the roles, or from what was recorded when something was installed. Between the tasks
of a play, Ansible itself waits for all hosts, so that one of them leases for all.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import secrets
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import current_actor, wall_time
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway import operations, records
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.declaration import Declaration, as_json
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.exits import read_look
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.gateway_options import (
    GATEWAY_OPTIONS,
    LIST_OPTIONS,
    Login,
    login_of,
    names_for,
    read_gateway,
    read_list,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.supply import Need, Supplier
from ansible_collections.qingguo.qgnet.plugins.module_utils._leases.credentials import check_credentials
from ansible_collections.qingguo.qgnet.plugins.module_utils._paid.caps import parse_cap
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import (
    GATEWAY,
    LIST,
    Installation,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import is_database, open_store
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import (
    CAP_OPTIONS,
    INVENTORY_OPTIONS,
    KEY_OPTIONS,
    PRODUCT_OPTIONS,
    PROXY_API_OPTIONS,
    Connection,
    Timing,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    UNSET,
    Spec,
    plain,
    read_options,
    redact,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.values import typed_options
from ansible_collections.qingguo.qgnet.plugins.module_utils._whitelist.fleet import registered_name
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import QgAction
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._gateway_host import (
    NO_ANSWER,
    UNWRITABLE,
    leases_script,
    list_removal_script,
    look_script,
    reason,
    removal_script,
    run_script,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._list_file import check_template, list_text
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._timers import read_timers, remove_timer
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._variables import variable_value

SPEC: Spec = {
    "step": {
        "type": "str",
        "choices": ["find", "look", "serve", "lease", "report", "remove", "info"],
        "required": True,
    },
    "kinds": {"type": "list", "elements": "str", "choices": [GATEWAY, LIST], "default": [GATEWAY]},
    "refresh": {"type": "bool", "default": False},
    "is_first": {"type": "bool", "default": False},
    "is_restart": {"type": "bool", "default": False},
    "is_named": {"type": "bool", "default": False},
    "forget": {"type": "list", "elements": "str"},
    "hosts": {"type": "list", "elements": "str"},
    **INVENTORY_OPTIONS,
    **{name: option for name, option in PROXY_API_OPTIONS.items() if name not in KEY_OPTIONS},
    **CAP_OPTIONS,
}
#: The login of pools without their own key; each may be missing here.
_LOGIN: Spec = {name: {**option, "required": False} for name, option in KEY_OPTIONS.items()}
_PLACE = "variable"
#: The variables that the tasks register.
FOUND = "proxy_gateway__found"
LOOK = "proxy_gateway__look"
CONFIGURED = "proxy_gateway__configured"
LEASED = "proxy_gateway__leased"
SERVED = "proxy_gateway__served"
#: The prefix of the variables of each role, and their options.
_ROLES: dict[str, tuple[str, Spec]] = {
    GATEWAY: ("proxy_gateway_", GATEWAY_OPTIONS),
    LIST: ("proxy_list_", LIST_OPTIONS),
}
_TEMPLATES = Path(__file__).resolve().parents[2] / "roles" / "proxy_gateway" / "templates"
#: Made before Ansible forks its workers, so that a digest of a key means nothing outside of the run.
_SALT = secrets.token_bytes(16)


class ActionModule(QgAction):
    """Looks over the connection of the host, and calls QG.net from the control node."""

    def act(self) -> dict[str, Any]:
        """Take one step, and return its result."""
        if self._task.delegate_to:
            raise AnsibleActionFail(
                "qg_proxy_gateway acts for its own host and cannot be delegated: leave delegate_to out."
            )
        params = self.validated(SPEC)
        steps = {
            "find": self._find,
            "look": self._look,
            "serve": self._serve,
            "lease": self._lease,
            "report": self._report,
            "remove": self._remove,
            "info": self._info,
        }
        return self.guarded(lambda: steps[params["step"]](params))

    @property
    def _host(self) -> str:
        return str(self._variables["inventory_hostname"])

    def _inventory(self, params: Mapping[str, Any]) -> str:
        sources = map(str, self._variables.get("ansible_inventory_sources") or ["unnamed"])
        return params["inventory_id"] or ", ".join(sources)

    def _recorded_name(self, host: str, params: Mapping[str, Any]) -> str:
        return registered_name(host, is_shared=is_database(params["store"]))

    @contextlib.contextmanager
    def _store(self, params: Mapping[str, Any]) -> Iterator[Store]:
        with contextlib.closing(open_store(params["store"], params["max_wait"])) as store:
            yield store

    def _find(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is recorded for the hosts of the play, and lock it."""
        began = wall_time()
        hosts = self._variables["ansible_play_hosts_all"]
        names = {self._recorded_name(host, params): host for host in hosts}
        inventory = self._inventory(params)
        missing: dict[str, str] = {}
        with self._store(params) as store:
            rows = records.installations(store)
            if params["refresh"]:
                chosen, missing = records.find(
                    rows, inventory, names.keys(), params["kinds"], is_named=params["is_named"]
                )
            else:
                chosen = [each for each in rows.all(inventory) if each.host in names and each.kind in params["kinds"]]
            if not self._task.check_mode:
                records.lock(rows, chosen, Timing.of(params).budget(self.mode().announcer))
        found: dict[str, list[dict[str, Any]]] = {}
        for each in chosen:
            found.setdefault(names[each.host], []).append(dataclasses.asdict(each))
        return {
            "changed": False,
            "installations": found,
            "missing": {names[host]: text for host, text in missing.items()},
            "began": began,
        }

    def _look(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what this host is to have, and what it has."""
        found = self._variables[FOUND]
        if self._host in found["missing"]:
            raise QgError(found["missing"][self._host])
        rows = [Installation(**row) for row in found["installations"].get(self._host, ())]
        state = "present"
        if params["refresh"]:
            chosen = [(row, records.recorded(row)) for row in rows]
        else:
            declaration, state = self._declared(params["kinds"][0])
            chosen = [(self._installation(rows, declaration, params), declaration)]
        if not chosen:
            return {"changed": False, "orders": [], "serve": []}
        nonce = f"qg{secrets.token_hex(12)}"
        script = look_script([declaration for _row, declaration in chosen], nonce)
        output = self._low_level_execute_command(script, executable="/bin/sh")["stdout"]
        parts = output.replace("\r", "").split(f"{nonce}\n")[1:]
        if len(parts) != len(chosen):
            raise QgError(f"The shell of {self._host} has not completed the look at what is installed there.")
        orders = []
        for (row, declaration), part in zip(chosen, parts, strict=True):
            logins = {pool.name: _digest(self._login(row.kind, pool.name)) for pool in declaration.pools}
            order = operations.Order(row, declaration, logins, read_look(part, wall_time()))
            if params["refresh"]:
                order.problem = operations.why_not_refreshed(row, order.look)
            elif state == "present":
                operations.check_host(order)
                self._check_logins(order)
            orders.append(order)
        served = [operations.served(order, operations.unchanged(order)) for order in orders]
        return {"changed": False, "orders": [order.as_json() for order in orders], "serve": served}

    def _installation(
        self, rows: Sequence[Installation], declaration: Declaration, params: Mapping[str, Any]
    ) -> Installation:
        """Return the row of what is installed: the one that there is, or a new one."""
        for row in rows:
            if row.kind == declaration.kind and row.name == declaration.name:
                return row
        return Installation(
            id=secrets.token_hex(8),
            kind=declaration.kind,
            inventory=self._inventory(params),
            host=self._recorded_name(self._host, params),
            name=declaration.name,
            options={},
            keys={},
        )

    def _declared(self, kind: str) -> tuple[Declaration, str]:
        """Return what the variables of the role declare for this host, and the state that they want."""
        prefix, spec = _ROLES[kind]
        values = self._role_values(prefix, spec)
        product = self._shared_values(PRODUCT_OPTIONS)["product"]
        if kind == GATEWAY:
            return read_gateway(values, product), values["state"]
        path = values["template"]
        declaration = read_list(values, self._template(path) if path else "", product)
        if path:
            check_template(as_json(declaration), path)
        return declaration, values["state"]

    def _role_values(self, prefix: str, spec: Spec) -> dict[str, Any]:
        """Return the variables of a role as their types, without its prefix."""
        given = {}
        for option, field in spec.items():
            value = plain(self._variable_of_role(prefix, option))
            if value is not UNSET and value not in (None, ""):
                given[f"{prefix}{option}"] = value
            elif field.get("required"):
                raise OptionError(f"{prefix}{option}", "is missing", "set this variable")
        values = typed_options({f"{prefix}{option}": field for option, field in spec.items()}, given)
        return {option: values[f"{prefix}{option}"] for option in spec}

    def _shared_values(self, spec: Spec) -> dict[str, Any]:
        """Return options that variables or the environment set, and that the task itself does not have."""
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
        own = self._shared_values(_LOGIN)
        entries = []
        if kind == GATEWAY:
            given = plain(self._variable_of_role("proxy_gateway_", "pools"))
            if isinstance(given, list):
                entries = given
        return login_of(pool, entries, own["key"], own["password"])

    def _login_of_host(self, host: str, kind: str, pool: str) -> Login:
        """Return the key and the password of a pool, as the inventory has them for a host."""
        own = self._variables["hostvars"][host]
        entries = plain(own.get("proxy_gateway_pools") or []) if kind == GATEWAY else []
        shared = self._shared_values(_LOGIN)
        key = plain(own.get("qg_key")) or shared["key"]
        password = plain(own.get("qg_password")) or shared["password"]
        return login_of(pool, entries, key, password)

    def _check_logins(self, order: operations.Order) -> None:
        """Refuse a pool without a key, and credentials without a password."""
        for pool in order.declaration.pools:
            login = self._login(order.installation.kind, pool.name)
            if login.key is None:
                fix = "set it, or QG_KEY in the environment, or key in an entry of proxy_gateway_pools"
                raise OptionError("qg_key", f"is missing for pool {pool.name}", fix)
            name = names_for(order.installation.kind, pool).of("credentials")
            check_credentials(pool.credentials, login.password, name)

    def _lease(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Lease for all hosts that have looked, and return what each of them is to serve."""
        mode = self.mode()
        orders = self._orders(is_refresh=params["refresh"])
        with self._store(params) as store:
            rows = records.installations(store)
            for host, own in orders.items():
                for order in own:
                    self._use_keys(store, host, order, is_refresh=params["refresh"])
            if not params["refresh"] and not mode.check:
                operations.declare(rows, [order for own in orders.values() for order in own])
            supplier = Supplier(
                connect=lambda need: self._connection_of(params, need),
                announcer=mode.announcer,
                store=store,
                cap=parse_cap(params["max_new_per_day"]),
                check=mode.check,
            )
            outcomes = operations.serve(orders, supplier)
        hosts: dict[str, list[dict[str, Any]]] = {}
        warnings: dict[str, None] = {}
        for host, own in orders.items():
            hosts[host] = []
            for order, outcome in zip(own, outcomes[host], strict=True):
                hosts[host].append(operations.served(order, outcome))
                warnings.update(dict.fromkeys(outcome.warnings))
        bought = supplier.bought
        result = {"changed": bought > 0, "bought": bought, "hosts": hosts, "warnings": [*warnings]}
        return self._redacted(result, params)

    def _orders(self, *, is_refresh: bool) -> dict[str, list[operations.Order]]:
        """Return what the hosts of the play that are left have reported."""
        orders = {}
        for host in self._variables["ansible_play_hosts"]:
            look = self._variables["hostvars"].raw_get(host).get(LOOK) or {}
            own = [operations.Order.from_json(plain(data)) for data in look.get("orders", ())]
            configured = self._variables["hostvars"].raw_get(host).get(CONFIGURED) or {}
            if not is_refresh and configured.get("changed", True):
                # Credentials, for example, may have been what the exits lacked. With the strategy free, a host may not
                # be configured yet.
                for order in own:
                    order.look.forget_exits()
            if own:
                orders[host] = own
        return orders

    def _use_keys(self, store: Store, host: str, order: operations.Order, *, is_refresh: bool) -> None:
        """Note the keys of what is installed; of what is refreshed, check them."""
        keys = {}
        for pool in order.declaration.pools:
            try:
                login = self._known_login(host, order.installation.kind, pool.name, order.logins[pool.name])
                keys[pool.name] = records.key_digest(store, login.key or "")
                if is_refresh:
                    records.check_key(order.installation, pool.name, keys[pool.name])
            except QgError as error:
                if not is_refresh:
                    raise
                order.refused[pool.name] = error.message
        if not is_refresh:
            order.installation = dataclasses.replace(order.installation, keys=keys)

    def _known_login(self, host: str, kind: str, pool: str, digest: str) -> Login:
        """Return the login that a host has named by its digest: that of this host, or the one in the inventory."""
        login = self._login(kind, pool)
        if _digest(login) != digest:
            login = self._login_of_host(host, kind, pool)
        if _digest(login) != digest:
            fix = "set it in the inventory, as qg_key or in proxy_gateway_pools, or use another play"
            raise OptionError(f"The key of pool {pool} of {host}", "is not that of the first host", fix)
        return login

    def _connection_of(self, params: Mapping[str, Any], need: Need) -> Connection:
        login = self._known_login(need.host, need.kind, need.pool.name, need.login)
        values = {**params, "key": login.key, "password": login.password, "product": need.pool.product}
        return Connection.of(values)

    def _redacted(self, result: dict[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a result without a key or password of this run."""
        return redact(result, {**params, **self._shared_values(_LOGIN)}, {**SPEC, **_LOGIN})

    def _serve(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Write and run what this host is to serve: the leases of this run, or at first those of before."""
        served = self._variables[LOOK]["serve"]
        if not params["is_first"]:
            served = self._variables[LEASED]["hosts"].get(self._host, [])
        results = []
        for each in served:
            if each["is_left_alone"]:
                continue
            if each["kind"] == GATEWAY:
                results.append(self._serve_gateway(each, params))
            elif self._is_predicted(each):
                results.append({"changed": True, "diff": []})
            elif each["leases"]:
                results.append(self._write_list(each))
        changed = any(result["changed"] for result in results)
        return {"changed": changed, "diff": [diff for result in results for diff in result["diff"]]}

    def _serve_gateway(self, gateway: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        """Write the leases of a gateway, and at first its configuration, and have its process use them."""
        is_changed = gateway["text"] != gateway["before"]
        if params["is_first"]:
            written = self._configure(gateway)
            is_stale = bool(written.get("changed")) or params["is_restart"] or not gateway["serves"]
            if not self._task.check_mode:
                if is_changed:
                    self._write_leases(gateway, asks=False)
                if is_stale:
                    self._run_gateway(gateway)
            return {"changed": is_stale or is_changed, "diff": self._diffs(written)}
        is_needed = is_changed or not gateway["serves"]
        # A process that does not answer is started again, and says why it does not run.
        if is_needed and not self._task.check_mode and not self._write_leases(gateway, asks=True):
            self._run_gateway(gateway)
        diff = []
        if is_changed and self._task.diff:
            header = f"{gateway['file']}.leases"
            diff.append(
                {
                    "before_header": header,
                    "before": gateway["before"],
                    "after_header": header,
                    "after": gateway["text"],
                }
            )
        return {"changed": is_needed, "diff": diff}

    def _configure(self, gateway: Mapping[str, Any]) -> dict[str, Any]:
        """Write what does not depend on leases; raises QgError if HAProxy does not take it."""
        self._write_logins(gateway)
        arguments = {
            "src": str(_TEMPLATES / "haproxy.cfg.j2"),
            "dest": f"{gateway['file']}.cfg",
            "mode": "0600",
            "validate": "haproxy -c -f %s",
        }
        written = self._act("ansible.builtin.template", arguments, gateway=gateway)
        if written.get("failed"):
            output = "\n".join(str(written.get(name) or "") for name in ("stderr", "stdout", "module_stderr", "msg"))
            why = reason(output) or _failure(written)
            raise QgError(f"The configuration of the gateway {gateway['name']} cannot be used: {why}")
        return written

    def _write_leases(self, gateway: Mapping[str, Any], *, asks: bool) -> bool:
        """Write the file of leases, or raise QgError; returns whether the process has answered."""
        script = leases_script(gateway, f"qg{secrets.token_hex(8)}", asks=asks)
        done = self._low_level_execute_command(script, executable="/bin/sh")
        if done["rc"] == UNWRITABLE:
            said = one_line(done["stderr"])[:200]
            raise QgError(f"{gateway['file']}.leases cannot be written: {said}. The gateway serves as before.")
        if done["rc"] == NO_ANSWER:
            # A new process would ask this one for its ports.
            raise QgError(
                f"HAProxy of the gateway {gateway['name']} does not answer, as if it were stopped: end its processes, "
                "and run this again."
            )
        return bool(done["rc"] == 0)

    def _write_logins(self, gateway: Mapping[str, Any]) -> None:
        """Write the credentials of pools that send them, which only root can read."""
        lines = []
        for pool in gateway["pools"]:
            if pool["credentials"]:
                login = self._login(GATEWAY, pool["name"])
                text = base64.b64encode(f"{login.key}:{login.password}".encode()).decode()
                lines.append(f"{pool['name']} Basic {text}\n")
        path = f"{gateway['file']}.map"
        if lines:
            self._act("ansible.builtin.copy", {"content": "".join(lines), "dest": path, "mode": "0600"})
        elif not self._task.check_mode:
            # A pool may have sent them before.
            self._low_level_execute_command(f"rm -f {shlex.quote(path)}", executable="/bin/sh")

    def _run_gateway(self, gateway: Mapping[str, Any]) -> None:
        """Have the process of a gateway serve its files; raises QgError with HAProxy's reason if it does not."""
        done = self._low_level_execute_command(run_script(gateway), executable="/bin/sh")
        if done["rc"] == 0:
            return
        log = f"journalctl --unit={gateway['name']}"
        if gateway["service"] != "systemd":
            log = f"grep haproxy /var/log/syslog, or on a host without a system log haproxy -d -f {gateway['file']}.cfg"
        why = reason(done["stdout"]) or f"it gave no reason; to see its log, type {log}"
        raise QgError(f"HAProxy does not serve {gateway['file']}.cfg: {why}. If it ran before, it serves as before.")

    def _order_of(self, proxies: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what this host has reported of a list."""
        orders: list[Mapping[str, Any]] = self._variables[LOOK]["orders"]
        return next(order for order in orders if order["installation"]["id"] == proxies["id"])

    def _is_predicted(self, proxies: Mapping[str, Any]) -> bool:
        """Whether a list would change as check mode cannot try: by leases or a directory that it lacks."""
        if not self._task.check_mode or proxies["leases"] is None:
            return False
        would_lease = len(proxies["leases"]) < proxies["pools"][0]["count"] and not proxies["problem"]
        return would_lease or "folder" not in self._order_of(proxies)["look"]["flags"]

    def _write_list(self, proxies: Mapping[str, Any]) -> dict[str, Any]:
        """Write a list and the mark beside it, and run its command if it has changed."""
        login = self._login(LIST, proxies["pools"][0]["name"])
        # From the look, since results that were made safe to show have no templates.
        template = plain(self._order_of(proxies)["declaration"]["template"])
        text = list_text({**proxies, "template": template}, proxies["leases"], login, self._host)
        mark = {"content": f"installation {proxies['id']}\n", "dest": proxies["mark"], "mode": "0644"}
        file = {"content": text, "dest": proxies["path"], "mode": "0600" if proxies["credentials"] else "0644"}
        if proxies["owner"]:
            file["owner"] = proxies["owner"]
        for arguments in (mark, file):
            written = self._act("ansible.builtin.copy", arguments)
            if written.get("failed"):
                raise QgError(f"The list {proxies['path']} cannot be written: {_failure(written)}.")
        changed = bool(written.get("changed"))
        if changed and proxies["command"] and not self._task.check_mode:
            done = self._low_level_execute_command(proxies["command"])
            if done["rc"] != 0:
                said = one_line(done["stderr"] or done["stdout"])[:200]
                raise QgError(f"proxy_list_command={proxies['command']} has failed with {done['rc']}: {said}")
        return {"changed": changed, "diff": [] if proxies["credentials"] else self._diffs(written)}

    def _diffs(self, written: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the differences of a file that was written, if the task shows them."""
        diffs = written.get("diff") if self._task.diff else None
        if not diffs:
            return []
        return list(diffs) if isinstance(diffs, list) else [diffs]

    def _act(self, name: str, arguments: Mapping[str, Any], **variables: Any) -> dict[str, Any]:
        """Return the result of another action on this host."""
        task = self._task.copy()
        task.args = dict(arguments)
        action = self._shared_loader_obj.action_loader.get(
            name,
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        result: dict[str, Any] = action.run(task_vars={**self._variables, **variables})
        return result

    def _report(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Record how the run has ended for each host, and release the locks."""
        if self._task.check_mode:
            return {"changed": False}
        found = self._variables[FOUND]
        leased = self._variables.get(LEASED) or {}
        seconds = max(0.0, wall_time() - found["began"])
        run = current_actor().run
        with self._store(params) as store:
            rows = records.installations(store)
            for host in self._variables["ansible_play_hosts_all"]:
                problems = self._problems(host, found["installations"].get(host, ()), leased)
                for number, problem in problems.items():
                    rows.finish(number, run, problem, seconds)
        return {"changed": False}

    def _problems(self, host: str, installed: Sequence[Mapping[str, Any]], leased: Mapping[str, Any]) -> dict[str, str]:
        """Return why what is installed on a host was not refreshed, by its identifier; empty text if it was."""
        ended = "The last run failed on this host before it was done: run it again to see the error."
        if leased.get("failed"):
            ended = str(plain(leased["msg"]))
        problems = {row["id"]: ended for row in installed}
        served = self._variables["hostvars"].raw_get(host).get(SERVED) or {"failed": True, "msg": ended}
        for each in leased.get("hosts", {}).get(host, ()):
            problems[each["id"]] = plain(each["problem"])
            if served.get("failed") or served.get("unreachable"):
                problems[each["id"]] = one_line(str(plain(served.get("msg")) or ended))
        return problems

    def _remove(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Remove what is installed on this host, and record it; or record that hosts are gone with all they had."""
        if params["forget"]:
            return self._forget(params["forget"], "", "", params)
        kind = params["kinds"][0]
        order = self._variables[LOOK]["orders"][0]
        served = self._variables[LOOK]["serve"][0]
        is_there = bool(order["look"]["identifier"])
        if is_there and not self._task.check_mode:
            script = removal_script(served) if kind == GATEWAY else list_removal_script(served)
            self._low_level_execute_command(script, executable="/bin/sh")
        forgotten = self._forget([self._host], kind, served["name"] if kind == GATEWAY else served["path"], params)
        return {**forgotten, "changed": is_there or forgotten["changed"]}

    def _forget(self, hosts: Sequence[str], kind: str, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Record that installations are gone: all of these hosts, or one of them."""
        if self._task.check_mode:
            return {"changed": False, "removed": []}
        inventory = self._inventory(params)
        with self._store(params) as store:
            names = [self._recorded_name(host, params) for host in hosts]
            rows = records.installations(store)
            removed = rows.remove(inventory, names, kind, name)
            standing = {each.host for each in rows.all(inventory) if each.removed_at is None}
        timers = []
        for timer in read_timers():
            recorded = {self._recorded_name(host, params) for host in timer.hosts}
            if timer.inventory == inventory and recorded & set(names) and not recorded & standing:
                remove_timer(timer)
                timers.append(timer.name)
        return {
            "changed": bool(removed or timers),
            "removed": [records.described(each) for each in removed],
            "timers": timers,
        }

    def _info(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is recorded in the store for any inventory, or what a refresh of hosts of this one would find."""
        with self._store(params) as store:
            rows = records.installations(store)
            if params["hosts"] is None:
                chosen = rows.all()
            else:
                names = [self._recorded_name(host, params) for host in params["hosts"]]
                chosen, missing = records.find(rows, self._inventory(params), names, params["kinds"], is_named=True)
                for text in missing.values():
                    raise QgError(text)
        installations = [records.described(row) for row in chosen]
        return {"changed": False, "installations": installations, "inventory": self._inventory(params)}


def _digest(login: Login) -> str:
    text = "\0".join((login.key or "", login.password or ""))
    return hashlib.blake2b(text.encode(), key=_SALT, digest_size=8).hexdigest()


def _failure(result: Mapping[str, Any]) -> str:
    """Return why an action has failed. Since ansible-core 2.19, what the module said is not in its message yet."""
    event = getattr(result.get("exception"), "event", None)
    return one_line(str(result.get("msg") or getattr(event, "msg", "") or "the module gave no reason")).rstrip(".")
