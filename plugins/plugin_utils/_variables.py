# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads Ansible's variables, and refuses misspelt ones.

Ansible would ignore them, which costs money if the misspelt variable is that of the cap.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

import ansible.errors
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.api_options import SHARED_OPTIONS
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    UNSET,
    check_environment,
    environment_name,
    no_such_setting,
    variable_name,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.values import (
    is_misspelt,
    meant,
)

_COLLECTION = Path(__file__).resolve().parents[2]
#: What facts modules return.
FACTS = ("cloud_packages",)
_OPTIONS = frozenset(map(variable_name, SHARED_OPTIONS))
#: The variables of options, by the names of their environment variables.
_ENVIRONMENT = {environment_name(option): variable_name(option) for option in SHARED_OPTIONS}
#: The prefix of the variables of shared options, of playbooks, and of hosts that the inventory
#: plugin lists.
_PREFIX = variable_name("")
_ROLES = tuple(sorted(path.name for path in (_COLLECTION / "roles").iterdir()))
#: What the name of a variable contains that only the inside of a playbook or role uses.
_PRIVATE = "__"

_OMITTED: Any = getattr(ansible.errors, "AnsibleValueOmittedError", ())


def variable_value(name: str, value: Any, templar: Any) -> Any:
    """Return the value of a variable, which may be a template; UNSET for that of ``omit``."""
    if value is UNSET:
        return UNSET
    try:
        value = templar.template(value)
    except _OMITTED:
        return UNSET
    except Exception as error:
        # Before ansible-core 2.19, a filter or an operator can raise any error.
        reason = one_line(str(error))
        text = f"The variable {name} cannot be evaluated: {reason}"
        raise ansible.errors.AnsibleError(text) from None
    # Since ansible-core 2.19, no variable holds the value of "omit".
    if value is not None and value == templar.available_variables.get("omit"):
        return UNSET
    return value


def check_settings(names: Iterable[str], environment: Iterable[str] = ()) -> list[str]:
    """Refuse a misspelt variable or environment variable of the collection.

    ``names`` are those of all variables of the task, ``environment`` those of its keyword of this
    name, which is for programs on hosts: either may be a cap that has no effect. A user may have
    variables that begin with ``qg_``: they are refused only if they resemble a variable of the
    collection. One with the prefix of a role is refused if the role does not have it, and one with
    a misspelt prefix if what follows is an option of the role. Returns the environment variables
    that look like settings and are none.
    """
    others = check_environment(SHARED_OPTIONS)
    for name in environment:
        _check_place(name, f"{name} in the keyword environment")
    for name in names:
        _check_place(name, f"The variable {name}")
        if name.startswith(_PREFIX) and name not in _known() and name not in _of_hosts():
            words = (setting.removeprefix(_PREFIX) for setting in settings())
            near = meant(name.removeprefix(_PREFIX), words)
            if near is not None:
                raise no_such_setting(f"The variable {name}", f"{_PREFIX}{near}")
        role = next((role for role in _ROLES if name.startswith(f"{role}_")), None)
        if role and name not in _known():
            near = _meant_variable(name, f"{role}_")
            fix = f"did you mean {near}? Names" if near else "names"
            fix += (
                f" with {role}_ are those of the role, so give a variable of your own another one"
            )
            raise OptionError(f"The variable {name}", "does not exist", fix)
        if not role and name not in _known() and (near := _with_prefix_of_role(name)):
            raise no_such_setting(f"The variable {name}", near)
    return others


def check_extra_variables(playbook: Path, extra: Iterable[str], names: Container[str]) -> None:
    """Refuse extra variables that a playbook of the collection would ignore: its own ones without
    their prefix, and those with it that nothing in the collection has.

    ``names`` are those of all variables of the task.
    """
    if playbook.parent != _COLLECTION / "playbooks":
        return
    own = _in_files(f"playbooks/{playbook.name}") & settings()
    for name in extra:
        variable = f"{_PREFIX}{name}"
        if variable in own and variable not in names:
            fix = f"give {variable}, as all variables of the playbook begin with {_PREFIX}"
            raise OptionError(f"The variable {name}", "has no effect", fix)
        if name.startswith(_PREFIX) and name not in _known() | _of_hosts():
            fix = f"leave it out: names with {_PREFIX} are those of the collection"
            raise OptionError(f"The variable {name}", "does not exist", fix)


