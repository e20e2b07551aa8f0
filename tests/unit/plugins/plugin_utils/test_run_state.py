# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the process of a run prepares, so that the process of each host does not have to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.qingguo.qgnet.plugins.module_utils._core import clock

KEY = "1A2B3C4D"
#: As the process of a host: it has what its parent had when it was forked.
WORKER = """
import sys
from ansible_collections.qingguo.qgnet.plugins.lookup import egress_in_sync
from ansible_collections.qingguo.qgnet.plugins.module_utils._core import clock, redaction
loaded = set(sys.modules)
redaction.Redactor(["a secret of any length"]).tree({"msg": "no secret"})
print(clock.boot_id.cache_info().currsize, sorted(set(sys.modules) - loaded))
"""
#: From the options of a task to its result, without the state and the connection to the host.
TASK = """
import re, subprocess, sys
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.qingguo.qgnet.plugins.action import qg_egress_whitelist
from ansible_collections.qingguo.qgnet.plugins.module_utils._core import redaction
from ansible_collections.qingguo.qgnet.plugins.module_utils._egress.detect import build_command, parse_replies
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import redact
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._step_options import SPEC, StepOptions

def record(what, work):
    def recorded(*arguments, **options):
        caller = sys._getframe(1).f_globals["__name__"]
        if ".qgnet." in caller:
            done.append(f"{what} in {caller}")
        return work(*arguments, **options)
    return recorded

done = []
for name in ("compile", "findall", "finditer", "fullmatch", "match", "search", "split", "sub"):
    setattr(re, name, record(f"re.{name}", getattr(re, name)))
redaction.Redactor.__init__ = record("Redactor", redaction.Redactor.__init__)
options = {"step": "detect", "sources": ["http://127.0.0.1:1/"], "quorum": 1, **EXTRA}
params = ArgumentSpecValidator(SPEC).validate(options).validated_parameters
script, nonce = build_command(StepOptions.parse(params).detection)
output = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True).stdout
replies = parse_replies(output, nonce, StepOptions.parse(params).detection)
print(len(replies), redact({"msg": params["key"]}, params, SPEC)["msg"], done)
"""

#: What a task of qg_whitelist does not use: Ansible compiles each module of a collection in each run.
UNUSED = ("host_operations", "host_plan", "pruning", "run_summary", "_run_scope", "caps", "account.", "postgres")
IMPORTED = """
import sys
from ansible_collections.qingguo.qgnet.plugins.action import qg_whitelist
own = [name.partition(".qgnet.plugins.")[2] for name in sys.modules]
print([name for name in own if any(part in name for part in UNUSED)])
"""


def run_worker(script: str, **environment: str) -> str:
    collections = str(Path(clock.__file__).parents[6])
    path = os.pathsep.join((collections, *sys.path))
    whole = {**os.environ, "PYTHONPATH": path, **environment}
    return subprocess.run([sys.executable, "-c", script], env=whole, capture_output=True, text=True, check=True).stdout


def test_the_process_of_a_host_neither_reads_the_boot_nor_imports_encodings() -> None:
    assert run_worker(WORKER) == "1 []\n"


def test_the_process_of_a_host_compiles_no_pattern_and_masks_the_key_of_the_environment_without_preparation() -> None:
    assert run_worker(TASK.replace("EXTRA", "{}"), QG_KEY=KEY) == "1 VALUE_SPECIFIED_IN_NO_LOG_PARAMETER []\n"


def test_the_process_of_a_host_prepares_for_a_key_that_only_a_task_has() -> None:
    script = TASK.replace("EXTRA", repr({"key": KEY}))
    module = "ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation"
    assert run_worker(script, QG_KEY="") == f"1 VALUE_SPECIFIED_IN_NO_LOG_PARAMETER ['Redactor in {module}']\n"


def test_a_task_of_qg_whitelist_imports_nothing_for_hosts_purchases_the_account_or_postgresql() -> None:
    assert run_worker(f"UNUSED = {UNUSED}\n{IMPORTED}") == "[]\n"
