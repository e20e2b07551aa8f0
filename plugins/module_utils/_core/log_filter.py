# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the HTTP library would write into logs.

This file is private to the collection. The vendor takes key, password and signature in the query, and urllib3 logs each
URL with its query: at level DEBUG, which a process such as ansible-rulebook may have on, and with a warning where a
server sends headers that cannot be parsed.
"""

from __future__ import annotations

import logging

#: urllib3's loggers. A filter does not hold for the loggers below one, so each is named.
LOGGERS = tuple(f"urllib3.{name}" for name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"))


def has_no_query(record: logging.LogRecord) -> bool:
    """Whether a line may be logged."""
    return "?" not in record.getMessage()


def keep_queries_out() -> None:
    """Let urllib3 log nothing that holds a query, in this process; more than once is no different from once."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(has_no_query)
