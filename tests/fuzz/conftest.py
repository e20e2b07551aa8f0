# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many inputs the fuzzer makes: a few in "make unit", always the same ones; in "make fuzz" as many as it says."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

#: How many tests share the inputs.
TESTS = 6

inputs = int(os.environ.get("QG_FUZZ_INPUTS", "0"))
# No example is timed, and none is made smaller for longer than it takes to see what is wrong. Other tests that run in
# the same process have examples of their own.
if inputs:
    settings.register_profile(
        "fuzz",
        deadline=None,
        max_examples=max(1, -(-inputs // TESTS)),
        suppress_health_check=[HealthCheck.too_slow],
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        print_blob=True,
    )
else:
    settings.register_profile("fuzz", deadline=None, max_examples=150, derandomize=True)
