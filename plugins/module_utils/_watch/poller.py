# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The loop of the event source qg_watch: it polls, emits events and sleeps.

``_watch/events.py`` decides which events a poll causes.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import logging
import random
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from .._api.account.client import AccountApi
from .._api.classic.client import ProxyApi
from .._api.deadline_session import MISSING_REQUESTS, REQUESTS_IMPORT_ERROR
from .._api.exchange import KeyClient
from .._api.product.client import ProductApi
from .._core.clock import wall_time
from .._core.errors import OptionError, QgError, UnexpectedError
from .._core.text import one_line
from .._core.waiting import SILENT, Announcer
from .._reconcile.held_leases import HeldLeases
from .._reconcile.held_whitelist import HeldWhitelist
from .._store.caps import refused_purchase
from .._task.announcements import announcement_policy
from .._task.operation import without_secrets
from .._task.options import AUTO, CLASSIC, AccountApiOptions, ProxyApiOptions
from .._task.products import ProductFinder, api_of_key
from .events import BALANCE, CAPS, LEASES, QUOTA, WHITELIST, Snapshot, Step, WatchState, polls_to_skip, step
from .options import WatchOptions, read_options

T = TypeVar("T")
Api = TypeVar("Api", bound=KeyClient)
logger = logging.getLogger("qingguo.qgnet.qg_watch")

#: The random part of an interval, so that several watchers do not always call at the same moment.
JITTER = 0.1


@dataclass(frozen=True)
class Pause:
    """The functions with which a poll waits: ``sleep`` raises QgError if the watcher is stopped meanwhile."""

    sleep: Callable[[float], None]
    announcer: Announcer = SILENT


class Queue(Protocol):
    """Receives events: an asyncio queue, or ansible-rulebook's wrapper of one."""

    async def put(self, item: dict[str, Any], /) -> None:
        """Add an event."""


def _with_proxy_api(read: Callable[[ProxyApi], T], options: WatchOptions, pause: Pause) -> T:
    return _with_key(cast(ProxyApiOptions, options.proxy).client(announcer=pause.announcer), read, pause)


def _with_lease_api(read: Callable[[ProxyApi | ProductApi], T], options: WatchOptions, pause: Pause) -> T:
    """Read from the API that serves the leases of the key."""
    proxy = cast(ProxyApiOptions, options.proxy)
    if options.product == CLASSIC:
        return _with_proxy_api(read, options, pause)
    if options.product == AUTO:
        return _with_proxy_api(lambda api: read(api_of_key(proxy, options.product_url, api)), options, pause)
    api = proxy.product_client(options.product, options.product_url, announcer=pause.announcer)
    return _with_key(api, read, pause)


def _with_key(api: Api, read: Callable[[Api], T], pause: Pause) -> T:
    # The next poll is the next attempt.
    api.single_attempt = True
    api.budget.sleep = pause.sleep
    try:
        return read(api)
    finally:
        api.rate_limiter.state.close()


def _with_account_api(read: Callable[[AccountApi], T], options: WatchOptions, pause: Pause) -> T:
    api = cast(AccountApiOptions, options.account).client(pause.announcer)
    api.single_attempt = True
    return read(api)


def _read_leases(api: ProxyApi | ProductApi) -> dict[str, Any]:
    return {LEASES: HeldLeases.of(api).read(), "vendor_time": api.vendor_clock.now()}


def _read_caps(api: ProxyApi | ProductApi) -> dict[str, Any]:
    refused = refused_purchase(api.rate_limiter.state, api.key_digest)
    return {CAPS: () if refused is None else (refused,)}


#: The function that reads the fields of a snapshot for each subject, with one call, or up to two on a product host,
#: and those that show the product of the key.
FETCHERS: dict[str, Callable[[WatchOptions, Pause], dict[str, Any]]] = {
    QUOTA: functools.partial(_with_lease_api, lambda api: {QUOTA: api.quota()}),
    LEASES: functools.partial(_with_lease_api, _read_leases),
    WHITELIST: functools.partial(_with_proxy_api, lambda api: {WHITELIST: HeldWhitelist(api).entries()}),
    BALANCE: functools.partial(_with_account_api, lambda api: {BALANCE: api.balance()}),
    CAPS: functools.partial(_with_lease_api, _read_caps),
}


