# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_proxy_gateway: the steps of a run that installs or refreshes gateways and lists.

Options come from the variables of the roles, or from what was recorded when something was
installed. Between the tasks of a play, Ansible itself waits for all hosts, so that one of them
leases for all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError, QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import (
    run_began,
    wall_time,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import (
    format_sample,
    one_line,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway import operations, records
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.declaration import (
    Declaration,
    Gateway,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.exits import read_look
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.host_checks import (
    check_host,
    check_place,
    why_not_refreshed,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.outlook import outlook
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.places import why_in_the_way
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.supply import Supplier
from ansible_collections.qingguo.qgnet.plugins.module_utils._spending.caps import parse_cap
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import (
    GATEWAY,
    LIST,
    Installation,
    Installations,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.store import Store
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import (
    CAP_OPTIONS,
    INVENTORY_OPTIONS,
    KEY_OPTIONS,
    PROXY_API_OPTIONS,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    Spec,
    plain,
    redact,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._gateway_host import (
    look_script,
    removal_script,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._gateway_serving import (
    FOUND,
    LEASED,
    LOOK,
    ServingAction,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._gateway_variables import LOGIN
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._timers import read_timers, remove_timer

SPEC: Spec = {
    "step": {
        "type": "str",
        "choices": ["find", "look", "check", "serve", "lease", "report", "remove", "info"],
        "required": True,
    },
    "kinds": {"type": "list", "elements": "str", "choices": [GATEWAY, LIST], "default": [GATEWAY]},
    "refresh": {"type": "bool", "default": False},
    "configures": {"type": "bool", "default": False},
    "is_restart": {"type": "bool", "default": False},
    "is_named": {"type": "bool", "default": False},
    "forget": {"type": "list", "elements": "str"},
    "hosts": {"type": "list", "elements": "str"},
    "timer": {"type": "str"},
    **INVENTORY_OPTIONS,
    **{name: option for name, option in PROXY_API_OPTIONS.items() if name not in KEY_OPTIONS},
    **CAP_OPTIONS,
}
#: Two more variables that the tasks register.
CONFIGURED = "proxy_gateway__configured"
SERVED = "proxy_gateway__served"


class ActionModule(ServingAction):
    """Looks over the connection of the host, and calls QG.net from the control node."""

    selectors = ("forget",)

    def act(self) -> dict[str, Any]:
        """Take one step, and return its result."""
        if self._task.delegate_to:
            raise AnsibleActionFail(
                "qg_proxy_gateway acts for its own host and cannot be delegated: leave delegate_to "
                "out."
            )
        params = self.validated(SPEC)
        steps = {
            "find": self._find,
            "look": self._look,
            "check": self._check,
            "serve": self._serve,
            "lease": self._lease,
            "report": self._report,
            "remove": self._remove,
            "info": self._info,
        }
        result = self.guarded(lambda: steps[params["step"]](params))
        if params["step"] == "look":
            result["run"] = self._variables[FOUND]["run"]
        return result

    def _find(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is recorded for the hosts of this batch."""
        self._check_strategy()
        # A play that installs may have done much else before.
        began = run_began() if params["refresh"] else None
        hosts = self._variables["ansible_play_batch"]
        names = {self._recorded_name(host, params): host for host in hosts}
        inventory = self.inventory(params)
        missing: dict[str, str] = {}
        with self._store(params) as store:
            rows = Installations(store)
            if params["refresh"]:
                chosen, missing = records.find(
                    rows, inventory, names.keys(), params["kinds"], is_named=params["is_named"]
                )
            else:
                chosen = [
                    each
                    for each in rows.all(inventory)
                    if each.host in names and each.kind in params["kinds"]
                ]
        by_host: dict[str, list[dict[str, Any]]] = {}
        for each in chosen:
            by_host.setdefault(names[each.host], []).append(dataclasses.asdict(each))
        return {
            "changed": False,
            "installations": by_host,
            "missing": {names[host]: text for host, text in missing.items()},
            "hosts": list(hosts),
            "began": began,
            # Ansible keeps what an earlier play has registered.
            "run": secrets.token_hex(8),
        }

    def _check_strategy(self) -> None:
        """Refuse a strategy by which no host waits for another: Ansible then lets each host take
        the steps for all, and registers the result of each for all.
        """
        strategy = str(self._task.get_play().strategy)
        if strategy.endswith(("free", "host_pinned")):
            raise OptionError(
                "strategy",
                f"={strategy} cannot be used for gateways and lists, since one host leases for all",
                "set strategy: linear in the play that runs the role",
            )

    def _look(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what this host is to have, and what it has."""
        self.check_every_host()
        recorded = self._variables[FOUND]
        if self._host in recorded["missing"]:
            raise QgError(recorded["missing"][self._host])
        rows = [Installation(**row) for row in recorded["installations"].get(self._host, ())]
        state = "present"
        forgets_reports = False
        if params["refresh"]:
            chosen = [(row, records.recorded(row)) for row in rows]
        else:
            declaration, values = self._declared(params["kinds"][0])
            state = values["state"]
            forgets_reports = values.get("forget_reports", False)
            row = self._installation(rows, declaration, params)
            if row.options and row.removed_at is None:
                installed = records.recorded(row)
                if state == "absent":
                    # What is to go is where it was installed, whatever the variables say now.
                    declaration = installed
                else:
                    check_place(installed, declaration)
            chosen = [(row, declaration)]
        if not chosen:
            return {"changed": False, "orders": [], "serve": []}
        nonce = f"qg{secrets.token_hex(12)}"
        is_install = state == "present" and not params["refresh"]
        declarations = [declaration for _row, declaration in chosen]
        script = look_script(declarations, nonce, is_install=is_install)
        output = self._low_level_execute_command(script, executable="/bin/sh")["stdout"]
        parts = output.replace("\r", "").split(f"{nonce}\n")[1:]
        if len(parts) != len(chosen):
            raise QgError(
                f"The shell of {self._host} has not completed the look at what is installed there."
            )
        orders = []
        for (row, declaration), part in zip(chosen, parts, strict=True):
            logins = {
                pool.name: self._login(row.kind, pool.name).digest for pool in declaration.pools
            }
            has_reports = isinstance(declaration, Gateway) and declaration.reports
            look = read_look(part, wall_time(), has_reports=has_reports)
            look.forgets_reports = forgets_reports
            order = operations.Order(row, declaration, logins, look)
            order.problem = why_in_the_way(part, declaration, is_refresh=params["refresh"])
            if params["refresh"]:
                order.problem = order.problem or why_not_refreshed(row, look)
                order.problem = order.problem or self._why_not_restored(order, params)
            elif state == "present":
                if order.problem:
                    raise QgError(order.problem)
                check_host(declaration, row.host, look.flags)
                self._check_logins(order)
            orders.append(order)
        served = [operations.served(order, operations.unchanged(order)) for order in orders]
        return {
            "changed": False,
            "state": state,
            "orders": [order.as_json() for order in orders],
            "serve": served,
        }

    def _why_not_restored(self, order: operations.Order, params: Mapping[str, Any]) -> str:
        """Let a gateway serve the leases of before, if it does not run or has not the servers that
        are recorded, since the role was killed before it recorded others.

        Returns why it cannot: what is leased could not be served then, and would be paid for in
        each run.
        """
        if not isinstance(order.declaration, Gateway) or self._task.check_mode:
            return ""
        served = operations.served(order, operations.unchanged(order))
        has_servers = f"layout={order.declaration.layout}" in order.look.flags
        if has_servers and served["serves"]:
            return ""
        try:
            self._serve_gateway(served, {**params, "configures": not has_servers})
        except QgError as error:
            return error.message
        return ""

    def _installation(
        self, rows: Sequence[Installation], declaration: Declaration, params: Mapping[str, Any]
    ) -> Installation:
        """Return the recorded installation that is declared here, or a new one."""
        for row in rows:
            if row.kind == declaration.kind and row.name == declaration.name:
                return row
        return Installation(
            id=secrets.token_hex(8),
            kind=declaration.kind,
            inventory=self.inventory(params),
            host=self._recorded_name(self._host, params),
            name=declaration.name,
            options={},
            keys={},
        )

    def _check(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Refuse keys and terms that QG.net does not accept, before anything is written."""
        orders = self._orders(is_refresh=False)
        with self._store(params) as store:
            for host, of_host in orders.items():
                for order in of_host:
                    self._use_keys(store, host, order, is_refresh=False)
            operations.check(orders, self._supplier(params, store))
        return {"changed": False}

    def _supplier(self, params: Mapping[str, Any], store: Store) -> Supplier:
        mode = self.mode()
        return Supplier(
            connect=lambda need: self._connection_of(params, need),
            announcer=mode.announcer,
            store=store,
            cap=parse_cap(params["max_new_per_day"]),
            check=mode.check,
        )

    def _lease(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Lease for all hosts that have looked, and return what each of them is to serve."""
        self.check_cap(params)
        mode = self.mode()
        is_refresh = params["refresh"]
        orders = self._orders(is_refresh=is_refresh)
        with self._store(params) as store:
            rows = Installations(store)
            left = operations.left_to_another_run(rows, orders) if is_refresh else []
            for host, of_host in orders.items():
                orders[host] = [order for order in of_host if order.installation not in left]
            for host, of_host in orders.items():
                for order in of_host:
                    self._use_keys(store, host, order, is_refresh=is_refresh)
            if not is_refresh and not mode.check:
                operations.declare(
                    rows, [order for of_host in orders.values() for order in of_host]
                )
            supplier = self._supplier(params, store)
            outcomes = operations.serve(orders, supplier, is_refresh=is_refresh)
            if not is_refresh and not mode.check:
                self._show_forecasts(supplier)
        hosts: dict[str, list[dict[str, Any]]] = {}
        warnings = {operations.why_left(each.kind, each.name, each.host): None for each in left}
        for host, of_host in orders.items():
            hosts[host] = []
            for order, outcome in zip(of_host, outcomes[host], strict=True):
                hosts[host].append(operations.served(order, outcome))
                warnings.update(dict.fromkeys(outcome.warnings))
        result = {
            "changed": supplier.bought > 0,
            "bought": supplier.bought,
            "hosts": hosts,
            "warnings": [*warnings],
            "left": [each.id for each in left],
        }
        # The result must not show a key or password of this run.
        return redact(result, {**params, **self._shared_values(LOGIN)}, {**SPEC, **LOGIN})

    def _show_forecasts(self, supplier: Supplier) -> None:
        """Show what is needed in a day; what was paid for is served, whatever becomes of this."""
        with contextlib.suppress(QgError):
            sentences = [
                outlook(client, key, supplier.cap) for key, client in supplier.clients.items()
            ]
            for sentence in filter(None, sentences):
                self._display.display(f"qg_proxy_gateway: {sentence}", stderr=True)

    def _orders(self, *, is_refresh: bool) -> dict[str, list[operations.Order]]:
        """Return the orders of the hosts of this batch that have not failed, and are to serve."""
        orders = {}
        for host in self._variables["ansible_play_batch"]:
            variables = self._variables["hostvars"].raw_get(host)
            look = self._look_of(variables)
            if look.get("state") == "absent":
                continue
            of_host = [operations.Order.from_json(plain(data)) for data in look.get("orders", ())]
            configured = variables.get(CONFIGURED) or {}
            if not is_refresh and configured.get("changed", True):
                # What has changed, such as the credentials, may be what made the exits fail.
                for order in of_host:
                    order.look.forget_exits()
            if of_host:
                orders[host] = of_host
        return orders

    def _look_of(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the result of the look at a host, failed or not; an empty one if it has skipped
        this run, or was not reached.
        """
        look: Mapping[str, Any] = variables.get(LOOK) or {}
        return look if look.get("run") == self._variables[FOUND]["run"] else {}

    def _report(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Record how the run has ended for each host."""
        if self._task.check_mode:
            return {"changed": False}
        recorded = self._variables[FOUND]
        leased = self._variables.get(LEASED) or {}
        seconds = None
        if recorded["began"] is not None:
            seconds = max(0.0, wall_time() - recorded["began"])
        with self._store(params) as store:
            rows = Installations(store)
            for host in recorded["hosts"]:
                served = leased.get("hosts", {}).get(host, ())
                sleeps = {each["id"]: each["sleeps"] for each in served}
                for identifier, problem in self._problems(host, leased).items():
                    rows.finish(identifier, problem, seconds, sleeps.get(identifier))
        return {"changed": False}

    def _problems(self, host: str, leased: Mapping[str, Any]) -> dict[str, str]:
        """Return why what a host was to serve was not refreshed, by its identifier; empty text if
        it was, or if the host skips the role.

        The role serves one gateway or list, whatever else is installed on the host. If the look at
        the host has failed, nothing on it was refreshed.
        """
        variables = self._variables["hostvars"].raw_get(host)
        identifiers = self._recorded_ids(host)
        look = self._look_of(variables)
        is_skipped = not look and host in self._variables["ansible_play_hosts"]
        if is_skipped or look.get("state") == "absent":
            return {}
        if "orders" in look:
            identifiers = [order["installation"]["id"] for order in look["orders"]]
        ended = (
            "The last run failed on this host before it was done: run it again to see the error."
        )
        if leased.get("failed"):
            ended = str(plain(leased["msg"]))
        problems = dict.fromkeys(identifiers, ended)
        served = variables.get(SERVED) or {"failed": True, "msg": ended}
        for each in leased.get("hosts", {}).get(host, ()):
            problems[each["id"]] = plain(each["problem"])
            if served.get("failed") or served.get("unreachable"):
                problems[each["id"]] = one_line(str(plain(served.get("msg")) or ended))
        for identifier in leased.get("left", ()):
            problems.pop(identifier, None)
        return problems

    def _remove(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Remove what is installed on this host and record that; or record, for hosts that are
        gone, that nothing is installed there.
        """
        if params["forget"]:
            return self._forget(params["forget"], "", "", params)
        kind = params["kinds"][0]
        order = self._variables[LOOK]["orders"][0]
        served = self._variables[LOOK]["serve"][0]
        if order["problem"]:
            raise QgError(plain(order["problem"]))
        is_there = bool(order["look"]["identifier"])
        name = served["name"] if kind == GATEWAY else served["path"]
        if not self._task.check_mode:
            script = removal_script(served, is_found=is_there)
            done = self._low_level_execute_command(script, executable="/bin/sh")
            if done["rc"] != 0:
                said = one_line(done["stderr"] or done["stdout"])[:200]
                raise QgError(
                    f"The {kind} {name} of {self._host} cannot be removed: {said}. It is still "
                    "recorded: set become if it was installed so, and remove it again."
                )
        return self._forget([self._host], kind, name, params, is_changed=is_there)

    def _forget(
        self,
        hosts: Sequence[str],
        kind: str,
        name: str,
        params: Mapping[str, Any],
        *,
        is_changed: bool = False,
    ) -> dict[str, Any]:
        """Record that installations are gone, and remove the timers that are of no use then.

        Without a kind and a name, these are all installations of the hosts. ``is_changed`` says
        whether this task has changed anything before.
        """
        if self._task.check_mode:
            return {"changed": is_changed, "removed": []}
        inventory = self.inventory(params)
        with self._store(params) as store:
            names = [self._recorded_name(host, params) for host in hosts]
            rows = Installations(store)
            removed = rows.remove(inventory, names, kind, name)
            standing = {each.host for each in rows.standing(inventory)}
        is_changed = is_changed or bool(removed)
        timers = []
        for timer in read_timers():
            recorded = {self._recorded_name(host, params) for host in timer.hosts}
            if timer.inventory == inventory and recorded & set(names) and not recorded & standing:
                try:
                    remove_timer(timer)
                except QgError as error:
                    error.details["changed"] = is_changed
                    raise
                is_changed = True
                timers.append(timer.name)
        return {
            "changed": is_changed,
            "removed": [records.described(each) for each in removed],
            "timers": timers,
        }

    def _info(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is recorded: in the whole store, or for hosts of this inventory, each of
        which must have something.
        """
        with self._store(params) as store:
            rows = Installations(store)
            if params["hosts"] is None:
                chosen = rows.all()
            else:
                names = [self._recorded_name(host, params) for host in params["hosts"]]
                chosen, missing = records.find(
                    rows, self.inventory(params), names, params["kinds"], is_named=True
                )
                for text in missing.values():
                    raise QgError(text)
                self._check_timer(names, params)
        installations = [records.described(row) for row in chosen]
        return {
            "changed": False,
            "installations": installations,
            "inventory": self.inventory(params),
        }

    def _check_timer(self, names: Sequence[str], params: Mapping[str, Any]) -> None:
        """Refuse the name of a timer that refreshes none of these hosts: it would end unseen."""
        for timer in read_timers():
            recorded = {self._recorded_name(host, params) for host in timer.hosts}
            is_same = timer.inventory == self.inventory(params) and recorded & set(names)
            if timer.name == params["timer"] and not is_same:
                raise QgError(
                    f"The timer {timer.name} refreshes {format_sample(sorted(recorded))} of the "
                    f"inventory {timer.inventory}, and would no longer do so: set qg_timer_name to "
                    "another name, or remove that timer first with qg_timer_state=absent -e "
                    f"qg_timer_name={timer.name}."
                )
