# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opens the store that the option ``store`` names."""

from __future__ import annotations

import importlib
import os
import re

from .._core.errors import OptionError
from .._core.runtime import SILENT, Announcer
from .store import StateError, Store

#: The only directory that is made if it does not exist: with a new store, the ledger and caps begin
#: anew, so that a mistyped path or a disk that is not mounted would let everything be bought again.
DEFAULT_STORE = "~/.ansible/qgnet"
#: The limits of the time for which a task waits for a database that others use, in seconds.
MIN_BUSY, MAX_BUSY = 10.0, 60.0


def open_store(place: str, max_wait: float = MAX_BUSY, announcer: Announcer = SILENT) -> Store:
    """Open the store in a directory, or in the PostgreSQL database of a URL.

    Raises QgError if it cannot be used. A new one is announced.

    Another process that writes is waited for as long as ``max_wait``, within limits.
    """
    store = _opened(place, max_wait)
    if store.is_new:
        announcer(f"{store.place} is new", "registrations, the ledger and caps begin with it")
    return store


def _opened(place: str, max_wait: float) -> Store:
    # Imported only here: most tasks of a run use no store.
    from .sqlite import SqliteStore

    busy = min(max(MIN_BUSY, max_wait), MAX_BUSY)
    try:
        if not is_database(place):
            return SqliteStore(place, busy, makes_directory=place == DEFAULT_STORE)
        from .postgres import HAS_PSYCOPG, PostgresStore

        if HAS_PSYCOPG:
            return PostgresStore(place, busy)
        raise OptionError(
            "store",
            "(environment QG_STORE) needs the Python package psycopg, which is not installed for "
            "this Python",
            "install it with pip install 'psycopg[binary]>=3.2', or leave store out to use a "
            "directory",
        )
    except StateError as error:
        error.option = "store"
        raise


def is_database(store: str) -> bool:
    """Whether a value of ``store`` is the URL of a database, and not a directory."""
    # A mistyped URL with a login must not be taken for a directory, which messages quote.
    return "://" in store or ("@" in store and re.match(r"/(?!/)|[~.]", store) is None)


def preload() -> None:
    """Import what opens a store, before Ansible forks a process for each host.

    A missing library is reported later.
    """
    kind = "postgres" if is_database(os.environ.get("QG_STORE", "")) else "sqlite"
    importlib.import_module(f"{__package__}.{kind}")
