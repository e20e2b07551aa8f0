# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Returns the hosts of a playbook of the collection, and refuses a run that would do nothing, or more than intended."""

from __future__ import annotations

DOCUMENTATION = r"""
name: target_hosts
short_description: The hosts of a playbook of the collection
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Returns the patterns of hosts for C(hosts) of a play, as the playbooks of the collection do. By default, they are
    those of the variable C(qg_hosts), or C(all).
  - Ansible skips a play without hosts, and the run succeeds. This lookup fails instead, if no host of the inventory
    matches the patterns and C(--limit). A pattern of several of which none matches remains a warning of Ansible.
  - It also fails for a misspelt variable, which Ansible would ignore. These are unknown variables with the prefix of a
    role of the collection, and those that resemble a variable of its playbooks or an option such as C(qg_key).
    Variables of the inventory are not known at this time, and the roles check theirs.
  - It is evaluated once for each play, makes no call and contacts no host.
options:
  _terms:
    description: The patterns, if they are not those of C(qg_hosts).
    type: list
    elements: str
  chosen:
    description:
      - Whether the hosts must be chosen, with C(--limit) or the variable C(qg_hosts), because the play takes something
        away from them. With the variable C(qg_all=true), all hosts are.
      - With the variable C(qg_forget), which names hosts that need not be in the inventory, the result is C(localhost).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Add the egress addresses of the hosts to the whitelist
  hosts: "{{ query('qingguo.qgnet.target_hosts') }}"
  gather_facts: false
  roles:
    - qingguo.qgnet.egress_whitelist
"""

RETURN = r"""
_raw:
  description: The patterns.
  type: list
  elements: str
"""

from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.inventory.manager import InventoryManager, split_host_pattern
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.lookup import LookupBase
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import counted, one_line, quote_word, similar
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._sources import NO_VALUE, UNSET, variable_value
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._variable_names import check_names

#: Options of Ansible with which it runs no play.
_NOT_RUNNING = ("syntax", "listhosts", "listtasks", "listtags")


class LookupModule(LookupBase):
    """Reads variables, and the inventory as the variable groups shows it."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the patterns."""
        self.set_options(direct=kwargs)
        self._known = variables or {}
        given = [str(term) for term in terms]
        if any(context.CLIARGS.get(name) for name in _NOT_RUNNING):
            return given or _as_list(self._value("qg_hosts") or "all")
        try:
            check_names(self._known.keys())
        except QgError as error:
            raise AnsibleLookupError(error.message) from None
        patterns = given or self._chosen()
        self._check_hosts(patterns)
        return patterns

    def _value(self, name: str) -> Any:
        """Return the value of a variable; None if it has none."""
        value = variable_value(name, self._known, self._templar)
        return None if value is UNSET or value in NO_VALUE else value

    def _chosen(self) -> list[str]:
        """Return the patterns that variables choose."""
        hosts, limit = self._value("qg_hosts"), context.CLIARGS.get("subset")
        if not self.get_option("chosen"):
            return _as_list(hosts or "all")
        everyone = boolean(self._value("qg_all") or False, strict=False)
        if self._value("qg_forget") is not None:
            if hosts or limit or everyone:
                raise AnsibleLookupError("qg_forget names the hosts itself: leave out --limit, qg_hosts and qg_all.")
            return ["localhost"]
        if not (hosts or limit or everyone):
            number = len(self._known.get("groups", {}).get("all", ()))
            raise AnsibleLookupError(
                f"The playbook would remove the addresses of all hosts of the inventory ({number}): choose hosts with "
                "--limit or qg_hosts, or set qg_all=true."
            )
        return _as_list(hosts or "all")

    def _check_hosts(self, patterns: list[str]) -> None:
        groups: dict[str, list[str]] = self._known.get("groups") or {}
        everyone, limit = groups.get("all") or [], context.CLIARGS.get("subset")
        # Ansible itself refuses a limit without hosts. Names need no comparison with the hosts of a large inventory.
        if patterns == ["all"] and everyone:
            return
        names = {*everyone, *(name for name, hosts in groups.items() if hosts), *constants.LOCALHOST}
        terms = split_host_pattern(patterns)
        if not limit and not names.isdisjoint(terms) and not any(term[:1] in "!&" for term in terms):
            return
        if _matching(self._loader, groups, patterns, limit):
            return
        if patterns == ["all"]:
            sources = ", ".join(str(source) for source in self._known.get("ansible_inventory_sources") or ())
            raise AnsibleLookupError(
                f"The inventory {one_line(sources) or '(none)'} has no hosts, so nothing would be done: name one that "
                "Ansible can read with --inventory."
            )
        shown = quote_word(",".join(patterns))
        if limit and _matching(self._loader, groups, patterns, None):
            raise AnsibleLookupError(
                f"--limit {one_line(str(limit))} excludes the hosts of this playbook ({shown}), so nothing would be "
                "done: leave it out, or choose hosts that both contain."
            )
        near = [match for term in terms for match in similar(term, names)]
        fix = f"did you mean {near[0]}?" if near else f"choose from {counted(len(everyone), 'host')} and their groups."
        raise AnsibleLookupError(f"qg_hosts={shown} matches no host of the inventory, so nothing would be done: {fix}")


def _as_list(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list | tuple) else [str(value)]


def _matching(loader: Any, groups: dict[str, list[str]], patterns: list[str], limit: str | None) -> list[Any]:
    """Return the hosts that match the patterns and the limit, as Ansible would."""
    manager = InventoryManager(loader, parse=False)
    for group, hosts in groups.items():
        manager.add_group(group)
        for host in hosts:
            manager.add_host(host, group=group)
    try:
        manager.subset(limit)
        found: list[Any] = manager.get_hosts(patterns)
    except AnsibleError:
        return []
    return found
