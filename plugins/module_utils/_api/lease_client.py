# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the clients for leases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .._core.text import without_secrets
from .._store.facts import AREAS, PRODUCT
from .._store.store import after_the_call
from .areas import Area, NamedArea
from .codes import LEAVE_OUT, RUN_AGAIN
from .errors import RefusedError
from .exchange import Endpoint, KeyClient, Reader
from .leases import Lease


class LeaseClient(KeyClient):
    """The areas of the vendor, and leases without secrets, since the state will contain them."""

    def areas(self) -> list[Area]:
        """Return the areas that the vendor offers addresses in."""
        raise NotImplementedError

    def named_areas(self, refresh: bool = False) -> list[NamedArea]:
        """Return the areas that have a code; without ``refresh``, as the vendor listed them within the last hour."""
        known = None if refresh else self.host_facts.get(AREAS)
        if known is not None:
            return [(str(code), name) for code, name in self.host_facts.store.decoded(known)]
        found = {(area.code, area.name) for area in self.areas() if area.code}
        listed = sorted(found, key=lambda area: (area[0], area[1] or ""))
        self.host_facts.save(AREAS, json.dumps(listed))
        return listed

    def _listed(
        self, endpoint: Endpoint, parameters: Mapping[str, object], read: Reader[list[Lease] | None]
    ) -> list[Lease] | None:
        """Return the vendor's list of leases; None if it says nothing."""
        try:
            listed = self._call(endpoint, parameters, read)
        except RefusedError as error:
            if error.code in error.of_other_product and self.facts.get(PRODUCT) is not None:
                error.message = error.message.replace(LEAVE_OUT, RUN_AGAIN)
                with after_the_call():
                    self.facts.forget(PRODUCT)
            raise
        return None if listed is None else self._without_secrets(listed)

    def _without_secrets(self, leases: Iterable[Lease]) -> list[Lease]:
        """Remove secrets from the vendor's fields, except the identifying ones."""

        def clean(vendor: Mapping[str, Any]) -> Mapping[str, Any]:
            cleaned: Mapping[str, Any] = without_secrets({"vendor": vendor}, self._parser.secrets)["vendor"]
            return {**cleaned, **{name: vendor[name] for name in Lease.NAMING_FIELDS if name in vendor}}

        return [replace(lease, vendor=clean(lease.vendor)) for lease in leases]
