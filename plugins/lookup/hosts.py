# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of a play, which fails if there are none."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hosts
short_description: The hosts of a play, or an error if there are none
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Checks a pattern of hosts for the keyword C(hosts) of a play, and returns it.
  - If an inventory does not exist or a pattern matches no host, Ansible itself only shows a warning
    and succeeds. With this lookup, the run fails before any task if a requested inventory does not
    exist, if the pattern is empty, if a part of it matches neither a host nor a group, or if
    C(--limit) leaves no host.
  - With C(--syntax-check), the pattern is not checked.
options:
  _terms:
    description: The pattern, as text or as a list of patterns.
    type: list
    elements: str
    required: true
  distinct:
    description:
      - Whether to return only the first one of the matching hosts whose variables of the
        collection, such as C(qg_key), have the same values.
      - The variables of hosts are available only when a play has begun. An earlier play must
        therefore check the same pattern.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Check the hosts
  hosts: "{{ query('qingguo.qgnet.hosts', qg_hosts | default('crawlers')) }}"
  gather_facts: false

- name: Lease for each key of these hosts
  hosts: "{{ query('qingguo.qgnet.hosts', qg_hosts | default('crawlers'), distinct=true) }}"
  gather_facts: false
  tasks:
    - name: Hold five leases
      qingguo.qgnet.qg_proxy_allocate:
        count: 5
"""

RETURN = r"""
_raw:
  description: The parts of the pattern. With O(distinct), these are names of hosts.
  type: list
  elements: str
"""

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from ansible import context
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.inventory.manager import InventoryManager, split_host_pattern
from ansible.plugins.lookup import LookupBase
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import plain
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._variables import settings

#: Where Ansible looks for an inventory if none was asked for; most often there is none.
_DEFAULT_INVENTORY = "/etc/ansible/hosts"


class LookupModule(LookupBase):
    """Checks the pattern of a play."""

    def run(
        self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[str]:
        """Return the pattern, or distinct hosts."""
        self.set_options(var_options=variables, direct=kwargs)
        patterns = _flat(terms)
        if context.CLIARGS.get("syntax"):
            return patterns
        variables = variables or {}
        hosts = self._check(patterns, variables)
        if self.get_option("distinct") and "hostvars" in variables:
            return _distinct(hosts, variables["hostvars"])
        return patterns

    def _check(self, patterns: list[str], variables: Mapping[str, Any]) -> list[str]:
        """Return the hosts that match.

        Refuse a pattern that names nothing, and an inventory that does not exist.
        """
        sources = [str(source) for source in variables.get("ansible_inventory_sources") or ()]
        _check_sources(sources)
        if not patterns:
            raise AnsibleLookupError(
                "qg_hosts is empty: set it to hosts or groups of the inventory, such as -e "
                "qg_hosts=crawlers."
            )
        groups = variables["groups"]
        inventory = self._inventory(groups)
        named = " ".join(("the inventory", ", ".join(sources))).rstrip()
        if not groups["all"] and not _matches(inventory, patterns):
            raise AnsibleLookupError(
                f"There is no host in {named}: give an inventory that has some, with --inventory."
            )
        for part in patterns:
            name = part.lstrip("!&")
            if name not in groups and not _matches(inventory, [name]):
                raise AnsibleLookupError(
                    f"No host of {named} matches {name!r}: set qg_hosts to hosts or groups that it "
                    "has."
                )
        limit = variables.get("ansible_limit")
        inventory.subset(limit)
        hosts = _matches(inventory, patterns)
        if not hosts:
            pattern = ",".join(patterns)
            problem = f"No host of {named} matches {pattern!r}"
            fix = "set qg_hosts to other hosts."
            if limit:
                problem += f" and --limit {limit!r}"
                fix = f"correct --limit, or {fix}"
            raise AnsibleLookupError(f"{problem}: {fix}")
        return hosts

    def _inventory(self, groups: Mapping[str, Iterable[str]]) -> InventoryManager:
        """Return the inventory of the run, as far as it is needed to match patterns."""
        inventory = InventoryManager(self._loader, parse=False)
        for group, hosts in groups.items():
            inventory.add_group(group)
            for host in hosts:
                inventory.add_host(host, group=group)
        return inventory


def _check_sources(sources: Iterable[str]) -> None:
    """Refuse an inventory that does not exist."""
    for source in sources:
        is_path = "," not in source and source != _DEFAULT_INVENTORY
        if is_path and not os.path.exists(source):
            raise AnsibleLookupError(
                f"The inventory {source} does not exist: correct its path in --inventory, "
                "ANSIBLE_INVENTORY or ansible.cfg."
            )


def _distinct(hosts: Iterable[str], hostvars: Mapping[str, Any]) -> list[str]:
    """Return the first of the hosts with the same settings."""
    first: dict[str, str] = {}
    for host in hosts:
        first.setdefault(_settings_of(host, hostvars[host]), host)
    return list(first.values())


def _flat(terms: Iterable[Any]) -> list[str]:
    """Return the parts of patterns, which may be lists of patterns."""
    parts: list[str] = []
    for term in terms:
        if isinstance(term, list | tuple):
            parts += _flat(term)
        elif term is not None:
            parts += split_host_pattern(str(term))
    return parts


def _matches(inventory: InventoryManager, patterns: list[str]) -> list[str]:
    """Return the hosts that match; Ansible may be configured to raise an error if none does."""
    try:
        return [host.name for host in inventory.get_hosts(patterns)]
    except AnsibleError:
        return []


def _settings_of(host: str, variables: Any) -> str:
    """Return the variables of the collection, and the keys of pools among them, or the host itself
    if one cannot be evaluated.
    """
    names = [*sorted(settings()), "proxy_gateway_pools"]
    try:
        values = {name: plain(variables[name]) for name in names if name in variables}
        return json.dumps(values, default=str)
    except AnsibleError:
        return host
