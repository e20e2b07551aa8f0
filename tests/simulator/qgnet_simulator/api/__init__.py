# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API of proxy keys in its dialects: classic, exclusive occupancy, product hosts; and a
tunnel's control port.
"""
