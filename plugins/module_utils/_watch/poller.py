# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source qg_watch: its options, which Ansible does not validate for it, its loop of
reads, and the events: one for each subject and poll that changed.

Rulebooks decide what a change means.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import logging
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from socket import inet_aton
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

from .._api.calls import CLASSIC
from .._api.lease_client import Leases
from .._api.leases import oldest_first
from .._api.whitelist import Whitelist
from .._core.checks import check_range, parse_minutes
from .._core.errors import CALL_DETAILS, OptionError, QgError, UnexpectedError
from .._core.runtime import SILENT, current
from .._core.text import clean
from .._leases.api import LeaseApi, held_leases
from .._store.rate_limiter import minute_seconds
from .._task.api_options import (
    ACCOUNT_API_OPTIONS,
    PRODUCT_OPTIONS,
    PROXY_API_OPTIONS,
    SHARED_OPTIONS,
    AccountConnection,
    Connection,
    account_api,
    key_caller,
)
from .._task.operation import Spec, check_environment, given_options, secrets_in
from .._task.operation import read_options as read
from .._task.products import check_quota, lease_client

#: The subjects, each with one type of event; and the type of the event for a subject that cannot be
#: read.
QUOTA = "quota"
LEASES = "leases"
WHITELIST = "whitelist"
BALANCE = "balance"
FAILED = "failed"

Event = dict[str, Any]
#: What was read of a subject, as it stands in events: a list of leases or addresses, or numbers by
#: name.
Reading: TypeAlias = "list[Any] | dict[str, Any]"


#: The minimum interval between two polls, as a share of QG.net's minute: six calls of each kind
#: a minute, where the smallest plan allows 15, so that most of the limit remains for playbooks.
MIN_INTERVAL = 1 / 6

_SUBJECTS = [QUOTA, LEASES, WHITELIST, BALANCE]
_API_OPTIONS: Spec = {**PRODUCT_OPTIONS, **PROXY_API_OPTIONS, **ACCOUNT_API_OPTIONS}
SPEC: Spec = {
    "watch": {
        "type": "list",
        "elements": "str",
        "choices": _SUBJECTS,
        "required": True,
    },
    "min_remaining": {"type": "str", "default": "0"},
    "interval": {"type": "float", "default": 60.0},
    # What an API requires is required only if something of that API is watched.
    **{name: {**option, "required": False} for name, option in _API_OPTIONS.items()},
}
T = TypeVar("T")
logger = logging.getLogger("qingguo.qgnet.qg_watch")

#: The random part of an interval, so that several watchers do not always call at the same moment.
JITTER = 0.1


@dataclass
class Changes:
    """The last reading of each subject, and the events that follow from the next one."""

    _last: dict[str, Reading] = field(default_factory=dict)
    _failing: set[str] = field(default_factory=set)

    def reading(self, subject: str, current: Reading) -> Event | None:
        """Return the event of a change, of the first reading, or of the first after a failure."""
        previous = self._last.get(subject)
        added = _missing_in(previous, current)
        removed = _missing_in(current, previous)
        is_news = previous is None or subject in self._failing
        if isinstance(current, list):
            is_news = is_news or bool(added or removed)
        elif current != previous:
            is_news = True
        self._failing.discard(subject)
        self._last[subject] = current
        if not is_news:
            return None
        return _event(subject, current, previous, added, removed)

    def failure(self, subject: str, error: QgError) -> Event | None:
        """Return the event if the subject could be read before; further failures are no change."""
        if subject in self._failing:
            return None
        self._failing.add(subject)
        details = {name: error.details.get(name) for name in CALL_DETAILS}
        current = {"watched": subject, "msg": error.message, "error": details}
        return _event(FAILED, current, None, [], [])


def _missing_in(items: Reading | None, wanted: Reading | None) -> list[Any]:
    """Return the ``wanted`` items that a list lacks; a list that was never read lacks none."""
    if not isinstance(items, list) or not isinstance(wanted, list):
        return []
    names = {_name(item) for item in items}
    return [item for item in wanted if _name(item) not in names]


def _name(item: Any) -> str:
    """Return what tells an address or a lease apart; other fields of a lease differ between
    lists.
    """
    if isinstance(item, dict):
        return str(item["server"])
    return str(item)


