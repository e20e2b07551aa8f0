# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick start is read as a person would read it."""

from __future__ import annotations

import pytest
from demo import quickstart

PARTS = [
    "```shell\nansible-galaxy collection install qingguo.qgnet\npython3 -m pip install requests\n```\n",
    "```shell\npython3 x/tests/simulator --port 1\n```\n",
    "Save as `register.yml`:\n\n```yaml\n- hosts: all\n```\n",
    "```shell\nansible-playbook register.yml\n```\n",
]
OTHERS = "```shell\nread -rs QG_KEY && export QG_KEY\n```\n\n```shell\nmake demo\n```\n"


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readmes_have_a_quick_start(readme: str) -> None:
    found = quickstart.steps((quickstart.ROOT / readme).read_text(encoding="utf-8"))
    assert [step.name for step in found] == ["", "", "register.yml", ""]


def test_what_needs_an_account_or_a_checkout_is_left_out() -> None:
    text = "## Quick start\n" + "\n".join(PARTS) + OTHERS + "## More\n\n```shell\nreboot\n```\n"
    assert [step.kind for step in quickstart.steps(text)] == ["install", "server", "file", "commands"]
    assert "reboot" not in str(quickstart.steps(text))


@pytest.mark.parametrize("left_out", range(4))
def test_a_quick_start_without_one_of_its_steps_is_wrong(left_out: int) -> None:
    text = "\n".join(part for place, part in enumerate(PARTS) if place != left_out)
    with pytest.raises(ValueError, match="not an installation"):
        quickstart.steps(f"## Quick start\n{text}")


def test_a_readme_without_a_quick_start_is_wrong() -> None:
    with pytest.raises(ValueError, match="not an installation"):
        quickstart.steps("## More\n")
