# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads Ansible's variables, and refuses misspelt ones, which Ansible would ignore: of a cap, that would cost money."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ansible.errors
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line, similar
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    UNSET,
    check_environment,
    variable_name,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import SHARED_OPTIONS

_COLLECTION = Path(__file__).resolve().parents[2]
#: What facts modules return.
FACTS = ("cloud_packages",)
_OPTIONS = frozenset(map(variable_name, SHARED_OPTIONS))
#: The prefixes of the collection: that of shared options, playbooks and hosts of the inventory plugin, and the roles'.
_PREFIXES = (variable_name(""), *sorted(f"{path.name}_" for path in (_COLLECTION / "roles").iterdir()))

_OMITTED: Any = getattr(ansible.errors, "AnsibleValueOmittedError", ())


def variable_value(name: str, value: Any, templar: Any) -> Any:
    """Return the value of a variable, which may be a template; UNSET if that is the value of ``omit``."""
    if value is UNSET:
        return UNSET
    try:
        value = templar.template(value)
    except _OMITTED:
        return UNSET
    except Exception as error:
        # Before ansible-core 2.19, a filter or an operator can raise any error.
        reason = one_line(str(error))
        raise ansible.errors.AnsibleError(f"The variable {name} cannot be evaluated: {reason}") from None
    # Since ansible-core 2.19, no variable holds the value of "omit".
    return UNSET if value is not None and value == templar.available_variables.get("omit") else value


def check_settings(names: Iterable[str]) -> None:
    """Refuse a variable with a prefix of the collection, or an environment variable, that the collection lacks.

    ``names`` are those of all variables of the task.
    """
    check_environment(SHARED_OPTIONS)
    for name in names:
        if name.startswith(_PREFIXES) and name not in _OPTIONS and name not in _known() and name not in _of_hosts():
            prefix = next(prefix for prefix in _PREFIXES if name.startswith(prefix))
            known = [*_OPTIONS, *_known(), *_of_hosts()]
            (near,) = similar(name, [each for each in known if each.startswith(prefix)], cutoff=0.0)
            raise OptionError(
                f"The variable {name} does not exist: did you mean {near}? Names with {prefix} are those of the "
                "collection; give a variable of your own another one."
            )


@functools.cache
def _known() -> frozenset[str]:
    """Return the variables that the playbooks and roles contain."""
    word = re.compile(rf"\b(?:{'|'.join(_PREFIXES)})\w+")
    files = [*_COLLECTION.glob("playbooks/**/*.*"), *_COLLECTION.glob("roles/*/*/*.*")]
    found = {name for path in files for name in word.findall(path.read_text(encoding="utf-8"))}
    return frozenset(found)


@functools.cache
def _of_hosts() -> frozenset[str]:
    """Return the variables of hosts of the inventory plugin, which has imported this already, and facts."""
    from ansible_collections.qingguo.qgnet.plugins.module_utils._cloud.hosts import COLUMNS

    return frozenset(map(variable_name, (*COLUMNS, *FACTS)))


# Once, before Ansible forks a process for each host, each of which would read the files otherwise.
_known()
