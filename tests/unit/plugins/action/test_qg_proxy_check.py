# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""qg_proxy_check for a host whose shell cannot run the check, or not to its end."""

from __future__ import annotations

from typing import Any

import pytest
from support.plugin_runs import run_action

TASK = {"proxies": ["203.0.113.1:8001", "203.0.113.2:8002"], "url": "http://echo.example/ip"}


def check(printed: str = "", rc: int = 0, **host: Any) -> dict[str, Any]:
    """The result for a host whose shell prints this, with NONCE for the word that marks records."""

    def shell(command: str) -> tuple[int, str, str]:
        # The command is one line, with its line feeds as printf takes them.
        nonce = command.partition("\\nnonce=")[2].partition("\\n")[0]
        return rc, printed.replace("NONCE", nonce), "sh: Cannot fork\n"

    return run_action("qg_proxy_check", TASK, shell, **host)


def test_a_shell_that_ends_early_leaves_some_proxies_without_a_response() -> None:
    good, left_out = check("\nNONCE 0 wget \nNONCE: 0 - - 198.51.100.7\nNONCE.\n", rc=2)["checks"]
    assert good["ok"] is True
    assert left_out["error"] == "The host's shell ended with 2 and no response: sh: Cannot fork."
    assert left_out["tool"] is None


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ({"rc": 126}, "shell ended with 126 and no response: sh: Cannot fork"),
        ({"family": "powershell"}, "no POSIX shell, so no proxy can be checked from it: check from another host"),
        ({"family": "cmd"}, "no POSIX shell, so no proxy can be checked from it: check from another host"),
        # Its connection runs shell commands on the control node, which is not the host to be checked.
        ({"is_network_device": True}, "because it is a network device, so no proxy can be checked from it"),
    ],
)
def test_a_host_without_a_usable_shell_is_an_error(host: dict[str, Any], words: str) -> None:
    result = check(**host)
    assert (result["failed"], words in result["msg"]) == (True, True)
