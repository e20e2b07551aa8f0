# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source qg_watch: its options, which Ansible does not validate for it, and its loop of reads and events."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from .._api.lease_client import Leases
from .._api.leases import oldest_first
from .._api.whitelist import Whitelist
from .._core.checks import check_range, parse_minutes, sort_addresses
from .._core.errors import QgError, UnexpectedError
from .._core.runtime import SILENT, current
from .._core.text import clean
from .._leases.api import held_leases
from .._store.rate_limiter import minute_seconds
from .._task.api_options import (
    ACCOUNT_API_OPTIONS,
    PRODUCT_OPTIONS,
    PROXY_API_OPTIONS,
    SHARED_OPTIONS,
    account_api,
    key_caller,
)
from .._task.operation import Spec, check_environment, given_options, is_unset, secrets_in
from .._task.operation import read_options as read
from .._task.products import check_quota, lease_client
from .events import BALANCE, FAILED, LEASES, QUOTA, WHITELIST, Changes, Reading

#: The minimum interval between two polls, as a share of the vendor's minute: six calls of each kind a minute, where the
#: smallest plan allows 15, so that most of the limit remains for playbooks.
MIN_INTERVAL = 1 / 6

_API_OPTIONS: Spec = {**PRODUCT_OPTIONS, **PROXY_API_OPTIONS, **ACCOUNT_API_OPTIONS}
SPEC: Spec = {
    "watch": {"type": "list", "elements": "str", "choices": [QUOTA, LEASES, WHITELIST, BALANCE], "required": True},
    "min_remaining": {"type": "str", "default": "0"},
    "interval": {"type": "float", "default": 60.0},
    # What an API requires is required only if something of that API is watched.
    **{name: {**option, "required": False} for name, option in _API_OPTIONS.items()},
}
T = TypeVar("T")
Params = Mapping[str, Any]
logger = logging.getLogger("qingguo.qgnet.qg_watch")

#: The random part of an interval, so that several watchers do not always call at the same moment.
JITTER = 0.1


def read_options(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a rulebook with their defaults; raises OptionError for a mistake in them."""
    check_environment(SHARED_OPTIONS)
    given = {name: value for name, value in args.items() if not is_unset(name, value)}
    place = "option of qg_watch"
    params = read(SPEC, given, place=place)
    watched = set(params["watch"])
    for needed, is_watched in ((PROXY_API_OPTIONS, watched - {BALANCE}), (ACCOUNT_API_OPTIONS, BALANCE in watched)):
        if is_watched:
            given_options(needed, given, place=place)
    if QUOTA in watched:
        check_quota(params)
    minutes = check_range("min_remaining", parse_minutes("min_remaining", params["min_remaining"]), 0, 525600)
    check_range("interval", params["interval"], minute_seconds() * MIN_INTERVAL, 86400)
    return {**params, "min_remaining": minutes}


class Queue(Protocol):
    """Receives events: an asyncio queue, or ansible-rulebook's wrapper of one."""

    async def put(self, item: dict[str, Any], /) -> None:
        """Add an event."""


def _closing(api: Leases | Whitelist) -> contextlib.closing[Any]:
    return contextlib.closing(api.caller.store)


def _quota(params: Params) -> Reading:
    api = lease_client(params, SILENT)
    with _closing(api):
        return api.quota().described()


def _leases(params: Params) -> Reading:
    """Return the leases that do not end within ``min_remaining``: the others count as gone."""
    api = lease_client(params, SILENT)
    with _closing(api):
        held, now = held_leases(api), api.caller.vendor_clock.now()
    left = ((lease, lease.remaining(now)) for lease in oldest_first(held))
    least = params["min_remaining"] * 60
    return [lease.described(now) for lease, seconds in left if seconds is None or seconds > least]


def _whitelist(params: Params) -> Reading:
    api = Whitelist(key_caller(params, SILENT))
    with _closing(api):
        listed, unreadable = api.whitelist()
    return [*sort_addresses(listed), *unreadable]


def _balance(params: Params) -> Reading:
    return account_api(params, SILENT).balance()


READERS: dict[str, Callable[[Params], Reading]] = {
    QUOTA: _quota,
    LEASES: _leases,
    WHITELIST: _whitelist,
    BALANCE: _balance,
}


def _check(params: Params) -> None:
    """Create each client once, to find mistakes in the options before any call."""
    if BALANCE in params["watch"]:
        account_api(params, SILENT)
    if set(params["watch"]) - {BALANCE}:
        key_caller(params, SILENT).store.close()


async def _in_thread(work: Callable[[], T]) -> T:
    """Run blocking work in a thread of its own.

    A process waits for asyncio's own pool before it ends, but stopping a watcher must not require a response of the
    vendor.
    """
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    # A running future cannot be cancelled, so the thread can always set its result.
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # the waiting side must receive every error
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=run, name="qg_watch", daemon=True).start()
    return await asyncio.wrap_future(future)


async def watch(
    queue: Queue, args: Mapping[str, Any], pause: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> None:
    """Poll until cancelled, and put an event into the queue for each change.

    Raises OptionError, before any call, for options that cannot be used. Nothing else ends it but its being cancelled:
    a subject that cannot be read is an event.
    """
    params = read_options(args)
    await _in_thread(functools.partial(_check, params))
    secrets, changes = secrets_in(params, SPEC), Changes()
    while True:
        for subject in params["watch"]:
            try:
                event = changes.reading(subject, await _in_thread(functools.partial(READERS[subject], params)))
            except QgError as error:
                event = changes.failure(subject, error)
            except Exception as error:
                unexpected = UnexpectedError(error, f"The poll of {subject} was not completed")
                logger.debug("%s", unexpected.traceback)
                event = changes.failure(subject, unexpected)
            if event:
                event = clean(event, secrets)
                if event["type"] == FAILED:
                    logger.warning("%s cannot be read: %s", subject, event["current"]["msg"])
                await queue.put(event)
        await pause(params["interval"] * current().random(1 - JITTER, 1 + JITTER))
