# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions and modules of the collection run in this process; the host of an action is a function.

ansible-core hands tasks, connections and parameters over in attributes that begin with an
underscore, and has public names for none of them. They are used here alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.module import run_module
from ansible.module_utils import basic
from ansible.plugins.connection import NetworkConnectionBase
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import Operation
from support.documents import plugin

#: Return code, standard output and standard error of a shell command.
Shell = Callable[[str], tuple[int, str, str]]


class NetworkDevice(NetworkConnectionBase):
    """The connection to a network device, which runs shell commands on the control node."""

    transport = "network_cli"
    _shell = SimpleNamespace(tmpdir=None, SHELL_FAMILY="sh")

    def _connect(self) -> Any:
        return self


def no_shell(_command: str) -> tuple[int, str, str]:
    return 1, "", "no shell"


def run_action(
    name: str,
    options: Mapping[str, Any],
    shell: Shell = no_shell,
    *,
    family: str = "sh",
    is_network_device: bool = False,
    variables: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Run the action of a module.

    ``shell`` runs the commands of the host, whose shell is of this ``family``.
    """
    task = SimpleNamespace(
        args={option: value for option, value in options.items() if value is not None},
        action=f"qingguo.qgnet.{name}",
        async_val=0,
        environment=[],
        check_mode=False,
        diff=False,
        no_log=False,
        delegate_to=None,
        module_defaults=[],
        get_play=lambda: SimpleNamespace(strategy="linear", _uuid="1", get_path=lambda: ""),
        _uuid="task",
        run_once=False,
        register=None,
    )
    connection: Any = SimpleNamespace(
        _shell=SimpleNamespace(tmpdir=None, SHELL_FAMILY=family), transport="local"
    )
    if is_network_device:
        connection = object.__new__(NetworkDevice)
    action = plugin("action", name).ActionModule(
        task,
        connection,
        SimpleNamespace(),
        None,
        SimpleNamespace(template=lambda value: value, available_variables={}),
        None,
    )

    def execute(command: str, **_named: Any) -> dict[str, Any]:
        return dict(zip(("rc", "stdout", "stderr"), shell(command), strict=True))

    action._low_level_execute_command = execute
    action.cleanup = lambda force=False: None
    result: dict[str, Any] = action.run(None, {"inventory_hostname": "web1", **(variables or {})})
    return result


def run_as_module(
    operation: Operation, parameters: Mapping[str, Any], capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """Run an operation as a module, and return what it prints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": parameters}).encode()
        )
        patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            run_module(operation)
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result
