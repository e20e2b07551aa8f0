# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP server: routes of the vendor's APIs, transport faults, and the application."""
