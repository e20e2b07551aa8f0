# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides for run_once whether one host can run a task of the role egress_whitelist for all hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: egress_in_sync
short_description: Whether one host of a run can act for all
version_added: 1.0.0
author:
  - The qingguo.qgnet authors (!UNKNOWN)
description:
  - Returns whether one host can run a step of M(qingguo.qgnet.qg_egress_whitelist) for all hosts of its batch. Use it
    for C(run_once) of that step, as the role P(qingguo.qgnet.egress_whitelist#role) does.
  - One host can run the step V(register) if the step V(detect) has found the addresses of all its hosts on the
    whitelist. No host is omitted, because the result is V(true) only if every host is in sync. One host can always run
    the step V(summarize).
  - The result is V(false) for every strategy except P(ansible.builtin.linear#strategy), and if the first host of the
    batch has skipped the step V(detect), because all hosts would skip the step with it.
  - It is also V(false) for the step V(register) with several C(serial) batches, and if any host of the batch has
    skipped the step V(detect) before it, or has another O(store).
  - It makes no call and changes nothing.
options:
  _terms:
    description: The lookup takes no terms.
  step:
    description: The O(qingguo.qgnet.qg_egress_whitelist#module:step) that is to run on one host.
    type: str
    choices: [register, summarize]
    default: register
  vars_prefix:
    description:
      - The O(qingguo.qgnet.qg_egress_whitelist#module:vars_prefix) of the two steps. The lookup then reads O(store)
        and O(store) from the variables with this prefix, unless they are given. These variables take precedence
        over C(qg_store) and C(qg_store).
      - If such a variable cannot be evaluated, the result is V(false), and the step reports it for its host. The same
        variable in an option of the lookup would end the play of all hosts.
    type: str
  store:
    description:
      - The O(qingguo.qgnet.qg_egress_whitelist#module:store) of the two steps. With another directory, the result
        is V(false), which only costs time.
      - V(null) and C(omit) select the default.
    type: path
    default: ~/.ansible/qgnet
    vars:
      - name: qg_store
    env:
      - name: QG_STORE
  store:
    description: The O(qingguo.qgnet.qg_egress_whitelist#module:store) of the two steps.
    type: str
    vars:
      - name: qg_store
    env:
      - name: QG_STORE
seealso:
  - module: qingguo.qgnet.qg_egress_whitelist
"""

EXAMPLES = r"""
- name: Update the whitelist
  qingguo.qgnet.qg_egress_whitelist:
    step: register
    key: "{{ vault_qg_key }}"
  run_once: "{{ lookup('qingguo.qgnet.egress_in_sync') | bool }}"
"""

RETURN = r"""
_raw:
  description: One element, which is true if one host can run the second step for all.
  type: list
  elements: bool
"""

import contextlib
import os
from typing import Any

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.processes import run_id
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import RunClaims
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import StorePlace
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import STORE_OPTIONS
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._run_state import prepare_workers
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._sources import for_plugin, from_variables

#: The hosts of the serial batch, and those of all batches, without those that have failed or are unreachable.
_HOSTS = ("batch", "hosts")

prepare_workers()


class LookupModule(LookupBase):
    """Reads the claims of the run."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[bool]:
        """Return whether the run is in sync."""
        omitted = (variables or {}).get("omit")
        given = {name: value for name, value in kwargs.items() if isinstance(value, str) and value != omitted}
        try:
            found = self._with_prefixed(given, variables or {})
            self.set_options(direct=for_plugin(STORE_OPTIONS, found, variables or {}, self._templar))
        except AnsibleError:
            # It would end the play of all hosts. A mistake in the lookup's own options does, and is found again.
            self.set_options(direct=given)
            return [False]
        if terms:
            raise AnsibleLookupError("The lookup qingguo.qgnet.egress_in_sync takes no terms: use its options.")
        place = StorePlace.of(self.get_options())
        if not place.is_shared and not os.path.isdir(os.path.expanduser(place.value)):
            return [False]
        batch, alive = ((variables or {}).get(f"ansible_play_{name}") or () for name in _HOSTS)
        summarizes = self.get_option("step") == "summarize"
        # Since ansible-core 2.21, the value of the first batch remains in a task that a static import creates for all.
        # A later batch would lose its registration if its first host skips the role. A lost summary is acceptable.
        if not batch or (not summarizes and len(alive) > len(batch)):
            return [False]
        # Ansible runs the step on the first host. If that host is skipped, all others would be skipped with it. A host
        # that this state does not contain may have made its claim in another one. The batch does not contain a
        # host that has failed in the step detect, but it can be the one that summarizes.
        own = str((variables or {}).get("inventory_hostname", batch[0]))
        try:
            with contextlib.closing(place.open(max_wait=0)) as state:
                # Keywords are evaluated in the process of the run; by some releases of ansible-core in workers, too.
                runs = [run_id(process) for process in (os.getpid(), os.getppid())]
                ready = [run for run in runs if summarizes or RunClaims(state, run).is_in_sync()]
                # Some releases evaluate it for each host of a large fleet, most of which end here.
                if not ready or (not summarizes and not set(alive) <= set(batch)):
                    return [False]
                hosts = {own, *map(str, batch[:1] if summarizes else batch)}
                return [any(RunClaims(state, run).have_begun(hosts) for run in ready)]
        except QgError:
            # The step itself reports the error of the state.
            return [False]

    def _with_prefixed(self, given: dict[str, str], variables: dict[str, Any]) -> dict[str, Any]:
        """Return the given options and those in variables with vars_prefix."""
        if not (prefix := given.get("vars_prefix")):
            return given
        found = from_variables(STORE_OPTIONS, set(given), variables, self._templar, lambda option: f"{prefix}{option}")
        return {**given, **found}
