# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of a store. Who uses a table has its ``CREATE TABLE``; ``meta`` is the identity of the store."""

from __future__ import annotations

from . import facts, journal, rate_limiter, registrations

_META = "CREATE TABLE meta (version INTEGER NOT NULL, salt TEXT NOT NULL)"
_TEXTS = (_META, *(user.SCHEMA for user in (rate_limiter, registrations, journal, facts)))
STATEMENTS = tuple(filter(None, (statement.strip() for text in _TEXTS for statement in text.split(";"))))
