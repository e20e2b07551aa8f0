# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API of the product hosts (share, longterm, exclusive and overseas, each below proxy.qg.net)."""
