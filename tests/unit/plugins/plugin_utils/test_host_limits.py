# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The limits of a command on a host: a connection plugin that would never return is left, and its processes end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.plugin_utils._host_limits import (
    OutputLimitExceeded,
    TimeLimitExceeded,
    run_limited,
)

#: Longer than any test takes.
LONG = 3600.0


class Ssh:
    """A connection of ssh with a program in its place that notes how it is called."""

    def __init__(self, folder: Path, body: str = "") -> None:
        self.calls = folder / "calls"
        self._program = folder / "ssh"
        self._program.write_text(f'#!/bin/sh\necho "$*" >>{self.calls}\n{body}\n')
        self._program.chmod(0o700)

    def get_option(self, name: str) -> str:
        return {"ssh_executable": str(self._program), "host": "192.0.2.1"}[name]

    def _build_command(self, *words: str) -> list[str]:
        return [words[0], *words[2:]]


def wait_for_ever() -> None:
    threading.Event().wait()


def is_running(pid: int) -> bool:
    try:
        # It may be a zombie until this process waits for it.
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def test_a_result_within_the_limits_is_returned_and_nothing_stays_changed() -> None:
    before = signal.getsignal(signal.SIGURG)
    with subprocess.Popen(["sleep", "600"]) as other:
        assert run_limited(lambda: "printed", LONG, None) == "printed"
        assert other.poll() is None
        other.kill()
    assert signal.getsignal(signal.SIGURG) is before


def test_what_an_earlier_process_starts_meanwhile_is_not_of_the_command() -> None:
    server = subprocess.Popen(
        ["sh", "-c", "read go; sleep 600 & echo $!; wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    started: list[int] = []

    def work() -> None:
        assert server.stdin is not None
        assert server.stdout is not None
        print("go", file=server.stdin, flush=True)
        started.append(int(server.stdout.readline()))
        raise KeyboardInterrupt

    with server, pytest.raises(KeyboardInterrupt):
        try:
            run_limited(work, LONG, None)
        finally:
            os.kill(started[0], signal.SIGKILL)
            server.kill()


def test_an_error_of_the_plugin_stays_what_it_is() -> None:
    def fail() -> None:
        raise ConnectionError("no route")

    with pytest.raises(ConnectionError, match="no route"):
        run_limited(fail, LONG, None)


def wait_again_after_each_error() -> None:
    while True:
        with contextlib.suppress(Exception):
            wait_for_ever()


@pytest.mark.parametrize("work", [wait_for_ever, wait_again_after_each_error])
def test_a_plugin_that_waits_in_this_process_is_left(work: Callable[[], None]) -> None:
    with pytest.raises(TimeLimitExceeded):
        run_limited(work, 0.1, None)


def test_all_processes_of_the_command_end_and_those_from_before_do_not() -> None:
    started: list[subprocess.Popen[str]] = []

    def start() -> None:
        # One stops itself, one ignores SIGTERM, and one has lost its parent and its session.
        script = "trap '' TERM; (setsid sh -c 'kill -STOP $$' & echo $!) & wait; exec sleep 600"
        started.append(subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True))
        wait_for_ever()

    with subprocess.Popen(["sleep", "600"]) as other:
        with pytest.raises(TimeLimitExceeded):
            run_limited(start, 0.5, None)
        assert other.poll() is None
        other.kill()
    (process,) = started
    orphan = int(process.communicate()[0])
    assert process.returncode == -signal.SIGKILL
    assert not is_running(orphan)


def test_output_that_fills_the_memory_ends_the_command() -> None:
    received = []

    def receive() -> None:
        while True:
            received.append(b"x" * 2**20)

    with pytest.raises(OutputLimitExceeded):
        run_limited(receive, LONG, None)


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_processes_end_too_if_ansible_itself_interrupts_the_task(
    monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    """Their list is that of /proc on Linux, and elsewhere that of ps."""
    monkeypatch.setattr(sys, "platform", platform)
    started = []

    class TaskTimeout(BaseException):
        """As ansible-core raises it for the keyword timeout."""

    def start() -> None:
        started.append(subprocess.Popen(["sleep", "600"]))
        raise TaskTimeout

    with pytest.raises(TaskTimeout):
        run_limited(start, LONG, None)
    assert started[0].wait() == -signal.SIGKILL


def test_the_shared_connection_of_ssh_is_closed_if_ssh_can_do_that(tmp_path: Path) -> None:
    ssh = Ssh(tmp_path)
    with pytest.raises(TimeLimitExceeded):
        run_limited(wait_for_ever, 0.1, ssh)
    assert ssh.calls.read_text() == "-O exit 192.0.2.1\n"
    ssh = Ssh(tmp_path, "kill -STOP $$")
    with pytest.raises(TimeLimitExceeded):
        run_limited(wait_for_ever, 0.1, ssh)
    (tmp_path / "ssh").unlink()
    with pytest.raises(TimeLimitExceeded):
        run_limited(wait_for_ever, 0.1, ssh)


def test_a_message_to_the_main_process_is_sent_as_a_whole() -> None:
    """Half of one would break the queue of all hosts."""
    sent = []
    source = "def send(wait, sent):\n    wait(1.0)\n    sent.append(True)\n"
    sender: dict[str, Any] = {"__name__": "multiprocessing.connection"}
    exec(compile(source, "connection.py", "exec"), sender)

    def display_and_wait() -> None:
        sender["send"](threading.Event().wait, sent)
        wait_for_ever()

    with pytest.raises(TimeLimitExceeded):
        run_limited(display_and_wait, 0.1, None)
    assert sent == [True]


def test_beside_the_main_thread_a_command_has_no_limit() -> None:
    results = []
    thread = threading.Thread(target=lambda: results.append(run_limited(lambda: "printed", 0.0, None)))
    thread.start()
    thread.join()
    assert results == ["printed"]
