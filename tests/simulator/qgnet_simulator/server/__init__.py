# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP server: the application, the routes of QG.net's APIs, and faults of the
transport.
"""
