# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The choice of the store: a directory of one control node, or the database of several."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from .._core.clock import SYSTEM_CLOCK, Clock, boot_id
from .._core.waiting import SILENT, Announcer
from .directory import DEFAULT_BUSY_POLICY, DEFAULT_STORE, MAX_BUSY_TIMEOUT
from .interface import Store
from .state import State

__all__ = ["DEFAULT_STORE", "Store", "StorePlace", "preload", "url_secrets"]

#: How long the tasks of this process wait for the state.
BUSY_POLICY = DEFAULT_BUSY_POLICY


@dataclass(frozen=True)
class StorePlace:
    """Where the state is: in a directory, or in the PostgreSQL database of a URL."""

    value: str = field(repr=False)

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> StorePlace:
        """Return the place that the option ``store`` specifies."""
        return cls(params["store"])

    @property
    def is_shared(self) -> bool:
        """Whether several control nodes may use it."""
        return is_database(self.value)

    def open(
        self, max_wait: float = MAX_BUSY_TIMEOUT, announcer: Announcer = SILENT, clock: Clock = SYSTEM_CLOCK
    ) -> Store:
        """Open the state; raises OptionError if that is not possible.

        ``max_wait``, ``announcer`` and ``clock`` are as for :class:`~.state.State`; a database uses its server's clock.
        """
        if not self.is_shared:
            return State(self.value, max_wait, announcer, clock, BUSY_POLICY)
        # Its library takes time to import, and is optional.
        from .postgres import PostgresState

        return PostgresState(self.value, max_wait, announcer, BUSY_POLICY)


def is_database(store: str) -> bool:
    """Whether a value of ``store`` is the URL of a database, and not a directory."""
    # A mistyped URL with a login must not be taken for a directory, which messages quote.
    return "://" in store or ("@" in store and not store.startswith(("/", "~", ".")))


def url_secrets(url: str | None) -> frozenset[str]:
    """Return the secrets in the URL of a database, which need not be a valid URL."""
    address = (url or "").partition("://")[2]
    # libpq ends a password at the first "@"; the user may mean the last one.
    written = {address[: max(end, 0)].partition(":")[2] for end in (address.find("@"), address.rfind("@"))}
    parameters = (each.partition("=") for each in address.partition("?")[2].split("&"))
    written.update(value for name, _equals, value in parameters if "password" in name)
    return frozenset(filter(None, written | {unquote(text) for text in written}))


def preload() -> None:
    """Identify the boot, and import the database driver if the environment contains the URL of a database.

    Ansible forks a process for each host: without this, each of them would do so. A missing library is reported later.
    """
    boot_id()
    if is_database(os.environ.get("QG_STORE", "")):
        with contextlib.suppress(ImportError):
            importlib.import_module("psycopg")
            importlib.import_module(f"{__package__}.postgres").warm_up()
