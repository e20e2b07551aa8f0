# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_proxy_check where the shell of the host does not do what it was reported."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.connection import NetworkConnectionBase
from ansible_collections.qingguo.qgnet.plugins.action import qg_proxy_check
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.proxy_check import (
    Proxy,
    ProxyCheckRequest,
    evaluate,
)

PROBE = ProxyCheckRequest((Proxy("203.0.113.1:8001"), Proxy("203.0.113.2:8002")), "http://echo.example/ip")


class Host(qg_proxy_check.ActionModule):
    """A host whose shell prints what a test says, with NONCE for the word that marks records."""

    def __init__(self, printed: str, rc: int = 0, shell: str = "sh") -> None:
        self.printed, self.rc = printed, rc
        self._connection = SimpleNamespace(_shell=SimpleNamespace(SHELL_FAMILY=shell))

    def _low_level_execute_command(self, cmd: str, **_named: Any) -> dict[str, Any]:
        # The command is one line, with its line feeds as printf takes them.
        nonce = cmd.partition("\\nnonce=")[2].partition("\\n")[0]
        return {"rc": self.rc, "stdout": self.printed.replace("NONCE", nonce), "stderr": "sh: Cannot fork\n"}


class NetworkDevice(NetworkConnectionBase):
    """The connection to a network device."""

    transport = "network_cli"
    _shell = SimpleNamespace(SHELL_FAMILY="sh")

    def _connect(self) -> Any:
        return self


def test_a_shell_that_ends_early_leaves_some_proxies_without_an_answer() -> None:
    host = Host("\nNONCE 0 wget \nNONCE: 0 - - 198.51.100.7\nNONCE.\n", rc=2)
    good, left_out = evaluate(PROBE, host._run_commands(PROBE))["checks"]
    assert good["ok"] is True
    assert left_out["error"] == "The host's shell ended with 2 and no response: sh: Cannot fork."
    assert left_out["tool"] is None


def test_a_shell_without_output_is_an_error() -> None:
    with pytest.raises(QgError, match="shell ended with 126 and no response: sh: Cannot fork"):
        Host("", rc=126)._run_commands(PROBE)


@pytest.mark.parametrize("family", ["powershell", "cmd"])
def test_a_host_without_a_posix_shell_is_an_error(family: str) -> None:
    with pytest.raises(QgError, match="no POSIX shell, so no proxy can be checked from it: check from another host"):
        Host("", shell=family)._run_commands(PROBE)


def test_a_network_device_is_an_error() -> None:
    """Its connection runs shell commands on the control node, which is not the host to be checked."""
    host = Host("")
    host._connection = object.__new__(NetworkDevice)
    with pytest.raises(QgError, match="because it is a network device, so no proxy can be checked from it"):
        host._run_commands(PROBE)
