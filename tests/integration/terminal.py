# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shell into which text is pasted, as a reader of a guide does, and the command lines of cron."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 20.0


class Terminal:
    """A shell that ends when a command fails, as ``set -e`` makes it, also a shell that is started
    in it.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        self._number = 0
        with log.open("wb") as output:
            # From a pipe, a shell reads byte by byte, so that another one in it goes on where the
            # first stopped.
            self._process = subprocess.Popen(
                ["bash", "--noprofile", "--norc"],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._type("set -e\nexport SHELLOPTS\n")

    @property
    def shown(self) -> str:
        """All that the terminal shows."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def paste(self, text: str, seconds: float = 300.0) -> str:
        """Paste text, wait until all of it has run, and return what the terminal shows
        meanwhile.
        """
        self._number += 1
        mark = f"--- {self._number} ---"
        before = len(self.shown)
        self._type(f"{text}echo '{mark}'\n")
        self._wait_for(mark, before, seconds)
        return self.shown[before:].replace(f"{mark}\n", "")

    def start(self, text: str, until: str, seconds: float = 300.0) -> None:
        """Paste text of which the last command does not end, and wait until the terminal shows some
        words.
        """
        before = len(self.shown)
        self._type(text)
        self._wait_for(until, before, seconds)

    def stop(self) -> None:
        """End the shell, and what still runs in it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        # Nothing is left to write; a shell that has failed has closed its end.
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def _type(self, text: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()

    def _wait_for(self, words: str, before: int, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            # Asked first: what a shell wrote before it ended is then all there.
            code = self._process.poll()
            if words in self.shown[before:]:
                return
            assert code is None, f"the shell ended with {code}:\n{self.shown}"
            assert time.monotonic() < end, (
                f"{words!r} was not shown in {seconds:g} s:\n{self.shown}"
            )
            time.sleep(0.05)


@dataclass(frozen=True)
class CronJob:
    """A command of a crontab, and the variables of the crontab."""

    command: str
    variables: Mapping[str, str]

    def run(self, home: Path) -> subprocess.CompletedProcess[str]:
        """Run it as cron does: ``%`` is a line break, behind the first one is the input, unless it
        is escaped.
        """
        command, *rest = re.split(r"(?<!\\)%", self.command)
        typed = "".join(f"{line}\n" for line in rest).replace("\\%", "%")
        given = {
            "HOME": str(home),
            "LOGNAME": pwd.getpwuid(os.geteuid()).pw_name,
            "PATH": "/usr/bin:/bin",
            "SHELL": "/bin/sh",
            **self.variables,
        }
        return subprocess.run(
            [given["SHELL"], "-c", command.replace("\\%", "%")],
            cwd=home,
            env=given,
            input=typed,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


def cron_jobs(crontab: str) -> list[CronJob]:
    """Read a crontab: lines ``NAME=VALUE``, and lines of five fields and a command."""
    variables: dict[str, str] = {}
    jobs = []
    for line in crontab.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        setting = re.fullmatch(r"\s*(\w+)\s*=\s*(.*?)\s*", line)
        if setting:
            variables[setting[1]] = setting[2]
            continue
        entry = re.fullmatch(r"\s*((?:[\d*/,-]+\s+){5})(.+)", line)
        assert entry, f"cron cannot read this line: {line}"
        jobs.append(CronJob(entry[2], dict(variables)))
    return jobs