def _event(
    kind: str, current: Reading, previous: Reading | None, added: list[Any], removed: list[Any]
) -> Event:
    # A condition of a rulebook cannot count. ansible-rulebook adds to meta, and would take hosts
    # from it.
    count = len(current) if isinstance(current, list) else None
    event = {
        "type": kind,
        "current": current,
        "previous": previous,
        "added": added,
        "removed": removed,
    }
    return {**event, "count": count, "meta": {}}


class Watch(NamedTuple):
    """What reads each subject, after how many seconds, and what is hidden in events."""

    readers: dict[str, Callable[[], Reading]]
    interval: float
    secrets: Collection[str]


def read_options(args: Mapping[str, Any]) -> Watch:
    """Return what the options of a rulebook describe; raises OptionError for a mistake in them."""
    check_environment(SHARED_OPTIONS)
    place = "option of qg_watch"
    params = read(SPEC, args, place=place)
    subjects = params["watch"]
    if not subjects:
        raise OptionError("watch", "is empty", f"name at least one of {', '.join(_SUBJECTS)}")
    minutes = check_range(
        "min_remaining", parse_minutes("min_remaining", params["min_remaining"]), 0, 525600
    )
    interval = check_range("interval", params["interval"], minute_seconds() * MIN_INTERVAL, 86400)
    readers: dict[str, Callable[[], Reading]] = {}
    if BALANCE in subjects:
        given_options(ACCOUNT_API_OPTIONS, args, place=place)
        account = AccountConnection.of(params)
        # As with key_caller below, what is wrong with this machine shows now, not at each reading.
        account_api(account, SILENT)
        readers[BALANCE] = functools.partial(_balance, account)
    if any(subject != BALANCE for subject in subjects):
        given_options(PROXY_API_OPTIONS, args, place=place)
        connection = Connection.of(params)
        key_caller(connection, SILENT).store.close()
        readers[QUOTA] = functools.partial(_quota, connection)
        readers[LEASES] = functools.partial(_leases, connection, minutes * 60)
        readers[WHITELIST] = functools.partial(_whitelist, connection)
    if QUOTA in subjects:
        check_quota(params["product"])
    return Watch(
        {subject: readers[subject] for subject in subjects}, interval, secrets_in(params, SPEC)
    )


class Queue(Protocol):
    """Receives events: an asyncio queue, or ansible-rulebook's wrapper of one."""

    async def put(self, item: dict[str, Any], /) -> None:
        """Add an event."""


def _closing(api: Leases | Whitelist) -> contextlib.closing[Any]:
    return contextlib.closing(api.caller.store)


def _quota(connection: Connection) -> Reading:
    api = lease_client(connection, SILENT)
    with _closing(api):
        return api.quota().described()


def _leases(connection: Connection, min_seconds: float) -> Reading:
    """Return the leases that last longer than so many seconds; the others count as gone.

    Those that may be held after their deadline count as long as they are listed, as for purchases.
    """
    api = lease_client(connection, SILENT)
    with _closing(api):
        held = held_leases(api)
        now = api.caller.vendor_clock.now()
        end_of = LeaseApi(api).ends
    lasting = []
    for lease in oldest_first(held):
        ends = end_of(lease)
        if ends is None or ends - now > min_seconds:
            lasting.append(lease.described(now))
    return lasting


def _whitelist(connection: Connection) -> Reading:
    api = Whitelist(key_caller(replace(connection, product=CLASSIC), SILENT))
    with _closing(api):
        listed, unreadable = api.whitelist()
    return [*sorted(listed, key=inet_aton), *unreadable]


def _balance(connection: AccountConnection) -> Reading:
    return account_api(connection, SILENT).balance()


async def _in_thread(work: Callable[[], T]) -> T:
    """Run blocking work in a thread of its own.

    A process waits for asyncio's own pool before it ends, but stopping a watcher must not require a
    response of QG.net.
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
    queue: Queue,
    args: Mapping[str, Any],
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Poll until cancelled, and put an event into the queue for each change.

    Raises OptionError, before any call, for options that cannot be used. Nothing else ends it but
    its being cancelled: a subject that cannot be read is an event.
    """
    readers, interval, secrets = await _in_thread(functools.partial(read_options, args))
    changes = Changes()
    while True:
        for subject, read_subject in readers.items():
            try:
                event = changes.reading(subject, await _in_thread(read_subject))
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
        await pause(interval * current().random(1 - JITTER, 1 + JITTER))
