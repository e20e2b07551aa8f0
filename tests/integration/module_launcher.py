# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run modules on hosts many times and import what they import once: that is most of their time.

A module finds its imports in an archive that Ansible sends with it, where Python compiles them
each time. The interpreter of these hosts is a small program that lets a server process fork: the
child takes over the standard streams, the directory and the environment, and runs the module. It
has ansible.module_utils from this machine's ansible-core, and what the collection has in
module_utils from the archive.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import runpy
import select
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

#: What Ansible's wrapper of a module and Ansible's own modules import.
IMPORTED_BY_A_MODULE = (
    "ansible.module_utils.basic",
    "ansible.module_utils._internal._ansiballz._loader",
    "ansible.module_utils.urls",
    "datetime",
    "platform",
    "requests",
    "shlex",
    "sqlite3",
    "tempfile",
    "zipfile",
)
NAMESPACES = ("mnt", "net")
#: The interpreter. It leaves to Python what is no file of a module, and what another user runs or
#: what runs with a file system or network of its own.
INTERPRETER = """#!{python} -IS
import os, socket, sys
own = [os.readlink("/proc/self/ns/" + kind) for kind in {kinds!r}]
if len(sys.argv) != 2 or os.geteuid() != {user} or own != {own!r}:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({place!r})
    settings = [name + "=" + value for name, value in os.environ.items()]
    request = os.fsencode("\\0".join([sys.argv[1], os.getcwd(), *settings]))
    socket.send_fds(server, [request], [0, 1, 2])
    server.shutdown(socket.SHUT_WR)
    code = server.recv(9)
    server.recv(1)
sys.exit(int(code or 1))
"""


class ModuleLauncher:
    """An interpreter for hosts, and the server behind it, which starts with the first use."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[str] | None = None

    @property
    def interpreter(self) -> str:
        """The path of the interpreter."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="qg-python-")
        path = Path(self._folder.name, "python3")
        if self._process is None:
            place = str(Path(self._folder.name, "socket"))
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), place],
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            assert self._process.stdout is not None
            assert self._process.stdout.readline() == "ready\n"
            text = INTERPRETER.format(
                python=sys.executable,
                user=os.geteuid(),
                kinds=NAMESPACES,
                own=[os.readlink(f"/proc/self/ns/{kind}") for kind in NAMESPACES],
                place=place,
            )
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755)
        return str(path)

    def stop(self) -> None:
        """End the server, and remove the interpreter."""
        if self._process is not None and self._folder is not None:
            self._process.communicate()
            self._folder.cleanup()
            self._process = None
            self._folder = None


def serve(place: str) -> None:
    """Fork for each request, until nothing more can be asked; the child returns from here and ends
    as a program does.
    """
    # The first entry is the directory of this file.
    del sys.path[0]
    for name in IMPORTED_BY_A_MODULE:
        # Not every ansible-core has each of them.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # Else the collector of each child writes to all objects, and so copies their memory.
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen(64)
        print("ready", flush=True)
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            client, _address = listener.accept()
            if os.fork() == 0:
                listener.close()
                run(client)
                return
            client.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def run(client: socket.socket) -> None:
    """Turn this process into the one that the interpreter would have been, and tell its exit code.

    The interpreter waits for the end of the connection, and so of this process.
    """
    text, streams, _flags, _address = socket.recv_fds(client, 2**16, 3)
    while more := client.recv(2**16):
        text += more
    program, folder, *settings = os.fsdecode(text).split("\0")
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    for setting in settings:
        name, _equals, value = setting.partition("=")
        os.environ[name] = value
    sys.argv = [program]
    code = 1
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        code = int(end.code or 0)
        raise
    finally:
        client.send(str(code).encode())


if __name__ == "__main__":
    serve(sys.argv[1])
