# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The event source qg_watch: its options, and the loop that looks, tells and sleeps.

This file is private to the collection. What is told stands in ``_watch/events.py``.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import logging
import random
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from ansible.module_utils.basic import AnsibleFallbackNotFound
from ansible.module_utils.common import validation

from .._api.account.client import AccountApi
from .._api.bounded_session import REQUESTS_IMPORT_ERROR
from .._api.classic.client import ProxyApi
from .._api.classic.errors import RATE_LIMITED, ApiError
from .._api.retry import Client
from .._core.errors import OptionError, QgError, TransportError, UnexpectedError
from .._core.validation import check_addresses, check_range
from .._store.rate_limiter import minute_seconds
from .._task.operation import redact
from .._task.options import (
    ACCOUNT_API_OPTIONS,
    PROXY_API_OPTIONS,
    Spec,
    account_api,
    proxy_api,
)
from .events import (
    BALANCE,
    LEASES,
    QUOTA,
    WHITELIST,
    Known,
    Rules,
    Seen,
    Step,
    polls_left_out,
    step,
)

T = TypeVar("T")
Params = Mapping[str, Any]
#: What a wait does; it raises QgError when the watcher has been stopped meanwhile.
Nap = Callable[[float], None]
logger = logging.getLogger("qingguo.qgnet.qg_watch")

#: The least time between two polls, as a part of the vendor's minute: six calls of each kind, where the smallest plan
#: allows 15, so that most of the limit stays for playbooks.
MIN_INTERVAL = 1 / 6
#: How far an interval strays, so that several watchers do not call at the same moment for ever.
JITTER = 0.1

WATCHED: Spec = {
    "quota_below": {"type": "int"},
    "leases": {"type": "bool", "default": False},
    "lease_expires_within": {"type": "int"},
    "whitelist": {"type": "bool", "default": False},
    "expected": {"type": "list", "elements": "str"},
    "balance_below": {"type": "float"},
}
SPEC: Spec = {
    **WATCHED,
    "interval": {"type": "float", "default": 60.0},
    **PROXY_API_OPTIONS,
    **ACCOUNT_API_OPTIONS,
}


def _text(value: object) -> str:
    """A number too: ansible-rulebook makes one of what looks like one, such as a key of digits from a variable."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError
    return str(value)


#: For each type how it is read, and what the message asks for.
_TYPES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "bool": (validation.check_type_bool, "true or false"),
    "float": (validation.check_type_float, "a number"),
    "int": (validation.check_type_int, "a whole number"),
    "list": (validation.check_type_list, "a list"),
    "path": (validation.check_type_path, "a path"),
    "str": (_text, "text in quotes"),
}


class Queue(Protocol):
    """Where events go: an asyncio queue, or what ansible-rulebook puts in front of one."""

    async def put(self, item: dict[str, Any], /) -> None:
        """Take an event."""


def options_from(args: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a rulebook, which may all be text when they come from variables, with what is left out."""
    unknown = next((name for name in args if name not in SPEC), None)
    if unknown is not None:
        raise OptionError(f"{unknown} is no option of qg_watch: use {', '.join(SPEC)}.")
    return {name: _value(name, args.get(name), option) for name, option in SPEC.items()}


def _value(name: str, value: object, option: Mapping[str, Any]) -> Any:
    if value is None or value == "":
        value = _fallback(option)
    if value is None:
        return None
    read, wanted = _TYPES[option["type"]]
    try:
        return read(value)
    except (TypeError, ValueError):
        shown = "" if option.get("no_log") or "@" in repr(value) else f"={value!r}"
        instead = f", or set the environment variable {option['fallback'][1][0]}" if "fallback" in option else ""
        raise OptionError(f"{name}{shown} cannot be used: give {wanted}{instead}.") from None


def _fallback(option: Mapping[str, Any]) -> Any:
    """What the environment says, or else the default."""
    if "fallback" in option:
        read, names = option["fallback"]
        with contextlib.suppress(AnsibleFallbackNotFound):
            return read(*names)
    return option.get("default")


