# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that a host runs for a gateway."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.qingguo.qgnet.plugins.plugin_utils import _gateway_host
from behavior.gateway_fleet import gateway

LANGUAGES = ["perl", "python3"]


def link_programs(folder: Path, *names: str) -> None:
    """Let a folder have these programs and no others."""
    folder.mkdir()
    for program in names:
        path = sys.executable if program == "python3" else shutil.which(program)
        assert path is not None, program
        (folder / program).symlink_to(path)


def write_program(folder: Path, name: str, text: str) -> None:
    """Let a folder have a program that is this script."""
    path = folder / name
    path.write_text(f"#!{folder}/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def gateway_in(folder: Path, service: str) -> dict[str, Any]:
    """Return a gateway to be served whose files are in a folder."""
    path = str(folder / "gw")
    return {
        "kind": "gateway",
        "file": path,
        "run": path,
        "name": "gw",
        "service": service,
        "files": [f"{path}.pid", f"{path}.leases"],
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_look_tries_the_addresses_that_a_gateway_does_not_have_yet(
    tmp_path: Path, language: str
) -> None:
    programs = tmp_path / "programs"
    link_programs(programs, "sh", "sed", "rm", "cat", "stat", "id", "head", language)
    with socket.socket() as own, socket.socket() as foreign:
        for listener in (own, foreign):
            listener.bind(("127.0.0.1", 0))
            listener.listen()
        has = own.getsockname()[1]
        taken = foreign.getsockname()[1]
        (tmp_path / "gw.cfg").write_text(f"frontend a\n    bind 127.0.0.1:{has}\n")
        pools = [{"name": "a", "port": has}, {"name": "b", "port": taken}]
        declared = gateway(
            pools=pools, name="gw", directory=str(tmp_path), metrics="192.0.2.1:9101"
        )
        script = _gateway_host.look_script([declared], "nonce", is_install=True)
        done = subprocess.run(
            [str(programs / "sh"), "-c", script],
            env={"PATH": str(programs)},
            check=False,
            capture_output=True,
            text=True,
        )

    refused = [word for word in done.stdout.split() if word.startswith("refused=")]
    assert refused == [
        f"refused=127.0.0.1:{taken}=Address_already_in_use",
        "refused=192.0.2.1:9101=Cannot_assign_requested_address",
    ]


def test_the_reason_of_a_service_is_one_of_this_reload(tmp_path: Path) -> None:
    """Its log may have that of an earlier one."""
    programs = tmp_path / "programs"
    link_programs(programs, "sh", "date", "perl")
    write_program(programs, "systemctl", "exit 1")
    write_program(programs, "seq", "")
    write_program(programs, "journalctl", f'echo "$@" >{tmp_path}/asked')
    served = gateway_in(tmp_path, "systemd")
    began = int(time.time())

    subprocess.run(
        [str(programs / "sh"), "-c", _gateway_host.run_script(served)],
        env={"PATH": str(programs)},
        check=False,
    )

    since = re.search(r"--since=@([0-9]+) ", (tmp_path / "asked").read_text())
    assert since is not None
    assert began <= int(since[1]) <= time.time()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_process_that_does_not_answer_is_told_from_one_that_does_not_run(
    tmp_path: Path, language: str
) -> None:
    programs = tmp_path / "programs"
    link_programs(programs, "sh", "cat", "mv", "grep", language)
    (tmp_path / "gw.cfg").write_text("# layout=1\n")
    served = {
        "file": str(tmp_path / "gw"),
        "run": str(tmp_path / "gw"),
        "layout": "1",
        "text": "leases\n",
    }
    script = _gateway_host.leases_script(served, "end", asks=True)

    def code() -> int:
        command = [str(programs / "sh"), "-c", script]
        done = subprocess.run(command, env={"PATH": str(programs)}, check=False)
        return done.returncode

    with socket.socket(socket.AF_UNIX) as stopped:
        stopped.bind(str(tmp_path / "gw.sock"))
        stopped.listen()
        assert code() == _gateway_host.NO_ANSWER
    # A busy machine may need more time than there is for an answer.
    assert any(code() not in (0, _gateway_host.NO_ANSWER) for _attempt in range(5))


@contextlib.contextmanager
def haproxy_that_answers(folder: Path, answer: bytes) -> Iterator[None]:
    """Let the socket of a gateway answer this to each question."""

    def answer_all(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = listener.accept()[0]
                connection.recv(100)
                connection.sendall(answer)
                connection.close()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "gw.sock"))
        listener.listen()
        answering = threading.Thread(target=answer_all, args=(listener,))
        answering.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
    answering.join()


def run_with_systemd(folder: Path, systemctl: str, tries: str) -> subprocess.CompletedProcess[str]:
    """Start a gateway where systemctl does this, and wait for it so often."""
    programs = folder / "programs"
    link_programs(programs, "sh", "date", "perl", "touch")
    write_program(programs, "systemctl", systemctl)
    write_program(programs, "journalctl", "")
    write_program(programs, "seq", f"echo {tries}")
    write_program(programs, "sleep", f"echo >{folder}/slept")
    script = _gateway_host.run_script(gateway_in(folder, "systemd"))
    return subprocess.run(
        [str(programs / "sh"), "-c", script],
        env={"PATH": str(programs)},
        check=False,
        capture_output=True,
        text=True,
    )


def test_nobody_waits_for_a_process_that_cannot_read_its_leases(tmp_path: Path) -> None:
    with haproxy_that_answers(tmp_path, b"unreadable\n"):
        done = run_with_systemd(tmp_path, f"touch {tmp_path}/gw.pid", "1 2 3")

    assert done.returncode == 1
    assert done.stdout.splitlines() == [_gateway_host.UNREADABLE]
    assert not (tmp_path / "slept").exists()


@pytest.mark.parametrize("starts", [True, False])
@pytest.mark.parametrize("part", ["cfg", "lua", "map", "pid"])
def test_files_of_a_host_whose_clock_was_ahead_do_not_hide_which_process_serves(
    tmp_path: Path, part: str, *, starts: bool
) -> None:
    """A process of before goes on to answer if the new one does not start."""
    for name in ("pid", "cfg", "lua", "map"):
        (tmp_path / f"gw.{name}").touch()
    ahead = time.time() + 3600
    os.utime(tmp_path / f"gw.{part}", (ahead, ahead))
    systemctl = f"touch {tmp_path}/gw.pid" if starts else "exit 1"

    with haproxy_that_answers(tmp_path, b"time 1\n"):
        done = run_with_systemd(tmp_path, systemctl, "1")

    assert done.returncode == (0 if starts else 1)


def test_a_number_that_another_process_has_got_is_not_signaled(tmp_path: Path) -> None:
    """As after a restart of a container, whose programs soon have the same numbers again."""
    programs = tmp_path / "programs"
    link_programs(programs, "sh", "cat", "date", "grep", "perl", "rm", "sleep", "tr")
    process_of_haproxy = tmp_path / "bin" / "haproxy"
    process_of_haproxy.parent.mkdir()
    process_of_haproxy.symlink_to(sys.executable)
    # It waits for the end of a process, and not for what serves.
    write_program(programs, "seq", '[ "$1" = 50 ] && echo 1 2 3 4 5 6 7 8 9')
    write_program(programs, "haproxy", f"echo >{tmp_path}/started")
    served = gateway_in(tmp_path, "daemon")
    refresh = _gateway_host.run_script(served)
    removal = _gateway_host.removal_script(served, is_found=True)

    def end_of(script: str, *arguments: str) -> int | None:
        """Return the signal that a process with this number and these arguments gets."""
        program = "import time; print(flush=True); time.sleep(600)"
        with subprocess.Popen(
            [process_of_haproxy, "-c", program, *arguments], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            (tmp_path / "gw.pid").write_text(f"{process.pid}\n")
            command = [str(programs / "sh"), "-c", script]
            subprocess.run(command, env={"PATH": str(programs)}, check=False)
            # What was sent to it comes before this one, which no shell lets its children ignore.
            process.send_signal(signal.SIGALRM)
            return process.wait()

    for script in (refresh, removal):
        assert end_of(script) == -signal.SIGALRM
    assert (tmp_path / "started").exists()
    (tmp_path / "started").unlink()
    own = str(tmp_path / "gw.cfg")
    assert end_of(removal, "-f", own) == -signal.SIGTERM
    assert not (tmp_path / "started").exists()
    # Its socket is gone, so that another process has to make one.
    assert end_of(refresh, "-f", own) == -signal.SIGTERM
    assert (tmp_path / "started").exists()
