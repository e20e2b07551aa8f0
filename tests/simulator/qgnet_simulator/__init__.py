# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulator of the QG.net proxy and account APIs, for tests and for trying playbooks."""
