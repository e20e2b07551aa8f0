# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a name is a misspelt one of the collection, or one that somebody else has chosen."""

from __future__ import annotations

from collections.abc import Iterable

#: How many letters of a word may be wrong: none in a word of at most 2 letters, 1 in one of at most
#: 5, and so on.
_TOLERANCE = ((2, 0), (5, 1), (11, 2))
_TOLERANCE_OF_LONG_WORDS = 3
#: In a shorter word, the first letter is never the wrong one: "call" is not "all".
_LENGTH_FOR_ANY_FIRST_LETTER = 4
#: A cap that is ignored costs money: each name that begins as it does is meant as a limit.
_CAP = "max_new_per_day"


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