def prepare(params: Mapping[str, Any], pause: Pause) -> WatchOptions:
    """Parse the options, and create each client once to find the remaining mistakes; no call is made."""
    options = WatchOptions.parse(params)
    if REQUESTS_IMPORT_ERROR is not None:
        raise OptionError(MISSING_REQUESTS)
    proxy = options.proxy
    if proxy is not None and options.product == AUTO:
        _with_proxy_api(lambda api: ProductFinder(proxy, options.product_url, api).check_url(), options, pause)
    elif proxy is not None:
        _with_lease_api(lambda _api: None, options, pause)
    if options.account is not None:
        _with_account_api(lambda _api: None, options, pause)
    return options


def poll(options: WatchOptions, subjects: Collection[str], pause: Pause) -> Snapshot:
    """Read each subject.

    An error, such as a rate limit that allows no call within max_wait, is a failure of the subject in this poll, and
    never ends the event source.
    """
    values: dict[str, Any] = {}
    failed: dict[str, QgError] = {}
    for subject in subjects:
        try:
            values.update(FETCHERS[subject](options, pause))
        except QgError as error:
            failed[subject] = error
        except Exception as error:
            failed[subject] = _unexpected(subject, error)
    return Snapshot(**values, failed=failed)


def _unexpected(subject: str, cause: Exception) -> UnexpectedError:
    error = UnexpectedError(cause, f"The poll of {subject} was not completed")
    logger.debug("%s", error.traceback)
    return error


def _evaluate(state: WatchState, options: WatchOptions, snapshot: Snapshot) -> Step:
    """Return the state after a poll, and its events without secrets. An error in this counts as a failure."""
    now = wall_time() if snapshot.vendor_time is None else snapshot.vendor_time
    try:
        return _evaluate_once(state, options, snapshot, now)
    except Exception:
        # Evaluate each subject separately, so that the failure of one does not hide the others.
        events: list[dict[str, Any]] = []
        for subject in (*snapshot.failed, *snapshot.subjects):
            failed = {subject: snapshot.failed[subject]} if subject in snapshot.failed else {}
            part = Snapshot(failed=failed) if failed else Snapshot(**{subject: getattr(snapshot, subject)})
            try:
                state, new = _evaluate_once(state, options, part, now)
            except Exception as error:
                part = Snapshot(failed={subject: _unexpected(subject, error)})
                state, new = _evaluate_once(state, options, part, now)
            events += new
        return state, events


def _evaluate_once(state: WatchState, options: WatchOptions, snapshot: Snapshot, now: float) -> Step:
    state, events = step(state, options.rules, snapshot, now)
    return state, [without_secrets(event, options.secrets) for event in events]


async def run_in_thread(work: Callable[[], T]) -> T:
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

    Raises OptionError, before any call, for options that cannot be used.
    """
    params = read_options(args)
    stopped = threading.Event()

    def sleep(seconds: float) -> None:
        if stopped.wait(seconds):
            raise QgError("The watcher was stopped.")

    waiting = Pause(sleep, Announcer(lambda text: logger.info("%s", one_line(text)), policy=announcement_policy()))
    try:
        options = await run_in_thread(functools.partial(prepare, params, waiting))
        state = WatchState()
        #: The number of polls that each failing subject still skips.
        skips: dict[str, int] = {}
        while True:
            due = [subject for subject in options.rules.subjects if not skips.get(subject)]
            skips = {subject: polls - 1 for subject, polls in skips.items() if polls}
            try:
                snapshot = await run_in_thread(functools.partial(poll, options, due, waiting)) if due else Snapshot()
            except Exception as error:  # such as the lack of a thread
                snapshot = Snapshot(failed={subject: _unexpected(subject, error) for subject in due})
            state, events = _evaluate(state, options, snapshot)
            for event in events:
                if event["type"] == "watch_failed":
                    logger.warning("%s cannot be watched: %s", event["watched"], event["msg"])
                else:
                    logger.info("%s", event["type"])
                await queue.put(event)
            for subject in state.failing.keys() & set(due):
                skips[subject] = polls_to_skip(state.failing[subject].count, options.interval)
            await pause(options.interval * random.uniform(1 - JITTER, 1 + JITTER))
    finally:
        stopped.set()
