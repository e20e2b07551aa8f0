# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads options from all of their sources: the option itself, its variable, its environment variable, its default.

The first source with a value is used. Null counts as no value, and so does empty text in a variable or in the
environment. The names are derived from the option: ``qg_key`` and ``QG_KEY``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleFallbackNotFound
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from .._core.errors import OptionError
from .._core.text import clean, similar
from .._store.opening import is_database

Spec = dict[str, dict[str, Any]]
#: The value of a variable that does not exist.
UNSET: Any = object()
#: Returns the value of the variable of an option.
Variable = Callable[[str], Any]


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


def read_options(
    spec: Spec,
    given: Mapping[str, Any],
    *,
    place: str,
    variable: Variable | None = None,
    selectors: Iterable[str] = (),
    rules: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all options of a specification, validated as those of a module; raises OptionError.

    ``given`` are the options as the user wrote them at a ``place``. Null or an empty value is refused for the
    ``selectors``, which select objects.
    """
    found = given_options(spec, given, place=place, variable=variable, selectors=selectors)
    validation = ArgumentSpecValidator(spec, **(rules or {})).validate(found)
    if validation.error_messages:
        start = {UnsupportedError: "Unsupported parameters: "}
        text = "; ".join(start.get(type(error), "") + error.msg for error in validation.errors)
        # Ansible quotes the value, which may be a mistyped URL, or the secret of another option.
        text = re.sub(r"(unable to convert to \w+): [^;]*", r"\1", text)
        hidden = [name for name, option in spec.items() if option.get("no_log")]
        secrets = [str(found.get(name) or os.environ.get(environment_name(name), "")) for name in hidden]
        raise OptionError(clean({"msg": text}, secrets)["msg"])
    params: dict[str, Any] = validation.validated_parameters
    return params


def given_options(
    spec: Spec, given: Mapping[str, Any], *, place: str, variable: Variable | None = None, selectors: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the options that a user or a variable sets; the environment and the defaults come after these."""
    check_selectors(selectors, given)
    found = {name: value for name, value in given.items() if value is not None}
    for name in spec if variable else ():
        value = variable(name) if variable and name not in found else UNSET
        if value is not UNSET and (name in selectors or value not in (None, "")):
            found[name] = value
    check_selectors(selectors, found)
    required = [name for name in shared_options(spec) if spec[name].get("required") and name not in found]
    if missing := [name for name in required if not os.environ.get(environment_name(name))]:
        raise missing_error(missing, place, has_variables=variable is not None)
    return found


def missing_error(options: Iterable[str], place: str, *, has_variables: bool = True) -> OptionError:
    """Return the error for options without a value, with all places where a user can set them."""
    names = " and ".join(options)
    variables = f", as variable {' and '.join(map(variable_name, options))}," if has_variables else ""
    environment = " and ".join(map(environment_name, options))
    return OptionError(
        f"{names} {'are' if ' ' in names else 'is'} missing: give {'them' if ' ' in names else 'it'} as {place}"
        f"{variables} or as {environment} in the environment of the control node."
    )


def check_selectors(selectors: Iterable[str], given: Mapping[str, Any]) -> None:
    """Refuse a null or empty value for an option that selects, which Ansible does not distinguish from no value."""
    for option in selectors:
        if option in given and _is_blank(given[option]):
            value = "null" if given[option] is None else f"empty ({given[option]!r})"
            name_all = ", or set all=true if all are meant" if "all" in selectors else ""
            raise OptionError(
                f"{option} is {value}, which never means all: give a value, or leave the option out, in a template "
                f"with default(omit){name_all}."
            )


def _is_blank(value: Any) -> bool:
    """Whether a value is null, blank text, or a list or dictionary of only such values."""
    if value is None or isinstance(value, str):
        return not (value or "").strip()
    return isinstance(value, list | tuple | dict | set) and all(map(_is_blank, value))