def rules_from(params: Params) -> Rules:
    """What the options want to have watched; every mistake in them is found here or in :func:`prepare`."""
    for name, least, most in (
        ("quota_below", 1, 1_000_000_000),
        ("lease_expires_within", 1, 525_600),
        ("balance_below", 0.01, 1_000_000_000),
    ):
        if params[name] is not None:
            check_range(name, params[name], least, most)
    check_range("interval", params["interval"], minute_seconds() * MIN_INTERVAL, 86400)
    expected, below = params["expected"], params["balance_below"]
    rules = Rules(
        quota_below=params["quota_below"],
        leases=params["leases"],
        expires_within=params["lease_expires_within"],
        whitelist=params["whitelist"],
        expected=None if expected is None else frozenset(_addresses(expected)),
        # As it was written, and not as the nearest binary number.
        balance_below=None if below is None else Decimal(str(below)),
    )
    if not rules.things:
        raise OptionError(f"qg_watch has nothing to watch: set at least one of {', '.join(WATCHED)}.")
    return rules


def _addresses(expected: list[Any]) -> tuple[str, ...]:
    return check_addresses("expected", map(str, expected), only_global=False)


class _Once(Client):
    """Takes a client over and sends each call once: the next poll is the next try."""

    def __init__(self, client: Client) -> None:
        vars(self).update(vars(client))

    def _call_with_retries(self, name: str, attempt: Callable[[], T], *, repeatable: bool) -> T:
        return attempt()


class ProxyOnce(_Once, ProxyApi):
    """The classic proxy API for one poll."""

    def _call_with_retries(self, name: str, attempt: Callable[[], T], *, repeatable: bool) -> T:
        try:
            return super()._call_with_retries(name, attempt, repeatable=repeatable)
        except (ApiError, TransportError) as problem:
            # All who share the key have to hear of it.
            if problem.details.get("code") == RATE_LIMITED or problem.details.get("http_status") == 429:
                self._rest(problem, 1, name)
            raise


class AccountOnce(_Once, AccountApi):
    """The account API for one poll."""


def _by_key(read: Callable[[ProxyApi], T]) -> Callable[[Params, Nap], T]:
    def look(params: Params, nap: Nap) -> T:
        api = ProxyOnce(proxy_api({**params, "key": params["key"] or ""}))
        api.budget.sleep = nap
        try:
            return read(api)
        finally:
            api.rate_limiter.state.close()

    return look


def _by_account(read: Callable[[AccountApi], T]) -> Callable[[Params, Nap], T]:
    def look(params: Params, nap: Nap) -> T:
        names = {name: params[name] or "" for name in ("app_id", "app_key")}
        return read(AccountOnce(account_api({**params, **names})))

    return look


#: How each thing is looked at: with one call.
LOOKS: dict[str, Callable[[Params, Nap], Any]] = {
    QUOTA: _by_key(lambda api: api.quota()),
    LEASES: _by_key(lambda api: api.leases()),
    WHITELIST: _by_key(lambda api: api.whitelist()),
    BALANCE: _by_account(lambda api: api.balance()),
}


def prepare(params: Params, rules: Rules, nap: Nap) -> None:
    """Make the clients that will be needed, for the mistakes that only this finds; no call is made."""
    if REQUESTS_IMPORT_ERROR is not None:
        raise OptionError(
            "qg_watch needs the Python library requests where ansible-rulebook runs: install it there with "
            "`python -m pip install requests`."
        )
    if set(rules.things) - {BALANCE}:
        _by_key(lambda _api: None)(params, nap)
    if BALANCE in rules.things:
        _by_account(lambda _api: None)(params, nap)


