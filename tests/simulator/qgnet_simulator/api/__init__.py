# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API of proxy keys in its dialects (of the classic API, of reserved lines and of the product
hosts), and the control port of a tunnel.
"""
