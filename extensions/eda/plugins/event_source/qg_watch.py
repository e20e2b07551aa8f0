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
  - Looks at QG.net at an interval and emits an event for each change, once.
  - Each poll makes one call for each thing that is watched, within the vendor's limits, which it
    shares with the playbooks of the same user. A call that fails is made again at the next poll,
    and later and later while it fails.
  - What it knows is lost when ansible-rulebook ends. What is on the wrong side of a threshold then
    is told again.
  - Needs ansible-core and requests in the Python that runs ansible-rulebook.
options:
  quota_below:
    description:
      - Emits quota_low when fewer channels than this are free, or fewer addresses are left of a
        plan by volume.
      - Emits quota_recovered when a tenth more than this are free again, or all of them.
    type: int
  leases:
    description: Emits lease_new for each lease that appears, and lease_gone for each that is gone.
    type: bool
    default: false
  lease_expires_within:
    description:
      - Emits lease_expiring for each lease that has so many minutes left, or fewer, once for each
        deadline.
      - Brings the events of leases, too.
    type: int
  whitelist:
    description: Emits whitelist_added and whitelist_removed for each address that appears or
      disappears.
    type: bool
    default: false
  expected:
    description:
      - The addresses that the whitelist shall have, and no others.
      - Emits whitelist_drift whenever the difference has changed, and whitelist_recovered when
        there is none.
    type: list
    elements: str
  balance_below:
    description:
      - Emits balance_low when the account has less than this, in yuan.
      - Emits balance_recovered when it has a tenth more than this.
      - Needs app_id and app_key.
    type: float
  interval:
    description: Seconds between two polls, give or take a tenth. The least is 10.
    type: float
    default: 60
  key:
    description: The product's key. Needed for all but balance_below. From the environment QG_KEY if
      not set.
    type: str
  pwd:
    description: The key's API password, where it has one. From the environment QG_PWD if not set.
    type: str
  api_url:
    description: Where the proxy API is. From the environment QG_API_URL if not set.
    type: str
    default: https://proxy.qg.net
  app_id:
    description: The account's appid. From the environment QG_APP_ID if not set.
    type: str
  app_key:
    description: The account's appkey. From the environment QG_APP_KEY if not set.
    type: str
  account_url:
    description: Where the account API is. From the environment QG_ACCOUNT_URL if not set.
    type: str
    default: https://www.qg.net/api
  domain:
    description: The site that the account lives on. From the environment QG_DOMAIN if not set.
    type: str
    default: www.qg.net
  timeout:
    description: Seconds that one call may take. From the environment QG_TIMEOUT if not set.
    type: float
    default: 10
  max_wait:
    description: Seconds that one poll may wait for its turn under the vendor's limits, for each
      thing.
    type: float
    default: 300
  validate_certs:
    description: Whether the certificates of the APIs are checked.
    type: bool
    default: true
  ca_path:
    description: A file or directory of certificate authorities, instead of the usual ones.
    type: path
  state_dir:
    description:
      - Where the limits are counted. Let playbooks with the same key use the same directory.
      - From the environment QG_STATE_DIR if not set.
    type: path
    default: ~/.ansible/qgnet
notes:
  - watch_failed tells that something cannot be watched, with the vendor's code and a msg, and
    watch_recovered that it can be again.
  - All events and what they hold are described in the collection's guide on events.
"""

EXAMPLES = r"""
- name: Leases that end soon, and few free channels
  qingguo.qgnet.qg_watch:
    lease_expires_within: 10
    quota_below: 2

- name: The whitelist, compared with what it shall be
  qingguo.qgnet.qg_watch:
    expected: [203.0.113.5, 203.0.113.6]
    interval: 30

- name: The account's balance
  qingguo.qgnet.qg_watch:
    balance_below: 50
    interval: 600
"""

#: Where the client lives in a directory of collections.
PACKAGE = "ansible_collections.qingguo.qgnet.plugins.module_utils"
#: How many directories this file is below ansible_collections.
DEPTH = len(("qingguo", "qgnet", "extensions", "eda", "plugins", "event_source"))


def _make_importable() -> None:
    """Let Python find the collection that this file belongs to.

    ansible-rulebook runs this file by its path and does not have Ansible's own importer, so that
    collections are importable only where they happen to be installed among Python's packages.
    """
    # Not resolved: a checkout may be linked to from where collections are looked for.
    parents = Path(__file__).absolute().parents
    if len(parents) <= DEPTH + 1 or parents[DEPTH].name != "ansible_collections":
        return
    collections, root = str(parents[DEPTH]), str(parents[DEPTH + 1])
    if root not in sys.path:
        sys.path.insert(0, root)
    package = importlib.import_module("ansible_collections")
    # One that is an ordinary package elsewhere hides all others.
    if collections not in package.__path__:
        package.__path__.append(collections)


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Emit an event for each change, until cancelled."""
    _make_importable()
    try:
        operation = importlib.import_module(f"{PACKAGE}._watch.poller")
    except ImportError as problem:
        message = (
            f"qingguo.qgnet.qg_watch cannot be loaded ({problem}): install ansible-core, and the "
            "collection with ansible-galaxy, for the Python that runs ansible-rulebook."
        )
        raise ImportError(message) from None
    await operation.watch(queue, args)
