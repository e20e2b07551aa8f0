# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads options from Ansible's variables, for actions, lookups and the inventory plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ansible.errors
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import UNSET

#: The values of a variable that count as unset.
#: The error for a template with the value "omit" since ansible-core 2.19; before, there is a special value.
_OMITTED: Any = getattr(ansible.errors, "AnsibleValueOmittedError", ())


def variable_value(name: str, variables: Mapping[str, Any], templar: Any) -> Any:
    """Return the value of a variable; UNSET if it does not exist, or has the value of ``omit``."""
    if name not in variables:
        return UNSET
    try:
        value = templar.template(variables[name])
    except _OMITTED:
        return UNSET
    except Exception as error:
        # Before ansible-core 2.19, a filter or an operator can raise any error.
        reason = one_line(str(error))
        raise ansible.errors.AnsibleError(f"The variable {name} cannot be evaluated: {reason}") from None
    # Since ansible-core 2.19, no variable holds the value of "omit".
    if value is not None and value == variables.get("omit"):
        return UNSET
    # A vaulted value is decrypted only as text.
    return str(value) if getattr(value, "__ENCRYPTED__", False) else value
