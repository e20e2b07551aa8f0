# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The leases of the product hosts (``https://share.proxy.qg.net`` and its siblings), and each product's features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._api.calls import CLASSIC, PRODUCTS, Product
from .._api.lease_client import Leases
from .._core.errors import Kind, OptionError
from .._reconcile.held_leases import HeldLeases
from .._task.options import AUTO
from .backend import LeaseBackend, LeaseFeatures
from .classic import FEATURES
from .plan import MAX_PER_CALL

_MAYBE_OWN_EFFECT = frozenset({Kind.CHANNELS, Kind.STOCK, Kind.COUNT, Kind.VOLUME})
#: The vendor's rules for the release of leases.
_RELEASE_RULES = {
    "longterm": "A static address can be released 24 hours after it was leased, 2 times a week; a dynamic one never.",
    "exclusive": "The vendor limits how often addresses are released.",
}


def _features(product: str, calls: Product) -> LeaseFeatures:
    return LeaseFeatures(
        list=calls.query.name,
        allocate=calls.allocate.name,
        replace=calls.replace.name if calls.replace else None,
        release=calls.release.name if calls.release else None,
        max_per_call=MAX_PER_CALL,
        no_free_channel=frozenset({Kind.CHANNELS}),
        maybe_own_effect=_MAYBE_OWN_EFFECT,
        failed=frozenset({Kind.FAILED}),
        partial_replacement=_MAYBE_OWN_EFFECT | {Kind.UNKNOWN, Kind.FAILED},
        too_many=frozenset({Kind.COUNT}),
        forbidden=frozenset({Kind.PERMISSION, Kind.TOO_EARLY}),
        release_rules=_RELEASE_RULES.get(product, ""),
        # Vendor docs 1839 and 6637.
        ends_at_deadline=product != "longterm",
        # Observed by other clients.
        lifetime=60.0 if product == "share" else None,
    )


def lease_backend(client: Leases) -> LeaseBackend:
    """Return a client with what is specific to its API."""
    features = FEATURES if client.product == CLASSIC else _features(client.product, client.calls)
    return LeaseBackend(client, features, HeldLeases.of(client))


def check_terms(params: Mapping[str, Any]) -> None:
    """Refuse options for new leases that the product does not support."""
    product = params["product"]
    for option, products, fix in (
        ("exclude_areas", ("share", "longterm", "exclusive"), "leave it out, or give areas"),
        ("pool", ("share",), "leave it out"),
    ):
        value = params.get(option)
        if value not in (None, []) and product not in (AUTO, *products):
            raise OptionError(f"{option} is not an option of product={product}: {fix}.")
    if params.get("isp") == "bgp" and product not in (AUTO, CLASSIC):
        raise OptionError(f"isp=bgp is not a provider of product={product}: give telecom, mobile or unicom.")


def check_tasks(params: Mapping[str, Any]) -> None:
    """Refuse task_ids for a product whose leases belong to no task."""
    product = params["product"]
    if params["task_ids"] is not None and product in PRODUCTS and not PRODUCTS[product].has_tasks:
        raise OptionError(f"task_ids select nothing with product={product}, whose leases have no task: give ips.")


def check_release(params: Mapping[str, Any], option: str | None = None) -> None:
    """Refuse a release if the product does not release leases; ``option`` is the option that requires it, if any."""
    product = params["product"]
    if product in PRODUCTS and PRODUCTS[product].release is None:
        why = f"{option} needs a release, but " if option else ""
        raise OptionError(f"{why}product={product} does not release leases: they end at their deadline.")


def check_exact(params: Mapping[str, Any]) -> None:
    """Refuse ``exact`` for a product that does not release leases."""
    if params["exact"]:
        check_release(params, "exact")


def check_replacement(params: Mapping[str, Any]) -> None:
    """Refuse a replacement that the product does not support; that of named leases requires a release."""
    product = params["product"]
    named = [option for option in ("ips", "task_ids") if params[option] is not None]
    if named:
        check_release(params, named[0])
    elif product in PRODUCTS and PRODUCTS[product].replace is None:
        named_too = "name them in ips or task_ids" if PRODUCTS[product].release else "wait until they end"
        raise OptionError(
            f"product={product} does not replace leases of the vendor's choice: {named_too}, or use a key of "
            "product=exclusive."
        )
