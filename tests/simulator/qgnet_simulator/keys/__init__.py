# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of the proxy keys, independent of the API that changes it: plan, options, whitelist, leases
and monopolies.
"""
