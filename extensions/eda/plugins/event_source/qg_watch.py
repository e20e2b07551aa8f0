# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source qingguo.qgnet.qg_watch for ansible-rulebook."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

DOCUMENTATION = r"""
---
short_description: Watch proxies, whitelist and balance at QG.net
description:
  - Polls the vendor's API at an interval, and emits one event for each change.
  - Each poll makes one call for each watched item, or at most two on a product host, within the
    vendor's rate limits, whose count it shares with the playbooks of the same user. A failed call
    is repeated at the next poll, with exponential backoff.
  - The state is kept in memory until ansible-rulebook ends. After a restart, a threshold that is
    already crossed causes an event again. Changes in the meantime are not known. Rules for
    watch_started can restore what is missing.
  - Needs ansible-core and requests in the Python that runs ansible-rulebook.
options:
  quota_below:
    description:
      - Emits quota_low when fewer channels than this are free, or when a plan by volume has fewer
        addresses left.
      - Emits quota_recovered when the number reaches 1.1 times this value (at least one more), or
        when all channels are free.
    type: int
  leases:
    description:
      - Emits lease_new for each new lease, and lease_gone for each lease that has disappeared.
    type: bool
    default: false
  lease_expires_within:
    description:
      - Emits lease_expiring for each lease with at most this remaining time, once for each
        deadline.
      - In minutes or with a unit, such as 30s, 5m, 1h or 1d.
      - Also emits the events of leases.
    type: str
  leases_below:
    description:
      - Emits leases_low when the key holds fewer leases than this, and leases_recovered when it
        holds this number again.
      - Also emits the events of leases.
    type: int
  whitelist:
    description:
      - Emits whitelist_added and whitelist_removed for each address that appears or disappears.
    type: bool
    default: false
  expected:
    description:
      - The exact addresses that the whitelist should contain.
      - Emits whitelist_drift whenever the difference changes, and whitelist_recovered when there is
        none any more.
    type: list
    elements: str
  balance_below:
    description:
      - Emits balance_low when the balance of the account falls below this amount, in yuan.
      - Emits balance_recovered when the balance reaches 1.1 times this amount.
      - Needs app_id and app_key.
    type: float
  caps:
    description:
      - Emits cap_reached when max_new_per_day or max_new_per_run has not allowed a purchase of this key, once for each
        cap, or for each run.
      - Emits cap_recovered when the cap would allow the same purchase, or after a day.
      - Makes no call. The refusals are read from the state, which must be that of the runs that pay.
    type: bool
    default: false
  interval:
    description: The seconds between two polls, with a jitter of a tenth. The minimum is 10.
    type: float
    default: 60
  key:
    description:
      - The key of the product. Required for all options except balance_below. Default from the
        environment variable QG_KEY.
    type: str
    aliases: [api_key, authkey]
  password:
    description:
      - The API password of the key, if it has one. Default from the environment variable QG_PASSWORD.
    type: str
    aliases: [password, authpwd]
  api_url:
    description: The URL of the proxy API. Default from the environment variable QG_API_URL.
    type: str
    default: https://proxy.qg.net
    aliases: [api_endpoint]
  product:
    description:
      - The product that the key was bought for. Its API serves the quota and the leases. Default from the
        environment variable QG_PRODUCT.
      - With auto, at most five reads show the product, as for modules. The state stores it for 30 days.
    type: str
    choices: [auto, classic, share, longterm, exclusive, overseas]
    default: auto
  product_url:
    description:
      - The URL of the API of a product other than classic, in which {product} is replaced by the product.
        Default from the environment variable QG_PRODUCT_URL, or else https://{product}.proxy.qg.net. With another
        api_url than that of the vendor, such as that of a simulator or a reseller, it is /{product} below that URL.
    type: str
  app_id:
    description: The appid of the account. Default from the environment variable QG_APP_ID.
    type: str
    aliases: [appid]
  app_key:
    description: The appkey of the account. Default from the environment variable QG_APP_KEY.
    type: str
    aliases: [appkey]
  account_url:
    description: The URL of the account API. Default from the environment variable QG_ACCOUNT_URL.
    type: str
    default: https://www.qg.net/api
  domain:
    description: The site of the account. Default from the environment variable QG_DOMAIN.
    type: str
    default: www.qg.net
  timeout:
    description:
      - The maximum duration of one call in seconds. Default from the environment variable
        QG_TIMEOUT.
    type: float
    default: 10
    aliases: [api_timeout]
  max_wait:
    description:
      - The maximum time in seconds that a poll waits for the vendor's rate limits, for each item.
        Default from the environment variable QG_MAX_WAIT.
    type: float
    default: 300
  use_proxy:
    description:
      - Whether calls may go through a proxy. With true, api_proxy is used, or the proxy of the
        environment (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY). With false, calls are direct.
        Default from the environment variable QG_USE_PROXY.
    type: bool
    default: true
  api_proxy:
    description:
      - The URL of an HTTP proxy for calls to the vendor, http://HOST:PORT or
        http://USER:PASSWORD@HOST:PORT. Default from the environment variable QG_API_PROXY.
    type: str
  validate_certs:
    description:
      - Whether to verify the certificates of the APIs. Default from the environment variable
        QG_VALIDATE_CERTS.
    type: bool
    default: true
  ca_path:
    description:
      - A file or directory with the certificate authorities to trust instead of those of the
        system. Default from the environment variable QG_CA_PATH.
    type: path
  state_dir:
    description:
      - The directory with the count of calls. Use the same directory for playbooks with the same
        key.
      - Default from the environment variable QG_STATE_DIR.
    type: path
    default: ~/.ansible/qgnet
  state_url:
    description:
      - The URL of a PostgreSQL database that several control nodes share instead of the state_dir
        of each, such as postgresql://qgnet@db.example.com/qgnet. It needs psycopg 3.2 or newer.
      - Default from the environment variable QG_STATE_URL.
    type: str
notes:
  - Of an option that is null or empty text, the environment variable is used, then the default. A
    rulebook can use its own variables in options, such as key with "{{ qg_key }}".
  - watch_failed reports that an item cannot be read, with the vendor's code and a msg.
    watch_recovered reports that it can be read again.
  - watch_started is emitted once after the first successful poll of the leases or the whitelist,
    with watched and count, the number of leases or entries.
  - The collection's guide on events describes all events and their fields.
"""

