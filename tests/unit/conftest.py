# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all unit tests have in common."""

from __future__ import annotations

from hypothesis import settings

# No test is timed: a machine that is busy with something else is no fault of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
