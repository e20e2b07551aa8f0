# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of the real vendor: each answers a question that its documents leave open, beside what the simulator does."""
