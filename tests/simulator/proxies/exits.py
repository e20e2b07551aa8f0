# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error of a proxy that has no exit address."""

from __future__ import annotations


class NoExitError(Exception):
    """No exit address is available for a request."""
