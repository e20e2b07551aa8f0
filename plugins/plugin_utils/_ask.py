# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs on a host over its connection, as one shell command.

This file is private to the collection.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible.plugins.action import ActionBase
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import QgError
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.text import one_line
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.detect import (
    Question,
    Verdict,
    command,
    judge,
    parse,
)
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.shell import single_line


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and how it ended in words, should that not be enough."""

    printed: str
    end: str


def run_on_host(action: ActionBase, script: str, otherwise: str) -> Outcome:
    """Run a POSIX shell command on the host; ``otherwise`` says what is to be done where there is no such shell."""
    family = getattr(action._connection._shell, "SHELL_FAMILY", "sh")
    if family in ("powershell", "cmd"):
        raise QgError(f"The host has no POSIX shell, so {otherwise}.")
    outcome = action._low_level_execute_command(single_line(script), executable="/bin/sh")
    heard = one_line(outcome.get("stderr") or outcome["stdout"])[-200:]
    end = f"The host's shell ended with {outcome['rc']} and no answer: {heard or 'it printed nothing'}."
    return Outcome(outcome["stdout"], end)


def ask(action: ActionBase, question: Question) -> Verdict:
    """Ask a host for its egress address, and judge what it says."""
    script, nonce = command(question)
    outcome = run_on_host(action, script, "its egress address cannot be asked for: give the address")
    replies = parse(outcome.printed, nonce, question)
    if not replies:
        raise QgError(outcome.end)
    return judge(replies, question)
