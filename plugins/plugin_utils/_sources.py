# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads options from Ansible's variables, for actions, lookups and the inventory plugin."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

import ansible.errors
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import (
    Spec,
    environment_name,
    shared_options,
    variable_name,
)
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._variable_names import check_settings

UNSET: Any = object()
#: The values of a variable that count as unset.
NO_VALUE = (None, "")
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


def from_variables(
    spec: Spec,
    given: Collection[str],
    variables: Mapping[str, Any],
    templar: Any,
    name_of: Callable[[str], str] = variable_name,
) -> dict[str, Any]:
    """Return the options that are not ``given`` from variables that have a value; evaluates only these variables."""
    found = {}
    for option in shared_options(spec):
        if option not in given:
            value = variable_value(name_of(option), variables, templar)
            if value is not UNSET and value not in NO_VALUE:
                found[option] = value
    return found


def for_plugin(spec: Spec, given: Mapping[str, Any], variables: Mapping[str, Any], templar: Any) -> dict[str, Any]:
    """Return the options for ``set_options`` of a plugin whose environment variables Ansible reads.

    The variables are read here, because Ansible would not evaluate their templates, and would accept empty text.
    """
    check_settings(variables)
    options = dict(given)
    for option in shared_options(spec):
        if option in options and options[option] is None:
            del options[option]
    options.update(from_variables(spec, set(options), variables, templar))
    for option in shared_options(spec):
        if option not in options and os.environ.get(environment_name(option)) == "":
            options[option] = spec[option].get("default")
    return options
