# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The signature of calls of the account API (vendor doc 250, according to public copies of it)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Identity:
    """The caller: an application of an account (``app_id``, ``app_key``), and the site of the account."""

    app_id: str
    app_key: str = field(repr=False)
    domain: str

    def signed(self, now: float) -> dict[str, str]:
        """Return the parameters that identify and sign a call.

        ``sign`` is the MD5 of application, domain, time and key, concatenated, in lower-case hexadecimal; the
        parameters of the call itself are not signed. ``time`` is in whole seconds since 1970. The vendor requires MD5.
        """
        time = str(int(now))
        text = f"{self.app_id}{self.domain}{time}{self.app_key}"
        sign = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return {"appid": self.app_id, "domain": self.domain, "time": time, "sign": sign}
