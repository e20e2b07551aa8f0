# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A filter for the logs of the HTTP library.

This file is private to the collection. The vendor takes key, password and signature in the query, and urllib3 logs each
URL with its query: at level DEBUG, which a process such as ansible-rulebook may enable, and with a warning if a server
sends headers that cannot be parsed.
"""

from __future__ import annotations

import logging

#: urllib3's loggers. A filter does not apply to the loggers below it, so each is listed.
LOGGERS = tuple(f"urllib3.{name}" for name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"))


def has_no_query(record: logging.LogRecord) -> bool:
    """Whether a line may be logged."""
    return "?" not in record.getMessage()


def keep_queries_out() -> None:
    """Keep urllib3 from logging queries in this process; calling this repeatedly has no further effect."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(has_no_query)
