# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The refusals of the account API."""

from __future__ import annotations

from ..._core.errors import CallError, Effect

#: The difference of the clocks in seconds above which the message names it as the reason of a refusal.
MAX_CLOCK_DIFFERENCE = 60
#: What QG.net's text about the parts of a signature contains; 签名错误 is a wrong signature.
_ABOUT_SIGNATURE = ("签名", "domain", "appid", "time")


class AccountError(CallError):
    """A refusal of the account API. Its codes are not public, so the message quotes the vendor's text.

    ``code`` is the vendor's, or None if the call has none. ``ahead`` are the seconds by which this machine's clock is
    ahead of the vendor's, or None if the response does not contain the time.
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
            f"{endpoint} was refused{number}{words}. {_fix(said or '', asked, ahead)}",
            effect=Effect.REJECTED,
            code=code,
            meaning=said,
            endpoint=endpoint,
            request_id=request_id,
            http_status=http_status,
        )


def _fix(said: str, asked: str, ahead: float | None) -> str:
    if ahead is not None and abs(ahead) > MAX_CLOCK_DIFFERENCE:
        side = "ahead of" if ahead > 0 else "behind"
        return (
            f"The clock of this machine is {abs(ahead):.0f} seconds {side} the vendor's, and calls are signed with the "
            f"time: set the clock. The call was for {asked}."
        )
    if any(word in said for word in _ABOUT_SIGNATURE):
        clock = "" if ahead is not None else ", and whether the clock of this machine is right"
        return f"The signature was not accepted: check app_id, app_key and account_url{clock}."
    return f"The call was for {asked}: check that."
