# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sources of shared options: the option itself, its variable, its environment variable, its default.

The first source with a value is used. Null counts as no value, and so does empty text in a variable or in the
environment. The names are derived from the option: ``qg_key`` and ``QG_KEY``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleFallbackNotFound

from .._core.errors import OptionError
from .._core.text import similar
from .._store.opening import is_database

Spec = dict[str, dict[str, Any]]


def variable_name(option: str) -> str:
    """Return the name of the Ansible variable of an option."""
    return f"qg_{option}"


def environment_name(option: str) -> str:
    """Return the name of the environment variable of an option."""
    return f"QG_{option.upper()}"


def from_environment(name: str) -> str:
    """Return the value of an environment variable; Ansible's own fallback would accept empty text."""
    if value := os.environ.get(name):
        return value
    raise AnsibleFallbackNotFound


#: Other environment variables: for how many days the ledger keeps calls, and the length of the simulator's minute.
_OTHER_NAMES = ("QG_LEDGER_DAYS", "QG_MINUTE_SECONDS")


def check_environment(options: Iterable[str]) -> None:
    """Refuse an environment variable that looks like one of the ``options`` and is none: a misspelt cap would cost."""
    known = {*map(environment_name, options), *_OTHER_NAMES}
    for name in os.environ:
        if name.startswith("QG_") and name not in known:
            (near,) = similar(name, known, cutoff=0.0)
            raise OptionError(
                f"The environment variable {name} does not exist: did you mean {near}? Names with QG_ are those of the "
                "collection; unset it, or give a variable of your own another name."
            )


def shared(name: str, **fields: Any) -> dict[str, dict[str, Any]]:
    """Declare an option that has a variable and an environment variable."""
    return {name: {**fields, "fallback": (from_environment, [environment_name(name)])}}


def shared_options(spec: Spec) -> list[str]:
    """Return the options of a specification that have a variable and an environment variable."""
    return [name for name, option in spec.items() if "fallback" in option]


def from_this_environment(spec: Spec) -> dict[str, str]:
    """Return the options from the control node's environment for a task that runs on another machine."""
    found = {}
    for option in shared_options(spec):
        value = os.environ.get(environment_name(option))
        # A directory of the control node means nothing on another machine.
        if value and (option != "store" or is_database(value)):
            found[option] = value
    return found


def with_value(options: Mapping[str, Any]) -> set[str]:
    """Return the names of the options that have a value."""
    return {name for name, value in options.items() if value is not None}


def missing_options(spec: Spec, given: Collection[str]) -> list[str]:
    """Return the required options that have no value in any source."""
    return [
        name
        for name in shared_options(spec)
        if spec[name].get("required") and name not in given and not os.environ.get(environment_name(name))
    ]


def explain_missing(
    options: Sequence[str], place: str, *, variables: str | None = "variable", hint: str = ""
) -> OptionError:
    """Return the error for options without a value, with all places where a user can set them.

    ``place`` follows the word "as", and may contain ``{}`` for the option; ``variables`` is the noun for a variable.
    """
    several = len(options) > 1
    places = [f"as {place.format(_all(options))}"]
    if variables:
        places.append(f"as {variables} {_all(map(variable_name, options))}")
    last = f"as {_all(map(environment_name, options))} in the environment of the control node"
    return OptionError(
        f"{_all(options)} {'are' if several else 'is'} missing: give {'them' if several else 'it'} "
        f"{', '.join(places)}{',' * bool(variables)} or {last}{hint}."
    )


def _all(words: Iterable[str]) -> str:
    return " and ".join(words)