def check_role_parameters(role: str, names: Iterable[str]) -> None:
    """Refuse what a play gives to a role of the collection without the prefix of its variables."""
    for name in names:
        if f"{role}_{name}" in _known():
            fix = f"give {role}_{name}, as all variables of the role begin with its name"
            raise OptionError(name, "is no variable of the role", fix)


def _with_prefix_of_role(name: str) -> str | None:
    """Return the variable of a role that a name with a misspelt prefix was meant to be; None if
    it is a name of its own.
    """
    plain_name = name.lower().replace("-", "_").removeprefix(_PREFIX)
    for role in _ROLES:
        # Each task goes through all variables of its host, and few begin as a role does.
        if not plain_name.startswith(role[0]):
            continue
        for at, letter in enumerate(plain_name):
            # The first words have at most two letters more or less than the name of the role.
            if letter != "_" or abs(at - len(role)) > 2:
                continue
            variable = f"{role}{plain_name[at:]}"
            if variable in _known() and is_misspelt(plain_name[:at], role):
                return variable
    return None


def _check_place(name: str, described: str) -> None:
    """Refuse the name of an environment variable of the control node at another place."""
    if name in _ENVIRONMENT:
        raise OptionError(described, "has no effect", f"set the variable {_ENVIRONMENT[name]}")


def owners_of(hosts: Iterable[str], groups: Mapping[str, list[str]]) -> list[str]:
    """Return the groups that have none but these hosts, the largest first, and then those of the
    hosts that are outside of these groups.
    """
    remaining = set(hosts)
    owners = []
    # The groups that every inventory has come last.
    ranks = [(name in ("all", "ungrouped"), -len(groups[name]), name) for name in groups]
    for _is_common, _size, group in sorted(ranks):
        members = set(groups[group])
        if members and members <= remaining:
            owners.append(group)
            remaining -= members
    return owners + sorted(remaining)


def _meant_variable(name: str, prefix: str) -> str | None:
    """Return the variable, of a role or shared, that a name resembles; None if there is none."""
    word = name.removeprefix(prefix)
    of_role = [other.removeprefix(prefix) for other in _known() if other.startswith(prefix)]
    near = meant(word, of_role)
    if near is not None:
        return f"{prefix}{near}"
    shared = meant(word, SHARED_OPTIONS)
    return variable_name(shared) if shared else None


@functools.cache
def settings() -> frozenset[str]:
    """Return the variables with which users set shared options and playbooks."""
    names = [name for name in _in_files("playbooks/*.yml") if name.startswith(_PREFIX)]
    return _OPTIONS.union(name for name in names if _PRIVATE not in name)


@functools.cache
def _known() -> frozenset[str]:
    """Return all variables of the collection, but for those of :func:`_of_hosts`."""
    results = {f"{role}_result" for role in _ROLES}
    inside = _in_files("playbooks/**/*.*") | _in_files("roles/*/*/*.*")
    return settings() | inside | results


@functools.cache
def _of_hosts() -> frozenset[str]:
    """Return the variables of hosts of the inventory plugin, and facts."""
    # Imported only for a name that is not known yet: most runs use no cloud.
    from ansible_collections.qingguo.qgnet.plugins.module_utils._api.account_rows import (
        INSTANCE_COLUMNS,
    )

    return frozenset(map(variable_name, (*INSTANCE_COLUMNS, *FACTS)))


@functools.cache
def _in_files(pattern: str) -> frozenset[str]:
    """Return the variables that files of the collection contain."""
    prefixes = "|".join((_PREFIX, *(f"{role}_" for role in _ROLES)))
    # After a point, it is the name of a module or of a role.
    word = re.compile(rf"(?<![\w.])(?:{prefixes})\w+")
    # Ansible and editors make directories there whose names have a point, too.
    files = filter(Path.is_file, _COLLECTION.glob(pattern))
    names = set[str]()
    for path in files:
        names.update(word.findall(path.read_text(encoding="utf-8", errors="replace")))
    return frozenset(names)


# Read the files before Ansible forks a process for each host, which would do it again.
_known()
