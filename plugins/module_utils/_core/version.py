# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's version, for the User-Agent; a test compares it with galaxy.yml."""

from __future__ import annotations

VERSION = "1.0.0"
