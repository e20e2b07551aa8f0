# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a call is: its limits, what its responses mean, and what surrounds its requests."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from .._core.errors import Reason
from .exchange import HttpResponse

T = TypeVar("T")
#: Reads the data of a response; raises ResponseShapeError.
Reader = Callable[[Any], T]
#: A context manager that is entered around each request of a call.
Sending = Callable[[], contextlib.AbstractContextManager[None]]
#: The limit per minute of plans that are billed by volume, and of the calls whose limit does not
#: depend on channels.
COMMON_LIMIT = 60


class Code(NamedTuple):
    """One row of an error table: what the code means, and what the user can do about it."""

    reason: Reason
    meaning: str
    fix: str


class Refusal(NamedTuple):
    """A refusal of QG.net: its code with the meaning, and its words.

    ``number`` is what the code counts.
    """

    code: int | str | None
    row: Code
    said: object = None
    request_id: object = None
    number: str = "code"


#: Returns the data of a response, and the refusal in it, if any; raises ResponseShapeError if it is
#: not QG.net's.
Dialect = Callable[[HttpResponse], "tuple[Any, Refusal | None]"]
#: Returns a text of QG.net for a message, without secrets; None for other values and empty
#: text.
Quoted = Callable[[object], "str | None"]


@dataclass(frozen=True)
class Call:
    """One call.

    ``per_minute`` is its limit per key, to which ``per_channel`` is added for each channel of the
    plan. ``repeatable`` says whether a call whose response was lost may simply be sent again;
    otherwise the caller must first find out its effect. ``dialect`` reads its responses.
    """

    path: str
    per_minute: int = COMMON_LIMIT
    per_channel: int = 0
    method: str = "GET"
    repeatable: bool = False
    dialect: Dialect = field(kw_only=True)

    @property
    def name(self) -> str:
        """The name in messages and limits: the path, after the method if that is not GET."""
        return self.path if self.method == "GET" else f"{self.method} {self.path}"

    def limit(self, channels: int | None) -> int:
        """Return the limit in calls per minute: without a number of channels, that of one channel.

        It is never above COMMON_LIMIT, which is that of plans by volume: the API does not show
        which plans those are.
        """
        if not self.per_channel:
            return self.per_minute
        return min(COMMON_LIMIT, self.per_minute + self.per_channel * (channels or 1))
