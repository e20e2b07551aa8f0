# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The source of the tasks that verify a proxy: the first one, however a user gives the list."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment
from support.documents import ROOT

TASKS = ROOT / "roles" / "egress_whitelist" / "tasks" / "verify.yml"
FIRST = "https://a.example"


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ({}, "https://d.qg.net/ip"),
        ({"egress_whitelist_sources": ""}, "https://d.qg.net/ip"),
        ({"egress_whitelist_sources": ["https://a.example", "https://b.example"]}, FIRST),
        ({"egress_whitelist_sources": "https://a.example,https://b.example"}, FIRST),
        ({"egress_whitelist_sources": FIRST}, FIRST),
    ],
)
def test_the_first_source_is_requested(given: dict[str, Any], source: str) -> None:
    (task,) = yaml.safe_load(TASKS.read_text(encoding="utf-8"))
    templates = NativeEnvironment()
    variables = {
        name: templates.from_string(text).render(**given) for name, text in task["vars"].items()
    }

    sources = templates.from_string(task["qingguo.qgnet.qg_egress_ip_info"]["sources"])

    requested: Any = sources.render(**given, **variables)
    assert requested == [source]
