# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floor 5: asking a host for its egress address over its connection.

This file is private to the collection.
"""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress import Question, Verdict, command, judge, parse
from ansible_collections.qingguo.qgnet.plugins.module_utils._errors import QgError


def ask(action: ActionBase, question: Question) -> Verdict:
    """Run the one shell command on the host and judge what it prints."""
    family = getattr(action._connection._shell, "SHELL_FAMILY", "sh")
    if family in ("powershell", "cmd"):
        raise QgError("The host has no POSIX shell, so its egress address cannot be asked for: give the address.")
    script, nonce = command(question)
    outcome = action._low_level_execute_command(script, executable="/bin/sh")
    replies = parse("\n" + outcome["stdout"], nonce, question)
    if not replies:
        heard = " ".join((outcome.get("stderr") or outcome["stdout"]).split())[-200:]
        raise QgError(f"The host's shell ended with {outcome['rc']} and no answer: {heard or 'it printed nothing'}.")
    return judge(replies, question)
