# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every way in which a run can fail, and what the vendor's codes mean.

This file is private to the collection.
"""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass
from typing import Any

from .text import one_line


@dataclass(frozen=True)
class VendorCode:
    """One row of the vendor's error table: the meaning and what the user can do about it."""

    meaning: str
    fix: str


#: Codes of the classic API (vendor docs: API overview, 174, 175, 178, 181).
#: -101, -102, -202 and -206 come from single pages and from public clients.
VENDOR_CODES: dict[int, VendorCode] = {
    -1: VendorCode("unknown error", "Try again later; ask the vendor's support if it stays."),
    -10: VendorCode("parameter not legal", "Check the values of the task's options."),
    -11: VendorCode(
        "too many requests", "Give the task more time with max_wait, and let only one control node use this key."
    ),
    -12: VendorCode("key blocked", "Ask the vendor why the key was blocked."),
    -13: VendorCode(
        "calling address not authorised",
        "The key's API authentication (vendor's console) lets in only listed callers: list the address of this "
        "control node there.",
    ),
    -14: VendorCode("API password wrong or missing", "Set pwd (environment QG_PWD) to the key's API password."),
    -15: VendorCode("no permission", "The product behind this key does not offer this call: use another key."),
    -100: VendorCode("plan missing or expired", "Check the key, or renew its plan in the vendor's console."),
    -101: VendorCode("more than the plan's channels", "Ask for less, or buy more channels."),
    -102: VendorCode("no free channel left", "Release a lease or wait until one expires."),
    -103: VendorCode("resources short", "Try again later or choose another area."),
    -104: VendorCode("allocation failed", "Try again later."),
    -105: VendorCode("count limit reached", "Wait a minute, or ask for less in one run."),
    -202: VendorCode(
        "whitelist full", "Remove addresses that are no longer needed, or ask the vendor for a longer whitelist."
    ),
    -206: VendorCode("address bound to another key", "Remove the address from the whitelist of the other key first."),
}

UNKNOWN = -1
INVALID_PARAMETER = -10
RATE_LIMITED = -11
NO_PERMISSION = -15
NO_FREE_CHANNEL = -102
RESOURCES_SHORT = -103
ALLOCATION_FAILED = -104
COUNT_LIMIT = -105
WHITELIST_FULL = -202
BOUND_TO_OTHER_KEY = -206


class QgError(Exception):
    """A failure that the user reads: one sentence, and structured details beside it.

    No instance ever holds a key, a password, or a URL with its query. What is foreign in the message is made fit to be
    shown here, for every way in which it is shown.
    """

    def __init__(self, message: str, **details: Any) -> None:
        self.message = one_line(message)
        super().__init__(self.message)
        self.details = details

    def as_result(self) -> dict[str, Any]:
        """The failure as keys of a task's result, without those that are unknown."""
        known = {name: value for name, value in self.details.items() if value is not None}
        return {"msg": self.message, **known}


class UnexpectedError(QgError):
    """A defect of the collection: an exception that no code expected.

    The message names the class of the exception and the line that it comes from, and ``traceback`` the lines that led
    there. The text of the exception is in neither: it may hold a secret or foreign text.
    """

    def __init__(self, cause: BaseException, doing: str, **details: Any) -> None:
        frames = traceback.extract_tb(cause.__traceback__)
        place = f" at {os.path.basename(frames[-1].filename)}, line {frames[-1].lineno}" if frames else ""
        self.cause = f"unexpected {type(cause).__name__}{place}"
        super().__init__(
            f"{doing}: {self.cause}. This is a defect of the collection: report it with what -vvv shows.", **details
        )
        self.traceback = "".join(
            [
                "Traceback (most recent call last):\n",
                *traceback.format_list(frames),
                f"{type(cause).__name__}: (its text is not shown, as it may hold a secret)\n",
            ]
        )

    def as_result(self) -> dict[str, Any]:
        """The failure with the traceback, which Ansible shows only from verbosity 3 on."""
        return {**super().as_result(), "exception": self.traceback}


