# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The classic API of proxy.qg.net: whitelist, leases and exclusive occupancy, authorized by ``Key``."""
