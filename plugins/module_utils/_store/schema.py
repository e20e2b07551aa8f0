# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tables of a store. Who uses a table has its ``CREATE TABLE``, apart from those of ``_paid``, which is above.

``meta`` is the identity of the store. ``journal`` has a row for each call that changes something, and ``effects`` one
for what it did to each resource. A call ``buys`` at most so many, and has ``got`` those that it has ``received`` (names
by their ends). ``before`` (JSON) are the names that were held before an open call, ``request`` (JSON) is what was
asked for. ``sent_at``, ``answered_at`` and ``at`` are state time; ``wall_at`` is Unix time, for people.
"""

from __future__ import annotations

from . import facts, rate_limiter, registrations

_META = "CREATE TABLE meta (version INTEGER NOT NULL, salt TEXT NOT NULL)"
_PAID = """
CREATE TABLE journal (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL, kind TEXT NOT NULL, operation TEXT NOT NULL, endpoint TEXT NOT NULL,
  product TEXT NOT NULL, buys INTEGER NOT NULL, before TEXT NOT NULL, request TEXT NOT NULL, sent_at REAL NOT NULL,
  timeout REAL NOT NULL, state TEXT NOT NULL, answered_at REAL, got INTEGER NOT NULL, received TEXT,
  wall_at REAL NOT NULL, run_user TEXT NOT NULL, run TEXT NOT NULL, host TEXT NOT NULL, inventory TEXT NOT NULL);
CREATE INDEX journal_open ON journal (key, kind) WHERE state IN ('sent', 'unknown');
CREATE INDEX journal_free ON journal (sent_at) WHERE buys = 0;
CREATE INDEX journal_bought ON journal (key, sent_at) WHERE buys > 0;
CREATE TABLE effects (
  call INTEGER NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, kind TEXT NOT NULL, effect TEXT NOT NULL,
  at REAL NOT NULL, ends TEXT, item TEXT NOT NULL, PRIMARY KEY (call, name));
CREATE INDEX effects_at ON effects (key, kind, at);
"""
_TEXTS = (_META, _PAID, *(user.SCHEMA for user in (rate_limiter, registrations, facts)))
STATEMENTS = tuple(filter(None, (statement.strip() for text in _TEXTS for statement in text.split(";"))))
