# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control API: planned faults, journal, clock and state, and the web page that shows them."""
