# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the role egress_whitelist has anything left to do, for its own run_once."""

from __future__ import annotations

DOCUMENTATION = r"""
name: egress_in_sync
short_description: Whether all hosts of a run are on the whitelist already
version_added: 0.1.0
author:
  - The qingguo.qgnet authors (@qingguo)
description:
  - Tells whether the step V(detect) of M(qingguo.qgnet.qg_egress_whitelist) has found the addresses of all its hosts on
    the whitelist. The step V(register) then has nothing to do but to say so, which one host can do for all.
  - It is made for C(run_once) of that second step, as the role P(qingguo.qgnet.egress_whitelist#role) has it. Nobody is
    left out by that, since it is V(true) only where there is nothing to be done for anybody.
  - It is never V(true) with another strategy than P(ansible.builtin.linear#strategy).
  - It makes no call and changes nothing.
options:
  _terms:
    description: None are taken.
  state_dir:
    description:
      - The O(qingguo.qgnet.qg_egress_whitelist#module:state_dir) of the two steps. In another one nothing is known of
        the run, and the answer is V(false), which costs time and nothing else.
      - V(null) and C(omit) stand for the default.
    type: path
    default: ~/.ansible/qgnet
    env:
      - name: QG_STATE_DIR
seealso:
  - module: qingguo.qgnet.qg_egress_whitelist
"""

EXAMPLES = r"""
- name: Bring the whitelist in line
  qingguo.qgnet.qg_egress_whitelist:
    step: register
    key: "{{ vault_qg_key }}"
  run_once: "{{ lookup('qingguo.qgnet.egress_in_sync') | bool }}"
"""

RETURN = r"""
_raw:
  description: One element, whether the second step can be left to one host.
  type: list
  elements: bool
"""

import contextlib
import os
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._state import State
from ansible_collections.qingguo.qgnet.plugins.module_utils._turns import is_at_rest, run_id


class LookupModule(LookupBase):
    """Reads the board of wishes."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[bool]:
        """Whether the run is at rest."""
        omitted = (variables or {}).get("omit")
        given = {name: value for name, value in kwargs.items() if isinstance(value, str) and value != omitted}
        self.set_options(var_options=variables, direct=given)
        if terms:
            raise AnsibleLookupError("The lookup qingguo.qgnet.egress_in_sync takes no terms: use state_dir.")
        directory = self.get_option("state_dir")
        if not os.path.isdir(os.path.expanduser(directory)):
            return [False]
        try:
            with contextlib.closing(State(directory, max_wait=0)) as state:
                # Keywords are evaluated in the process of the run; by some releases of ansible-core in workers, too.
                return [any(is_at_rest(state, run_id(process)) for process in (os.getpid(), os.getppid()))]
        except QgError:
            # The step itself tells what is wrong with the directory.
            return [False]
