# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_doctor_info on the control node."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import format_sample
from ansible_collections.qingguo.qgnet.plugins.module_utils._doctor.operations import (
    DOCTOR_INFO,
    doctor_info,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import DEFAULT
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._action import ApiAction
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._variables import (
    check_settings,
    owners_of,
)

#: The connection to this machine, as an inventory names it.
_LOCAL = ("local", "ansible.builtin.local")


class ActionModule(ApiAction):
    """Runs the operation in the worker process, where the inventory is known."""

    operation = DOCTOR_INFO

    def act(self) -> dict[str, Any]:
        """Run the operation; if no key is set, say where the inventory has one."""
        result = self.perform(doctor_info(self._own_name))
        if self.origin("key") == DEFAULT:
            for check in result.get("checks", ()):
                if check["name"] == "options":
                    check["detail"] += self.elsewhere("key")
        if mistakes := self._misspelt():
            # A playbook for these hosts would refuse it, and one for this host does not see it.
            check = {"name": "variables", "ok": False, "detail": " ".join(mistakes)}
            result["checks"] = [*result.get("checks", ()), check]
            result["healthy"] = False
        return result

    def _misspelt(self) -> list[str]:
        """Return what is wrong with the names of variables of the inventory, whoever has them."""
        groups = self._variables.get("groups", {})
        hostvars = {}
        for host in groups.get("all", ()):
            hostvars[host] = self._variables["hostvars"].raw_get(host)
        mistakes = []
        for name in sorted({name for own in hostvars.values() for name in own}):
            try:
                check_settings([name])
            except OptionError as error:
                hosts = [host for host, own in hostvars.items() if name in own]
                owners = format_sample(owners_of(hosts, groups))
                mistakes.append(f"{error.message} It is set for {owners}.")
        return mistakes

    def _own_name(self) -> str:
        """Return the host of the inventory that is this machine, the task's first; or localhost."""
        given = self._variables["inventory_hostname"]
        for name in sorted(self._variables["groups"]["all"], key=lambda name: name != given):
            try:
                if self._is_this_machine(self._variables["hostvars"][name]):
                    return str(name)
            except AnsibleError:
                # A variable of another host cannot be evaluated.
                continue
        return "localhost"

    def _is_this_machine(self, host: Mapping[str, Any]) -> bool:
        """Whether registering a host puts the address of this machine on the same whitelist."""
        if host.get("ansible_connection") not in _LOCAL or host.get("egress_whitelist_ips"):
            return False
        host_of_task = self._variables["hostvars"][self._variables["inventory_hostname"]]
        return _key(host) == _key(host_of_task)


def _key(host: Mapping[str, Any]) -> object:
    return host.get("qg_key") or os.environ.get("QG_KEY")
