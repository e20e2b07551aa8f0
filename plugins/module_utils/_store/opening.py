# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The choice of the store: a directory of one control node, or the database of several."""

from __future__ import annotations

import importlib
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from .._core.errors import OptionError
from .._core.runtime import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from .store import Store

DEFAULT_STORE = "~/.ansible/qgnet"
#: The limits of the time for which a task waits for a database that others use, in seconds.
MIN_BUSY, MAX_BUSY = 10.0, 60.0


@dataclass(frozen=True)
class StorePlace:
    """Where the store is: in a directory, or in the PostgreSQL database of a URL."""

    value: str = field(repr=False)

    @property
    def is_shared(self) -> bool:
        """Whether several control nodes may use it."""
        return is_database(self.value)

    def open(self, max_wait: float = MAX_BUSY, clock: Clock = SYSTEM_CLOCK) -> Store:
        """Open the store; raises OptionError if that is not possible.

        Another process that writes is waited for as long as ``max_wait``, within limits. ``clock`` is that of this
        machine; a database uses its server's.
        """
        # Imported only here: most tasks of a run use no store.
        from .sqlite import SqliteStore
        from .store import StateError

        busy = min(max(MIN_BUSY, max_wait), MAX_BUSY)
        try:
            if not self.is_shared:
                return SqliteStore(self.value, busy, clock)
            from .postgres import HAS_PSYCOPG, PostgresStore

            if HAS_PSYCOPG:
                return PostgresStore(self.value, busy)
            raise OptionError(
                "store (environment QG_STORE) needs the Python package psycopg, which is not installed for this "
                "Python: pip install 'psycopg[binary]>=3.2', or leave store out to keep the state in a directory."
            )
        except StateError as error:
            raise OptionError(error.message) from None


def is_database(store: str) -> bool:
    """Whether a value of ``store`` is the URL of a database, and not a directory."""
    # A mistyped URL with a login must not be taken for a directory, which messages quote.
    return "://" in store or ("@" in store and re.match(r"/(?!/)|[~.]", store) is None)


def url_secrets(url: str | None) -> frozenset[str]:
    """Return the secrets in the URL of a database, which need not be a valid URL."""
    address = (url or "").partition("://")[2]
    # libpq ends a password at the first "@"; the user may mean the last one.
    written = {address[: max(end, 0)].partition(":")[2] for end in (address.find("@"), address.rfind("@"))}
    parameters = (each.partition("=") for each in address.partition("?")[2].split("&"))
    written.update(value for name, _equals, value in parameters if "password" in name)
    return frozenset(filter(None, written | {unquote(text) for text in written}))


def preload() -> None:
    """Import what opens a store, before Ansible forks a process for each host. A missing library is reported later."""
    kind = "postgres" if is_database(os.environ.get("QG_STORE", "")) else "sqlite"
    importlib.import_module(f"{__package__}.{kind}")
