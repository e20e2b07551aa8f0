# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides by which text a call removes an entry in another notation. Pure functions.

``spellings`` are the texts of such entries as the vendor lists them, by address.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .._core.errors import QgError
from .._core.text import format_sample

Spellings = Mapping[str, Sequence[str]]


@dataclass
class EntryTexts:
    """Specifies an entry by its text; by its address once the vendor has refused the text, or if it had no effect."""

    by_address: bool = False
    _is_refused: bool = False
    _is_sent: bool = False

    def start_round(self) -> None:
        """Reset the record of sent texts."""
        self._is_sent = False

    def for_call(self, batch: Sequence[str], spellings: Spellings) -> Spellings:
        """Return the texts to send in place of addresses."""
        self._is_sent |= batch[0] in spellings
        return {} if self.by_address else spellings

    def change_after_refusal(self, batch: Sequence[str], spellings: Spellings) -> bool:
        """Use addresses from now on, if the refusal may be due to the texts; returns whether this is a change."""
        if self.by_address or self._is_refused or batch[0] not in spellings:
            return False
        self.by_address = self._is_refused = True
        return True

    def change_after_stall(self) -> None:
        """Switch between texts and addresses if the last call had no effect."""
        self.by_address ^= self._is_sent and not self._is_refused


def split_by_notation(ips: Sequence[str], spellings: Spellings) -> tuple[list[str], list[str]]:
    """Return the addresses without and those with entries in another notation: the vendor may refuse the latter."""
    return [ip for ip in ips if ip not in spellings], [ip for ip in ips if ip in spellings]


def removal_error(ips: Collection[str], spellings: Spellings, reason: QgError) -> QgError:
    """Return the error for addresses that could not be removed; entries in another notation are shown as listed."""
    texts = [text for ip in ips for text in spellings.get(ip, (ip,))]
    fix = "" if spellings.keys().isdisjoint(ips) else " Remove entries in this notation in the vendor's user centre."
    return QgError(
        f"{len(ips)} addresses could not be removed: {format_sample(texts)}. {reason.message}{fix}", **reason.details
    )
