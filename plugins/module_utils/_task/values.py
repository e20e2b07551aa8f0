# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users write: values of options as their types, one sentence for a value of another type, and
whether a name is a misspelt one of the collection.

Ansible's own validator has one text for each mistake, which shows neither the value nor what to
give.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ansible.module_utils.parsing.convert_bool import boolean

from .._core.checks import check_ascii_forms
from .._core.errors import OptionError
from .._core.text import either, quoted

#: How many letters of a word may be wrong: none in a word of at most 2 letters, 1 in one of at most
#: 5, and so on.
_TOLERANCE = ((2, 0), (5, 1), (11, 2))
_TOLERANCE_OF_LONG_WORDS = 3
#: In a shorter word, the first letter is never the wrong one: "call" is not "all".
_LENGTH_FOR_ANY_FIRST_LETTER = 4
#: A cap that is ignored costs money: each name that begins as it does is meant as a limit.
_CAP = "max_new_per_day"
#: The ends of the names of options whose text is the user's own, in whatever script.
_FREE_TEXT = ("command", "directory", "inventory_id", "path", "seed", "template")

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


def _as_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    return str(value)


def _as_whole(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    raise ValueError


def _as_number(value: Any) -> float:
    return float(_as_text(value))


def _as_truth(value: Any) -> bool:
    return bool(boolean(value))


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return list(value)
    text = _as_text(value)
    if not text:
        return []
    return [entry.strip() for entry in text.split(",")]


def _as_dictionary(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError
    return {str(name): item for name, item in value.items()}


class _Type(NamedTuple):
    """A type of options: its parser, which raises one of ``_MISTAKES``, its name, and the fix."""

    parse: Callable[[Any], Any]
    name: str
    fix: str


_MISTAKES = (TypeError, ValueError, OverflowError)
_TYPES = {
    "str": _Type(_as_text, "text", "give one text, in quotes"),
    "int": _Type(_as_whole, "a whole number", "give one, such as 5"),
    "float": _Type(_as_number, "a number", "give one, such as 10"),
    "bool": _Type(_as_truth, "a boolean", "give true or false"),
    "list": _Type(_as_list, "a list", "give a list, such as [A, B]"),
    "dict": _Type(_as_dictionary, "a dictionary", "give names with their values"),
}


def typed_options(
    spec: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return all options of a specification as their types; raises OptionError for a mistake.

    Those that are not given have their default, or None.
    """
    values = {}
    for name, option in spec.items():
        values[name] = given.get(name, option.get("default"))
        if values[name] is not None:
            values[name] = typed(name, option, values[name])
    return values


def typed(name: str, option: Mapping[str, Any], value: Any) -> Any:
    """Return the value of an option as its type.

    Refuse one of another type, one with full-width characters, and one that is not among its
    choices.
    """
    kind = option.get("type", "str")
    choices = option.get("choices")
    if not name.endswith(_FREE_TEXT):
        for entry in value if isinstance(value, list | tuple) else [value]:
            if isinstance(entry, str):
                check_ascii_forms(name, entry)
    try:
        result = _TYPES[kind].parse(value)
    except _MISTAKES:
        raise _of_another_type(name, _described(option, value), kind) from None
    if kind != "list":
        if choices and result not in choices:
            raise OptionError(
                name, f"={_shown(result)} is none of its values", f"give {either(choices)}"
            )
        return result
    return [_typed_entry(name, option, entry) for entry in result]


def _typed_entry(name: str, option: Mapping[str, Any], entry: Any) -> Any:
    """Return an entry of a list as its type."""
    kind = option.get("elements", "str")
    choices = option.get("choices")
    try:
        result = _TYPES[kind].parse(entry)
    except _MISTAKES:
        raise _of_another_type(name, f"contains {_shown(entry)}, which is", kind) from None
    if choices and result not in choices:
        problem = f"contains {_shown(entry)}, which is none of its values"
        raise OptionError(name, problem, f"give {either(choices)}")
    return result


def _of_another_type(name: str, described: str, kind: str) -> OptionError:
    return OptionError(name, f"{described} not {_TYPES[kind].name}", _TYPES[kind].fix)


def _described(option: Mapping[str, Any], value: Any) -> str:
    """Return the beginning of the problem of a value of another type."""
    if option.get("no_log"):
        return "is"
    if isinstance(value, list | tuple | Mapping):
        return f"is {_shown(value)}, which is"
    return f"={_shown(value)} is"


def _shown(value: Any) -> str:
    """Return a value for a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a dictionary"
    if isinstance(value, list | tuple):
        return "a list"
    return quoted(str(value))


def meant(name: str, names: Iterable[str]) -> str | None:
    """Return the one of the ``names`` that a name was probably meant to be.

    None if it is a name of its own.

    Names are words in lower case with underscores, without the prefix of the collection.
    """
    by_letters: list[tuple[float, str]] = []
    by_words: list[tuple[float, str]] = []
    for other in names:
        mistakes = _mistakes(name, other)
        if mistakes is not None:
            by_letters.append((mistakes, other))
        likeness = _likeness(name, other)
        if likeness > 0.5:
            by_words.append((-likeness, other))
        if other == _CAP and name.partition("_")[0] == _CAP.partition("_")[0]:
            by_words.append((0.0, other))
    for candidates in (by_letters, by_words):
        if candidates:
            return min(candidates)[-1]
    return None


def is_misspelt(name: str, other: str) -> bool:
    """Whether each word of a name is the one of another name, or has one or two wrong letters."""
    words = name.split("_")
    others = other.split("_")
    if len(words) != len(others):
        return name.replace("_", "") == other.replace("_", "")
    return all(_mistakes(*pair) is not None for pair in zip(words, others, strict=True))


def _likeness(name: str, other: str) -> float:
    """Return the share of words that two names have in common; 0 if it is one word."""
    words = name.split("_")
    left = other.split("_")
    size = len(words) + len(left)
    shared = 0
    if min(len(words), len(left)) > 1:
        for word in words:
            same = next(
                (candidate for candidate in left if _mistakes(word, candidate) is not None), None
            )
            if same is not None:
                left.remove(same)
                shared += 1
    return 2 * shared / size if shared > 1 else 0.0


def _mistakes(word: str, other: str) -> int | None:
    """Return how many letters of a word are wrong if it was meant to be another one.

    None if it was not.
    """
    if word.replace("_", "").replace("-", "") == other.replace("_", ""):
        return 0
    tolerance = next(
        (letters for length, letters in _TOLERANCE if len(other) <= length),
        _TOLERANCE_OF_LONG_WORDS,
    )
    if abs(len(word) - len(other)) > tolerance:
        return None
    mistakes = _distance(word, other)
    if mistakes > tolerance:
        return None
    # A wrong first letter is the only mistake in a word. The first two may be swapped, or the first
    # one left out.
    is_first_right = word[:1] in (other[0], other[1:2])
    if not is_first_right and (mistakes > 1 or len(other) < _LENGTH_FOR_ANY_FIRST_LETTER):
        return None
    return mistakes


def _distance(word: str, other: str) -> int:
    """Return how many letters were added, left out, replaced or swapped with their neighbor."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(word, 1):
        current = [row]
        for column, wanted in enumerate(other, 1):
            cost = min(last[column] + 1, current[-1] + 1, last[column - 1] + (letter != wanted))
            is_swap = (
                row > 1 and column > 1 and word[row - 2] == wanted and letter == other[column - 2]
            )
            if is_swap:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        before = last
        last = current
    return last[-1]