class OptionError(QgError):
    """An option's value cannot be used; raised before any call is made."""


class WaitBudgetExceeded(QgError):
    """The next step would have to wait longer than max_wait leaves."""


class ApiError(QgError):
    """The vendor answered, and the answer is a refusal.

    ``code`` is the vendor's number, ``endpoint`` the path that was called.
    """

    def __init__(self, code: int, endpoint: str, *, vendor_message: str | None = None, http_status: int | None = None):
        known = self._known(code)
        said = f', "{vendor_message}"' if vendor_message else ""
        super().__init__(
            f"{endpoint} was refused with {self._number} {code} ({known.meaning}{said}). {known.fix}",
            code=code,
            meaning=known.meaning,
            endpoint=endpoint,
            http_status=http_status,
        )
        self.code = code
        self.endpoint = endpoint

    _number = "code"

    @staticmethod
    def _known(code: int) -> VendorCode:
        return VENDOR_CODES.get(code, VendorCode("not a documented code", "See the vendor's error table."))


class StatusError(ApiError):
    """A refusal of the calls for exclusive occupancy, which tell it by HTTP status: 400 refused, 500 unknown error.

    ``code`` is that status, as in the vendor's own client.
    """

    _number = "HTTP"

    @staticmethod
    def _known(code: int) -> VendorCode:
        if code >= 500:
            return VendorCode("unknown error", "Try again later; ask the vendor's support if it stays.")
        return VendorCode("refused", "Check the task's options, and the times that the vendor's rules ask for.")


#: Seconds that the clocks of both sides may be apart before that is taken for the reason of a refusal.
MAX_CLOCK_DIFFERENCE = 60


class AccountError(QgError):
    """The account API answered, and the answer is a refusal. Its codes are not public: its own words are shown.

    ``code`` is as the vendor wrote it, None where the call has none. ``ahead`` are the seconds by which the clock here
    is ahead of the vendor's, None where the answer did not tell.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        code: str | None,
        said: str | None,
        request_id: str | None,
        http_status: int,
        asked: str,
        ahead: float | None,
    ) -> None:
        number = "" if code is None else f" with code {code}"
        words = f' ("{said}")' if said else ""
        super().__init__(
            f"{endpoint} was refused{number}{words}. {_account_fix(asked, ahead)}",
            code=code,
            meaning=said,
            endpoint=endpoint,
            request_id=request_id,
            http_status=http_status,
        )


def _account_fix(asked: str, ahead: float | None) -> str:
    if ahead is not None and abs(ahead) > MAX_CLOCK_DIFFERENCE:
        side = "ahead of" if ahead > 0 else "behind"
        return (
            f"The clock of this machine is {abs(ahead):.0f} seconds {side} the vendor's, and calls are signed with the "
            f"time: set the clock. It was asked for {asked}."
        )
    clock = "" if ahead is not None else ", and whether the clock of this machine is right"
    return (
        f"It was asked for {asked}: check that. Where the vendor speaks of the signature, check app_id, app_key and "
        f"domain{clock}."
    )


class UncertainOutcomeError(QgError):
    """Whether a call was carried out cannot be told, and it may not simply be sent again."""


class TransportError(QgError):
    """No usable answer came back.

    ``executed`` is False where the request surely never reached the vendor's service, and None where nobody can
    tell. ``over`` says whether the server has ended the exchange, so that nothing of it is still under way.
    ``transient`` says whether trying again makes sense.
    """

    def __init__(
        self,
        message: str,
        *,
        endpoint: str,
        executed: bool | None,
        over: bool = True,
        transient: bool = True,
        http_status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, endpoint=endpoint, http_status=http_status)
        self.executed = executed
        self.over = over
        self.transient = transient
        self.http_status = http_status
        self.retry_after = retry_after
