# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Results without secrets, however the secret is written and wherever it stands."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.errors import OptionError
from ansible_collections.qingguo.qgnet.plugins.module_utils._task.operation import (
    Mode,
    Operation,
    execute,
    guarded,
    redact,
)

SPEC: dict[str, dict[str, Any]] = {
    "key": {"type": "str", "no_log": True},
    "password": {"type": "str", "no_log": True},
    "ip": {"type": "str"},
}


def test_what_is_no_secret_stays() -> None:
    result = {"msg": "198.51.100.8 is on the list"}
    assert redact(result, {"key": "198.", "password": "", "ip": "198.51.100.8"}, SPEC) != result
    assert redact(result, {"key": "1989", "password": "i", "ip": "198.51.100.8"}, SPEC) == result
    assert redact(result, {"key": "199", "password": "", "ip": "198.51.100.8"}, SPEC) == result


def test_an_unexpected_exception_is_a_failed_result_without_its_text() -> None:
    def run(params: Any, mode: Mode) -> dict[str, Any]:
        raise OverflowError(f"Python int too large: {params['key']}")

    result = execute(Operation(spec=SPEC, run=run), {"key": "SECRET"}, Mode())
    assert result["failed"] is True
    assert result["changed"] is False
    assert "unexpected OverflowError at test_operation.py, line" in result["msg"]
    assert "Traceback" not in result["msg"]
    # What a defect is found with, which Ansible shows at -vvv.
    assert "in run" in result["exception"]
    assert "SECRET" not in repr(result)


def test_an_error_that_ansible_knows_what_to_do_with_passes() -> None:
    def work() -> dict[str, Any]:
        raise ConnectionError("unreachable")

    with pytest.raises(ConnectionError):
        guarded(work, (ConnectionError,))
    assert guarded(work)["failed"] is True


def test_a_failure_of_the_user_has_no_traceback() -> None:
    def work() -> dict[str, Any]:
        raise OptionError("ip", "is wrong", "give another")

    assert guarded(work) == {"failed": True, "changed": False, "msg": "ip is wrong: give another."}
