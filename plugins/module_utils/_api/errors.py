# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base class of the errors for calls that the vendor refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from .._core.errors import CallError, Effect
from .codes import CODES, UNDOCUMENTED, VendorCode


class RefusedError(CallError):
    """The vendor responded with a refusal.

    ``code`` is the vendor's code, ``endpoint`` the call. ``effect`` is UNKNOWN for a code that the vendor may also send
    after it carried out the call, and for an undocumented code, which a gateway may have sent.
    """

    #: The vendor's error table, by code.
    codes: ClassVar[Mapping[object, VendorCode]] = CODES
    #: The code for too many calls.
    rate_limited: ClassVar[object] = None
    #: The codes that a read has with a key of another product.
    of_other_product: ClassVar[frozenset[object]] = frozenset()
    _number = "code"

    def __init__(
        self,
        code: int | str,
        endpoint: str,
        *,
        effect: Effect = Effect.REJECTED,
        vendor_message: str | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
        product: str | None = None,
    ) -> None:
        known = self._known(code)
        called = f"{endpoint} of product={product}" if product else endpoint
        quoted = f', "{vendor_message}"' if vendor_message else ""
        asked = f" The vendor's number of this request is {request_id}." if request_id else ""
        if not self.is_documented(code):
            effect = Effect.UNKNOWN
        super().__init__(
            f"{called} was refused with {self._number} {code} ({known.meaning}{quoted}). {known.fix}{asked}",
            effect=effect,
            kind=known.kind,
            # Another attempt would get the same response.
            retryable=code == self.rate_limited or (effect is Effect.UNKNOWN and self.is_documented(code)),
            code=code,
            meaning=known.meaning,
            endpoint=endpoint,
            http_status=http_status,
            request_id=request_id,
        )
        self.code = code
        self.endpoint = endpoint

    @classmethod
    def is_documented(cls, code: int | str) -> bool:
        """Whether the vendor's documents or clients contain this code."""
        return code in cls.codes

    @classmethod
    def _known(cls, code: int | str) -> VendorCode:
        return cls.codes.get(code, UNDOCUMENTED)
