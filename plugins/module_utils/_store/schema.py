# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of the state database, for every kind of database.

A store owns the ``CREATE TABLE`` of its tables and lists them here.
"""

from __future__ import annotations

from . import (
    claims,
    facts,
    journal,
    rate_limiter,
    readings,
    state_time,
)

_STORES = (*(state_time, rate_limiter, claims, readings, journal, facts),)
STATEMENTS = tuple(statement for store in _STORES for statement in map(str.strip, store.SCHEMA.split(";")) if statement)
#: The number of this schema.
VERSION = 1
#: The columns that contain a moment of state time.
MOMENTS = (
    ("claims", "begun_at"),
    ("claims", "made_at"),
    ("claims", "missing_since"),
    ("claims", "renewed_at"),
    ("facts", "at"),
    ("journal", "answered_at"),
    ("journal", "sent_at"),
    ("rate_calls", "expires_at"),
    ("readings", "read_at"),
)
