# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuses misspelt variables of the roles and playbooks, which Ansible would ignore."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import similar
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import SHARED_OPTIONS
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.sources import variable_name

_COLLECTION = Path(__file__).resolve().parents[2]
#: The prefix of the variables of playbooks and shared options. Users may have variables with it, too.
_SHARED = variable_name("")
#: How similar a user's variable may be to one of the collection, from 0 to 1, until it counts as misspelt.
_MAX_SIMILARITY = 0.8


def check_prefixed(prefix: str, names: Iterable[str], known: Collection[str]) -> None:
    """Refuse a variable whose name begins with a prefix that belongs to a role or task, and is not ``known``."""
    for name in names:
        if name.startswith(prefix) and name not in known:
            near = _nearest(name, known, prefix, 0.6)
            fix = f"did you mean {near}?" if near else f"rename it, since names with {prefix} are those of options."
            raise OptionError(f"The variable {name} does not exist: {fix}")


def check_names(names: Collection[str]) -> None:
    """Refuse variables that resemble those of the playbooks, and unknown ones with the prefix of a role.

    The known names are all that the files of playbooks and roles contain.
    """
    roles = sorted(f"{path.name}_" for path in (_COLLECTION / "roles").iterdir())
    if not any(name.startswith((_SHARED, *roles)) for name in names):
        return
    word = re.compile(rf"\b(?:{'|'.join([_SHARED, *roles])})\w+")
    files = [*_COLLECTION.glob("playbooks/*.yml"), *_COLLECTION.glob("roles/*/*/*.yml")]
    known = {name for path in files for name in word.findall(path.read_text(encoding="utf-8"))}
    for prefix in roles:
        check_prefixed(prefix, names, known)
    options = {variable_name(option) for option in SHARED_OPTIONS}
    # The plural of an option is a list of its values.
    own = {*known, *options, *(f"{option}s" for option in options)}
    for name in names:
        is_foreign = name.startswith(_SHARED) and name not in own
        if is_foreign and (near := _nearest(name, known | options, _SHARED, _MAX_SIMILARITY)):
            raise OptionError(f"The variable {name} does not exist: did you mean {near}? Otherwise rename it.")


def _nearest(name: str, known: Collection[str], prefix: str, cutoff: float) -> str | None:
    """Return the known name that resembles another one most, compared without the prefix and underscores."""
    plain = {other.removeprefix(prefix).replace("_", ""): other for other in sorted(known) if other.startswith(prefix)}
    near = similar(name.removeprefix(prefix).replace("_", ""), plain, cutoff=cutoff)
    return plain[near[0]] if near else None
