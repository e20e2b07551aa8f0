# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors of the collection, and the possible effects of a failed call."""

from __future__ import annotations

import os
import traceback
from enum import Enum
from typing import Any

from .text import one_line


class Effect(Enum):
    """The effect of a failed call at QG.net.

    The transport and the response parsers set it. Callers decide by it, not by status or code.
    """

    #: The request did not reach QG.net's service.
    NOT_SENT = "not sent"
    #: QG.net refused the call and changed nothing.
    REJECTED = "rejected"
    #: The server has responded, and the call may have been carried out.
    UNKNOWN = "unknown"
    #: There is no response of the server, so the call may still be carried out.
    IN_FLIGHT = "in flight"


class Reason(Enum):
    """What a refusal of QG.net means, whichever API wrote it.

    Callers decide by it, not by QG.net's code.
    """

    #: Too many calls in a minute.
    RATE = "rate"
    #: The key, or its plan, is not known here; it may belong to another product.
    KEY = "key"
    #: The plan behind the key has expired, or the key is blocked.
    EXPIRED = "expired"
    BLOCKED = "blocked"
    #: The address of this machine, or the password, is not accepted.
    CALLER = "caller"
    PERMISSION = "permission"
    PARAMETER = "parameter"
    #: The number exceeds that of the plan, so that it never succeeds.
    PLAN = "plan"
    #: No channel is free; one may become free.
    CHANNELS = "channels"
    #: No address is available there.
    STOCK = "stock"
    #: Too many addresses in a minute or a day.
    COUNT = "count"
    #: The volume of the plan is used up.
    VOLUME = "volume"
    #: The whitelist is full.
    FULL = "full"
    #: The address is on the whitelist of another key.
    OTHER_KEY = "other key"
    #: What is to be released or changed is kept for a while.
    TOO_EARLY = "too early"
    #: The calls for reserved lines give no reason.
    REFUSED = "refused"
    #: QG.net could not allocate what was asked for, and has allocated nothing.
    FAILED = "failed"
    #: The call failed within the service, which may have carried it out.
    UNKNOWN = "unknown"
    #: A code that is not documented, and may come from a gateway.
    OTHER = "other"


#: The reasons after which a call may have been carried out.
UNCERTAIN = frozenset({Reason.UNKNOWN, Reason.OTHER})
#: The reasons of refusals that a read of the list has with a key of another product.
OF_OTHER_PRODUCT = frozenset({Reason.PARAMETER, Reason.PERMISSION, Reason.KEY, Reason.EXPIRED})

#: The details of a failed call, which a result has below ``error``.
CALL_DETAILS = ("code", "meaning", "endpoint", "http_status", "request_id")


class QgError(Exception):
    """A failure that the user reads: one sentence, and structured details.

    No instance contains a key, a password, or a URL with its query. Foreign text in the message is
    made safe here, for every way in which it is shown. The attribute ``option`` is the option that
    is wrong, the detail ``option`` one that may be.
    """

    option: str | None = None

    def __init__(self, message: str, **details: Any) -> None:
        self.message = one_line(message)
        super().__init__(self.message)
        self.details = details

    def as_result(self) -> dict[str, Any]:
        """Return the failure as keys of a task's result, without unknown ones."""
        result: dict[str, Any] = {"msg": self.message}
        for name, value in self.details.items():
            if value is None or name == "option":
                continue
            if name in CALL_DETAILS:
                result.setdefault("error", {})[name] = value
            else:
                result[name] = value
        return result


class UnexpectedError(QgError):
    """A defect of the collection: an unexpected exception.

    The message names the class of the exception and the line that raised it; ``traceback`` shows
    the calls. Neither contains the text of the exception, which may contain a secret or foreign
    text.
    """

    def __init__(self, cause: BaseException, doing: str, **details: Any) -> None:
        frames = traceback.extract_tb(cause.__traceback__)
        self.cause = f"unexpected {type(cause).__name__}"
        if frames:
            file = os.path.basename(frames[-1].filename)
            self.cause += f" at {file}, line {frames[-1].lineno}"
        super().__init__(
            f"{doing}: {self.cause}. This is a defect of the collection: report it with the output "
            "of the playbook qingguo.qgnet.doctor, and with the traceback that -vvv shows for this "
            "task.",
            **details,
        )
        calls = "".join(traceback.format_list(frames))
        hidden = "(its text is not shown, as it may contain a secret)"
        self.traceback = (
            f"Traceback (most recent call last):\n{calls}{type(cause).__name__}: {hidden}\n"
        )

    def as_result(self) -> dict[str, Any]:
        """Return the failure with the traceback, which Ansible shows only from verbosity 3 on."""
        return {**super().as_result(), "exception": self.traceback}


class OptionError(QgError):
    """An option's value cannot be used.

    The message is ``option``, ``problem`` and ``fix``, in this order: ``count=0 is out of range:
    give 1 or more.`` A problem that begins with the value, or with a comma, follows the name at
    once. The option may be a variable.
    """

    def __init__(self, option: str, problem: str, fix: str) -> None:
        self.option: str = option
        self.problem = problem
        self.fix = fix
        gap = "" if problem.startswith(("=", ",")) else " "
        super().__init__(f"{option}{gap}{problem}: {fix}.")


class MissingOption(OptionError):
    """A required option has no value, and neither has a variable of either kind."""


class CapReachedError(QgError):
    """A cap does not allow a purchase; raised before the call is sent."""


class WaitBudgetExceeded(QgError):
    """The next step would have to wait longer than the rest of max_wait."""


class UncertainOutcomeError(QgError):
    """It is unknown whether a call was carried out, so it must not simply be sent again."""


class CallError(QgError):
    """A call failed.

    ``effect`` is its effect at QG.net, and ``reason`` the meaning of a refusal.

    ``retryable`` says whether the same call may succeed later. Whether it may be sent again depends
    on ``effect``, too. ``retry_after`` are the seconds that the server asked to wait, if it did.
    """

    def __init__(
        self,
        message: str,
        *,
        effect: Effect,
        reason: Reason | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, **details)
        self.effect = effect
        self.reason = reason
        self.retryable = retryable
        self.retry_after = retry_after

    @property
    def may_have_effect(self) -> bool:
        """Whether the call may have been carried out, or may still be."""
        return self.effect in (Effect.UNKNOWN, Effect.IN_FLIGHT)


class TransportError(CallError):
    """There was no usable response. Another attempt may succeed unless ``retryable`` is false."""

    def __init__(
        self, message: str, *, endpoint: str, effect: Effect, retryable: bool = True, **details: Any
    ) -> None:
        super().__init__(message, effect=effect, retryable=retryable, endpoint=endpoint, **details)
