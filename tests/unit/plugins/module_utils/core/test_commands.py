# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands in messages, which a user types as they stand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.runtime import (
    module_command,
    playbook_command,
    set_actor,
)


@pytest.fixture(autouse=True)
def no_task_afterwards() -> Iterator[None]:
    yield
    set_actor(host="", sources=[], is_default_inventory=True)


def test_a_command_has_the_inventories_of_the_run_and_the_host_of_the_task() -> None:
    set_actor(host="web1", sources=["/etc/my hosts", "h2,"], is_default_inventory=False)

    assert (
        module_command("qg_whitelist", "state=absent ips=203.0.113.5")
        == "ansible web1 -i '/etc/my hosts' -i h2, -m qingguo.qgnet.qg_whitelist "
        "-a 'state=absent ips=203.0.113.5'"
    )
    assert (
        playbook_command("register", qg_hosts="web1,web 2")
        == "ansible-playbook -i '/etc/my hosts' -i h2, qingguo.qgnet.register "
        "-e 'qg_hosts=\"web1,web 2\"'"
    )


def test_the_inventory_that_ansible_uses_anyway_is_left_out() -> None:
    set_actor(host="web1", sources=["/etc/ansible/hosts"], is_default_inventory=True)

    assert module_command("qg_proxy_info") == "ansible web1 -m qingguo.qgnet.qg_proxy_info"
    assert playbook_command("report") == "ansible-playbook qingguo.qgnet.report"


def test_without_a_task_a_module_runs_on_the_control_node() -> None:
    assert module_command("qg_proxy_info") == "ansible localhost -m qingguo.qgnet.qg_proxy_info"