def look(params: Params, things: Collection[str], nap: Nap) -> Seen:
    """One poll: a call for each thing, or none where its turn does not come within max_wait.

    Whatever goes wrong is a failure of that thing in this poll, never the end of the event source.
    """
    seen: dict[str, Any] = {}
    failed: dict[str, QgError] = {}
    for thing in things:
        try:
            seen[thing] = LOOKS[thing](params, nap)
        except QgError as problem:
            failed[thing] = problem
        except sqlite3.Error as problem:
            failed[thing] = QgError(
                f"state_dir {params['state_dir']} cannot be used: {problem}. Make room on its disk, or set state_dir "
                "(environment QG_STATE_DIR) to a directory on another one."
            )
        except Exception as problem:
            failed[thing] = _unexpected(thing, problem)
    return Seen(**seen, failed=failed)


def _unexpected(thing: str, problem: Exception) -> UnexpectedError:
    error = UnexpectedError(problem, f"The poll of {thing} was not completed")
    logger.debug("%s", error.traceback)
    return error


def _news(known: Known, rules: Rules, seen: Seen, params: Params, now: float) -> Step:
    """What is known after a poll, and its events without secrets. What cannot be judged counts as a failure."""
    try:
        return _redacted(step(known, rules, seen, now), params)
    except Exception:
        # One after the other, so that one thing that cannot be judged does not hide the others.
        events: list[dict[str, Any]] = []
        for thing in (*seen.failed, *seen.things):
            failed = {thing: seen.failed[thing]} if thing in seen.failed else {}
            part = Seen(failed=failed) if failed else Seen(**{thing: getattr(seen, thing)})
            try:
                known, more = _redacted(step(known, rules, part, now), params)
            except Exception as problem:
                part = Seen(failed={thing: _unexpected(thing, problem)})
                known, more = _redacted(step(known, rules, part, now), params)
            events += more
        return known, events


def _redacted(news: Step, params: Params) -> Step:
    known, events = news
    return known, [redact(event, params, SPEC) for event in events]


async def in_thread(work: Callable[[], T]) -> T:
    """Run what blocks beside the event loop.

    Not in asyncio's own pool, for which a process waits before it ends: whoever stops a watcher must not have to wait
    for an answer of the vendor.
    """
    outcome: concurrent.futures.Future[T] = concurrent.futures.Future()
    # From here on nobody can cancel it, so that the thread may always tell how it ended.
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = work()
        except BaseException as problem:  # whatever it was, the waiting side must hear of it
            outcome.set_exception(problem)
        else:
            outcome.set_result(result)

    threading.Thread(target=run, name="qg_watch", daemon=True).start()
    return await asyncio.wrap_future(outcome)


async def watch(
    queue: Queue, args: Mapping[str, Any], pause: Callable[[float], Awaitable[object]] = asyncio.sleep
) -> None:
    """Look at what the options name until it is cancelled, and put an event into the queue for each change.

    Raises OptionError, before any call, for options that cannot be used.
    """
    params = options_from(args)
    rules = rules_from(params)
    stopped = threading.Event()

    def nap(seconds: float) -> None:
        if stopped.wait(seconds):
            raise QgError("The watcher was stopped.")

    try:
        await in_thread(functools.partial(prepare, params, rules, nap))
        known = Known()
        #: For how many polls each thing that fails rests.
        resting: dict[str, int] = {}
        while True:
            due = [thing for thing in rules.things if not resting.get(thing)]
            resting = {thing: polls - 1 for thing, polls in resting.items() if polls}
            try:
                seen = await in_thread(functools.partial(look, params, due, nap)) if due else Seen()
            except Exception as problem:  # such as no thread for it
                seen = Seen(failed={thing: _unexpected(thing, problem) for thing in due})
            known, events = _news(known, rules, seen, params, time.time())
            for event in events:
                _log(event)
                await queue.put(event)
            failing = known.failing.items()
            resting |= {
                thing: polls_left_out(state.times, params["interval"]) for thing, state in failing if thing in due
            }
            await pause(params["interval"] * random.uniform(1 - JITTER, 1 + JITTER))
    finally:
        stopped.set()


def _log(event: Mapping[str, Any]) -> None:
    if event["type"] == "watch_failed":
        logger.warning("%s cannot be watched: %s", event["watched"], event["msg"])
    else:
        logger.info("%s", event["type"])