EXAMPLES = r"""
- name: Leases that end soon, and few free channels
  qingguo.qgnet.qg_watch:
    lease_expires_within: 10
    quota_below: 2

- name: The whitelist, compared with the expected addresses
  qingguo.qgnet.qg_watch:
    expected: [203.0.113.5, 203.0.113.6]
    interval: 30

- name: The account's balance
  qingguo.qgnet.qg_watch:
    balance_below: 50
    interval: 600
"""

#: The package of the client in a directory of collections.
PACKAGE = "ansible_collections.qingguo.qgnet.plugins.module_utils"
#: The number of directories between ansible_collections and this file.
DEPTH = len(("qingguo", "qgnet", "extensions", "eda", "plugins", "event_source"))


def _make_importable() -> None:
    """Let Python find the collection that this file belongs to.

    ansible-rulebook runs this file by its path and does not have Ansible's own importer, so that
    collections are importable only if they are installed among Python's packages.
    """
    # Not resolved: the directory of collections may contain a link to a checkout.
    parents = Path(__file__).absolute().parents
    if len(parents) <= DEPTH + 1 or parents[DEPTH].name != "ansible_collections":
        return
    collections, root = str(parents[DEPTH]), str(parents[DEPTH + 1])
    if root not in sys.path:
        sys.path.insert(0, root)
    package = importlib.import_module("ansible_collections")
    # An ordinary package of that name elsewhere hides all others.
    if collections not in package.__path__:
        package.__path__.append(collections)


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Emit an event for each change, until cancelled."""
    _make_importable()
    try:
        poller = importlib.import_module(f"{PACKAGE}._watch.poller")
    except ImportError as error:
        message = (
            f"qingguo.qgnet.qg_watch cannot be loaded ({error}): install ansible-core, and the "
            "collection with ansible-galaxy, for the Python that runs ansible-rulebook."
        )
        raise ImportError(message) from None
    await poller.watch(queue, args)
