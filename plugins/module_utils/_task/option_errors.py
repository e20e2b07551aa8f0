# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of the names, types and presence of options. Ansible's own messages name neither the value nor the fix."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ansible.module_utils.common.validation import (
    check_type_bool,
    check_type_float,
    check_type_int,
    check_type_list,
)

from .._core.errors import OptionError
from .._core.text import quoted

#: For each type, Ansible's conversion, its description, and the fix.
_TYPES: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "bool": (check_type_bool, "true or false", "give one of them"),
    "float": (check_type_float, "a number", "give digits without a unit, such as 30"),
    "int": (check_type_int, "a whole number", "give digits without a unit, such as 30"),
    "list": (check_type_list, "a list", "begin each entry with a hyphen"),
}


def check_option_names(owner: str, names: Iterable[Any], known: Collection[str]) -> None:
    """Refuse options that are not ``known``; ``owner`` is the plugin."""
    # YAML also has names that are not text.
    unknown = next((str(name) for name in names if name not in known), None)
    if unknown is not None:
        options = ", ".join(sorted(name for name in known if not name.startswith("_")))
        raise OptionError(f"{unknown} is not an option of {owner}: use {options}.")


def check_option_types(given: Mapping[str, Any], spec: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a value that Ansible cannot convert to the type of its option."""
    for name, value in given.items():
        kind = spec.get(name, {}).get("type", "str")
        if value is None or kind not in _TYPES:
            continue
        convert, noun, fix = _TYPES[kind]
        try:
            convert(value)
        except (TypeError, ValueError):
            raise OptionError(f"{name}={_quoted(value)} is not {noun}: {fix}.") from None


def check_selectors(
    selectors: Iterable[str], given: Mapping[str, Any], how: str = ", in a template with default(omit)"
) -> None:
    """Refuse a null or empty value for an option that selects; ``given`` contains the options as the user wrote them.

    Ansible's validators do not distinguish null from an omitted option, so call this before them. ``how`` completes
    "leave the option out" in the message.
    """
    for option in selectors:
        if option in given and _is_blank(given[option]):
            value = "null" if given[option] is None else f"empty ({given[option]!r})"
            name_all = ", or set all=true if all are meant" if "all" in selectors else ""
            raise OptionError(
                f"{option} is {value}, which never means all: give a value, or leave the option out{how}{name_all}."
            )


def _is_blank(value: Any) -> bool:
    """Whether a value is null, blank text, or a list or dictionary of only such values."""
    if value is None or isinstance(value, str):
        return not (value or "").strip()
    return isinstance(value, list | tuple | dict | set) and all(map(_is_blank, value))


def _quoted(value: Any) -> str:
    """Quote a value; of a structure, return only the type, since it may contain a secret or be long."""
    if isinstance(value, dict):
        return "(a dictionary)"
    if isinstance(value, list | tuple | set):
        return "(a list)"
    return quoted(str(value))
