# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the clients for leases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .exchange import KeyClient
from .leases import Lease


class LeaseClient(KeyClient):
    """Removes secrets from the leases of a response, since the state will contain them."""

    def _without_secrets(self, leases: Iterable[Lease]) -> list[Lease]:
        """Remove secrets from the vendor's fields, except the identifying ones."""

        def clean(vendor: Mapping[str, Any]) -> Mapping[str, Any]:
            cleaned: Mapping[str, Any] = self._parser.redactor.tree({"vendor": vendor})["vendor"]
            named = {name: vendor[name] for name in Lease.NAMING_FIELDS if name in vendor}
            return vendor if cleaned is vendor else {**cleaned, **named}

        return [replace(lease, vendor=clean(lease.vendor)) for lease in leases]
