# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The removal of a gateway: what goes, whatever the variables of the role say now; and whether a
step that fails says that it has changed something.
"""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.declaration import (
    Gateway,
    as_json,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._gateway.gateway_options import (
    GATEWAY_OPTIONS,
    read_gateway,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.installations import (
    GATEWAY,
    Installation,
    Installations,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.opening import open_store
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.values import typed_options
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._timers import Timer
from support import phrases
from support.documents import plugin
from support.plugin_runs import run_action

ID = "0123456789abcdef"
HOST = "web1"


def gateway() -> Gateway:
    """The gateway that is installed: a service in /etc."""
    return read_gateway(typed_options(GATEWAY_OPTIONS, {}), "share")


class Machine:
    """A host that has the gateway, and a control node on which it is recorded."""

    def __init__(self, store: Path) -> None:
        self.commands: list[str] = []
        #: What any command but a look returns and prints.
        self.answer = (0, "", "")
        self.is_visible = True
        self.variables: dict[str, Any] = {
            "ansible_inventory_sources": ["hosts.yml"],
            "ansible_play_batch": [HOST],
            "qg_store": str(store),
            "proxy_gateway_state": "absent",
        }
        row = Installation(
            ID, GATEWAY, "hosts.yml", HOST, gateway().name, as_json(gateway()), {"qg": "digest"}
        )
        with contextlib.closing(open_store(str(store), 5)) as opened:
            Installations(opened).declare([row])

    def shell(self, command: str) -> tuple[int, str, str]:
        """Answer a look, and note any other command."""
        nonce = re.match(r".*\necho (qg[0-9a-f]+); echo", command)
        if nonce is None:
            self.commands.append(command)
            return self.answer
        text = ""
        if self.is_visible and f"cat {gateway().file}.leases" in command:
            text = f"installation {ID}\n"
        places = "--- places\n0 0\n41ed 0 0 other /"
        return 0, f"{nonce[1]}\n\nroot\n{places}\n--- exits\n--- file\n{text}", ""

    def step(self, step: str, **options: Any) -> dict[str, Any]:
        options = {"step": step, **options}
        return run_action("qg_proxy_gateway", options, self.shell, variables=self.variables)

    def standing(self) -> list[str]:
        """The hosts for which something is recorded that was not removed."""
        recorded = self.step("info")["installations"]
        return [each["host"] for each in recorded if each["removed_at"] is None]

    def remove(self, **variables: Any) -> dict[str, Any]:
        """Take the steps of the role with these variables."""
        self.variables |= variables
        self.variables["proxy_gateway__found"] = self.step("find")
        self.variables["proxy_gateway__look"] = self.step("look")
        return self.step("remove")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    "variables",
    [{}, {"proxy_gateway_directory": "/opt/crawler", "proxy_gateway_service": "daemon"}],
    ids=["as installed", "moved since"],
)
def test_what_goes_is_where_it_was_installed(machine: Machine, variables: dict[str, Any]) -> None:
    result = machine.remove(**variables)

    assert result["changed"] is True
    assert [each["host"] for each in result["removed"]] == [HOST]
    (command,) = machine.commands
    assert "systemctl disable --now --quiet qg-proxy-gateway" in command
    assert command.endswith("rm -f /etc/qg-proxy-gateway.leases")


def test_a_gateway_that_this_user_cannot_see_stays_recorded(machine: Machine) -> None:
    machine.is_visible = False
    machine.answer = (1, "", "rm: cannot remove: Permission denied")

    result = machine.remove()

    assert result["failed"] is True
    assert phrases.SET_BECOME_TO_REMOVE in result["msg"]
    assert machine.commands == ["rm -f /etc/qg-proxy-gateway.leases"]
    assert machine.standing() == [HOST]


def test_a_gateway_that_has_gone_is_recorded_as_removed(machine: Machine) -> None:
    machine.is_visible = False

    result = machine.remove()

    assert [each["host"] for each in result["removed"]] == [HOST]
    assert machine.standing() == []


@pytest.mark.parametrize(
    ("option", "before", "after"),
    [("directory", "/etc", "/opt/crawler"), ("service", "systemd", "daemon")],
)
def test_a_gateway_that_would_move_is_refused_and_stays(
    option: str, before: str, after: str, machine: Machine
) -> None:
    machine.variables |= {
        "proxy_gateway_state": "present",
        f"proxy_gateway_{option}": after,
        "proxy_gateway__found": machine.step("find"),
    }

    look = machine.step("look")

    assert look["failed"] is True
    refused = f"proxy_gateway_{option}={after} is not {before}, {phrases.AS_IT_IS_INSTALLED}"
    assert refused in look["msg"]
    assert machine.commands == []


def test_a_list_goes_without_its_template(machine: Machine) -> None:
    machine.variables |= {
        "proxy_list_state": "absent",
        "proxy_list_path": "/etc/crawler/proxies",
        "proxy_list_template": "gone.j2",
        "proxy_gateway__found": machine.step("find", kinds=["list"]),
    }

    look = machine.step("look", kinds=["list"])

    assert look.get("failed", False) is False
    assert [each["path"] for each in look["serve"]] == ["/etc/crawler/proxies"]


def test_a_timer_that_stays_does_not_hide_what_was_removed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_timer: Timer) -> None:
        raise QgError("The timer stays.")

    action = plugin("action", "qg_proxy_gateway")
    monkeypatch.setattr(action, "read_timers", lambda: [Timer("refresh", "hosts.yml", (HOST,))])
    monkeypatch.setattr(action, "remove_timer", refuse)

    result = machine.remove()

    assert result["failed"] is True
    assert result["changed"] is True
    again = machine.step("remove", forget=[HOST])
    assert again["failed"] is True
    assert again["changed"] is False


@pytest.mark.parametrize("forget", ["", []])
def test_no_host_to_forget_is_a_mistake(machine: Machine, forget: Any) -> None:
    """A form whose field is left empty gives empty text."""
    with pytest.raises(AnsibleActionFail) as error:
        machine.step("remove", forget=forget)

    assert phrases.NEVER_MEANS_ALL in str(error.value)


def test_a_command_that_fails_does_not_hide_that_the_list_was_written(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = {
        "kind": "list",
        "id": ID,
        "path": "/etc/crawler/proxies",
        "mark": "/etc/crawler/.proxies.qgnet",
        "format": "lines",
        "template": "",
        "scheme": "http",
        "credentials": False,
        "owner": "",
        "command": "reload crawler",
        "pools": [{"name": "proxy_list", "count": 1}],
        "leases": [{"server": "203.0.113.5:21504"}],
        "is_left_alone": False,
    }
    order = {
        "installation": {"id": ID},
        "declaration": {"template": "", "command": "reload crawler"},
        "look": {"flags": []},
    }
    machine.variables["proxy_gateway__look"] = {"orders": [order], "serve": []}
    machine.variables["proxy_gateway__leased"] = {
        "hosts": {HOST: [proxies]},
        "began": time.time(),
    }
    machine.variables["proxy_gateway__found"] = {"installations": {}}
    action = plugin("action", "qg_proxy_gateway").ActionModule
    monkeypatch.setattr(action, "_act", lambda *_args, **_named: {"changed": True})
    machine.answer = (1, "", "no such service")

    result = machine.step("serve")

    assert result["failed"] is True
    assert result["changed"] is True
