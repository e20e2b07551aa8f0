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
short_description: Report changes of leases, quota, whitelist and balance at QG.net
description:
  - Polls the API of QG.net at an interval, and emits one event for each subject that has changed
    since the last poll. The conditions of the rulebook decide what a change means.
  - An event has the fields type, current, previous, added, removed and count. The README in
    extensions/eda describes them.
  - The first poll emits an event for each subject, with previous null. So does the first poll after
    a failure, with what was known before it as previous.
  - The calls are counted in the store, and wait for the rate limits of QG.net together with those
    of playbooks.
  - Needs ansible-core and requests in the Python that runs ansible-rulebook.
options:
  watch:
    description:
      - The subjects. Each takes one call for each poll, or at most two on a product host.
      - For balance, app_id and app_key are required; for the others, key.
    type: list
    elements: str
    choices: [quota, leases, whitelist, balance]
    required: true
  min_remaining:
    description:
      - A lease that ends within this time counts as gone, so that its end is reported before it
        comes.
      - In minutes or with a unit, such as 30s, 5m, 1h or 1d.
      - The option does not apply to the product longterm, whose leases may last longer than their
        deadline.
    type: str
    default: "0"
  interval:
    description: The seconds between two polls, with a jitter of a tenth. The minimum is 10.
    type: float
    default: 60
  key:
    description: The key of the product. Default from the environment variable QG_KEY.
    type: str
  password:
    description: The API password of the key, if it has one. Default from the environment variable
      QG_PASSWORD.
    type: str
  product:
    description:
      - The product that the key was bought for. Default from the environment variable QG_PRODUCT.
      - With auto, at most five reads show the product, as for modules.
    type: str
    choices: [auto, classic, share, longterm, exclusive, overseas]
    default: auto
  app_id:
    description: The appid of the account. Default from the environment variable QG_APP_ID.
    type: str
  app_key:
    description: The appkey of the account. Default from the environment variable QG_APP_KEY.
    type: str
  api_url:
    description:
      - The URL of the API. Default from the environment variable QG_API_URL.
      - Use the same host name as playbooks. Calls to another name of the same API are counted
        separately.
    type: str
    default: https://proxy.qg.net
  account_url:
    description: The URL of the account API. Default from the environment variable QG_ACCOUNT_URL.
    type: str
    default: https://www.qg.net/api
  timeout:
    description: The maximum duration of one call in seconds. Default from the environment variable
      QG_TIMEOUT.
    type: float
    default: 10
  max_wait:
    description:
      - The maximum time in seconds that a poll waits for the rate limits of QG.net, for each
        subject. Default from the environment variable QG_MAX_WAIT.
    type: float
    default: 300
  store:
    description:
      - The directory with the count of calls, or the URL of a PostgreSQL database that several
        control nodes share, such as postgresql://qgnet@db.example.com/qgnet. Use the same as
        playbooks with the same key. The path of a directory is absolute, or begins with ~/. Only
        the default directory is made if it does not exist.
      - Default from the environment variable QG_STORE.
    type: str
    default: ~/.ansible/qgnet
notes:
  - Of an option that is left out, the environment variable is used, then the default. One that is
    null or empty is refused. A rulebook can use its own variables in options, such as key with
    "{{ qg_key }}".
  - After a restart of ansible-rulebook nothing is known of earlier polls.
"""

EXAMPLES = r"""
- name: Leases, ten minutes before they end, and the free channels
  qingguo.qgnet.qg_watch:
    watch: [leases, quota]
    min_remaining: 10

- name: The balance of the account, every ten minutes
  qingguo.qgnet.qg_watch:
    watch: [balance]
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
