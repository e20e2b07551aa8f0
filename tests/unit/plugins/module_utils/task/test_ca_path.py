# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A path of authorities that names no file."""

from __future__ import annotations

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.options import check_authorities


def test_authorities_in_a_path_with_a_nul_character_are_refused() -> None:
    with pytest.raises(OptionError, match=r"^ca_path 'ca.x00\.pem' cannot be used: it contains a NUL character\. "):
        check_authorities("ca\0.pem")
