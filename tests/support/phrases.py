# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words of messages that tests look for, in one place, so that a message can be reworded here alone.

Names of options, values and addresses stand in the tests; whole words of a sentence stand here. Where a result has a
field that says the same, such as ``error.code``, a test asserts that field instead.
"""

from __future__ import annotations

# Leases: purchases, releases, replacements, and what is unknown of them.

# The whitelist and the role egress_whitelist.

# Options and variables.

# The gateway, lists, metrics, and what else runs unattended.

# The user center and the cloud.

# The network and HTTP.

# The store.
