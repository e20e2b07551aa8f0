# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the state database, for every kind of database.

A store owns the ``CREATE TABLE`` of its tables and lists them here.
"""

from __future__ import annotations

from . import (
    facts,
    journal,
    rate_limiter,
    registrations,
    run_results,
    state_time,
    whitelist_cache,
    write_queue,
)

_STORES = (
    *(state_time, rate_limiter, write_queue, whitelist_cache, registrations, journal),
    *(run_results, facts),
)
STATEMENTS = tuple(statement for store in _STORES for statement in map(str.strip, store.SCHEMA.split(";")) if statement)
#: The number of this schema.
VERSION = 1
#: The columns that contain a moment of state time.
MOMENTS = (
    ("inventory_checks", "checked_at"),
    ("facts", "at"),
    ("journal", "answered_at"),
    ("journal", "sent_at"),
    ("rate_calls", "expires_at"),
    ("registrations", "missing_since"),
    ("registrations", "registered_at"),
    ("run_results", "begun_at"),
    ("whitelist_cache", "read_at"),
    ("write_requests", "enqueued_at"),
    ("write_requests", "renewed_at"),
)
