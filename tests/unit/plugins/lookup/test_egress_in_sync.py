# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the role's second task may be left to one host, as Ansible's main process and its workers ask."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import ansible.template
import pytest
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.template import Templar
from ansible_collections.qingguo.qgnet.plugins.lookup import egress_in_sync
from ansible_collections.qingguo.qgnet.plugins.module_utils._core.processes import run_id
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.claims import Claim, Claims, RunClaims
from ansible_collections.qingguo.qgnet.plugins.module_utils._store.state import State
from support.documents import lookup_of

#: Since ansible-core 2.19, only text that is trusted is a template.
trust: Any = getattr(ansible.template, "trust_as_template", str)


def in_sync(terms: list[Any] | None = None, batch: tuple[str, ...] = ("h",), **options: Any) -> list[bool]:
    variables = {"ansible_play_batch": list(batch), "ansible_play_hosts": list(batch)}
    answer: list[bool] = lookup_of(egress_in_sync)[0].run(terms or [], variables, **options)
    return answer


def enqueue(directory: Path, process: int, *, no_op: bool, host: str = "h", task: str | None = "t") -> None:
    state, run = State(str(directory)), run_id(process)
    claim = Claim({"ips": ["203.0.113.1"]}, 1, 1, id=f"{run}/{host}", run=run, host=host, in_sync=no_op)
    Claims(state, "k").make(claim)
    RunClaims(state, run).begin(host, "p", task, {}, final=no_op)
    state.close()


@pytest.mark.parametrize("process", [os.getpid, os.getppid], ids=["run", "worker"])
def test_it_is_true_where_nothing_had_to_be_done(tmp_path: Path, process: Any) -> None:
    directory = tmp_path / "state"
    assert in_sync(store=str(directory)) == [False]
    enqueue(directory, process(), no_op=True)
    assert in_sync(store=str(directory)) == [True]
    enqueue(directory, process(), no_op=False)
    assert in_sync(store=str(directory)) == [False]


def test_one_host_summarizes_for_all_that_are_in_step(tmp_path: Path) -> None:
    options = {"step": "summarize", "store": str(tmp_path)}
    enqueue(tmp_path, os.getpid(), no_op=False)
    assert in_sync(**options) == [True]
    assert in_sync(batch=("h", "skipped"), **options) == [True]
    variables = {"ansible_play_batch": ["h"], "ansible_play_hosts": ["h"], "inventory_hostname": "failed"}
    assert lookup_of(egress_in_sync)[0].run([], variables, **options) == [False], "it left nothing in this state"
    enqueue(tmp_path, os.getpid(), no_op=False, task=None)
    assert in_sync(**options) == [False]


@pytest.mark.parametrize("step", ["register", "summarize"])
def test_a_first_host_that_skips_does_not_act_for_all(tmp_path: Path, step: str) -> None:
    options = {"step": step, "store": str(tmp_path)}
    enqueue(tmp_path, os.getpid(), no_op=True)
    assert in_sync(batch=("another", "h"), **options) == [False]
    # It has not skipped an earlier use of the role in the run, which is not enough.
    with contextlib.closing(State(str(tmp_path))) as state:
        RunClaims(state, run_id(os.getpid())).begin("h2", "p", "second task", {}, final=True)
    assert in_sync(**options) == [False]


def test_one_host_registers_only_for_hosts_that_have_all_begun_with_the_same_task(tmp_path: Path) -> None:
    options = {"store": str(tmp_path)}
    both = ("h", "h2")
    enqueue(tmp_path, os.getpid(), no_op=True)
    assert in_sync(batch=both, **options) == [False], "the other one may have begun in another state"
    enqueue(tmp_path, os.getpid(), no_op=True, host="gone")
    assert in_sync(batch=both, **options) == [False]
    enqueue(tmp_path, os.getpid(), no_op=True, host="h2")
    assert in_sync(batch=both, **options) == [True]
    enqueue(tmp_path, os.getpid(), no_op=True, task="second task")
    assert in_sync(batch=both, **options) == [False]
    assert in_sync(batch=(), **options) == [False]


@pytest.mark.parametrize(("step", "expected"), [("register", False), ("summarize", True)])
def test_one_host_of_a_serial_batch_only_summarizes(tmp_path: Path, step: str, expected: bool) -> None:
    enqueue(tmp_path, os.getpid(), no_op=True)
    # A host of the batch may have failed, so that as many are left as it has.
    for alive in (["h", "h2"], ["h2"]):
        variables = {"ansible_play_batch": ["h"], "ansible_play_hosts": alive}
        assert lookup_of(egress_in_sync)[0].run([], variables, step=step, store=str(tmp_path)) == [expected]


def test_another_run_is_another_run(tmp_path: Path) -> None:
    enqueue(tmp_path, 1, no_op=True)
    assert in_sync(store=str(tmp_path)) == [False]


def test_a_directory_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    assert in_sync(store=str(tmp_path / "new")) == [False]
    assert list(tmp_path.iterdir()) == []


def test_the_default_directory_is_that_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QG_STORE", str(tmp_path))
    enqueue(tmp_path, os.getpid(), no_op=True)
    assert in_sync(store=None) == in_sync() == looked_up({}) == [True]
    # A variable or a directory that cannot be used is left to the step, which reports it.
    assert looked_up({"qg_store": "{{ nowhere }}"}) == [False]
    tmp_path.chmod(0o777)
    assert in_sync(store=str(tmp_path)) == [False]


def looked_up(variables: dict[str, Any], **options: Any) -> list[bool]:
    """What the lookup returns with variables of a host."""
    trusted = {name: trust(value) if isinstance(value, str) else value for name, value in variables.items()}
    variables = {"ansible_play_batch": ["h"], "ansible_play_hosts": ["h"], **trusted}
    lookup, _names = lookup_of(egress_in_sync, Templar(loader=None, variables=variables))
    answer: list[bool] = lookup.run([], variables, **options)
    return answer


def test_a_variable_with_the_prefix_is_used_before_that_of_all_modules(tmp_path: Path) -> None:
    enqueue(tmp_path, os.getpid(), no_op=True)
    here, elsewhere = str(tmp_path), str(tmp_path / "elsewhere")
    both = {"my_store": "{{ place }}", "place": here, "qg_store": elsewhere}
    assert looked_up(both, vars_prefix="my_") == [True]
    assert looked_up(both) == [False]
    assert looked_up(both, vars_prefix="my_", store=elsewhere) == [False]
    # Null and empty text are no values.
    for value in (None, ""):
        assert looked_up({"my_store": value, "qg_store": here}, vars_prefix="my_") == [True]


@pytest.mark.parametrize("value", ["{{ nowhere }}", "{{ 1 / 0 }}", "{{ lookup('file', '/nonexistent') }}"])
@pytest.mark.parametrize("step", ["register", "summarize"])
def test_a_variable_with_the_prefix_that_cannot_be_used_is_left_to_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, step: str
) -> None:
    monkeypatch.setenv("QG_STORE", str(tmp_path))
    enqueue(tmp_path, os.getpid(), no_op=True)
    assert looked_up({}, step=step, vars_prefix="my_") == [True]
    assert looked_up({"my_store": value}, step=step, vars_prefix="my_") == [False]


def test_a_mistake_in_the_lookup_itself_is_an_error() -> None:
    with pytest.raises(AnsibleError, match="bogus"):
        in_sync(step="bogus")
    with pytest.raises(AnsibleLookupError, match="takes no terms"):
        in_sync(["h1"])
