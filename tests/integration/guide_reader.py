# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reader of the guides, who has followed the quick start and pastes one guide after the other,
block by block.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml
from integration.guide_blocks import ENGLISH, ROOT, Block, blocks, document
from integration.terminal import CronJob, Terminal, cron_jobs
from qgnet_simulator.running import Simulator

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: From where pip installs on this machine, and whom programs trust.
_PASSED_ON = ("PIP_", "SSL_", "CURL_CA_", "REQUESTS_CA_")
#: The comment of the quick start at what a reader types in each terminal.
_IN_EACH = "# in each terminal"
#: What a command that does not end shows once it works.
_READY = {"qgnet-simulator --": "Control:", "ansible-rulebook --": "PLAY RECAP"}

#: Programs that cannot do their work in a test, each with the reason. They refuse what a test does
#: not know.
SHIMS = {
    # Tests install no packages of the system: these have to be there.
    "apt-get": """
[ "$*" = update ] && exit 0
[ "$1 $2" = "install --yes" ] && shift 2 && [ $# -gt 0 ] || { echo "apt-get: unexpected: $*" >&2; exit 64; }
command -v dpkg-query >/dev/null || exit 0 # not a machine that the guides describe
for package; do
    [ "$(dpkg-query --show --showformat='${Status}' "$package")" = "install ok installed" ] ||
        { echo "apt-get: as root, apt-get install $package" >&2; exit 100; }
done
""",
    # There is no engine for containers. What ansible-builder gives it has to be there.
    "podman": """
case "$*" in
"build -f context/Containerfile -t "?*" context")
    grep -q 'ansible-core==' context/Containerfile
    grep -q 'name: qingguo.qgnet' context/_build/requirements.yml
    printf '%s\\n' "$5" >~/podman.images
    ;;
"push "?*) grep -qxF "$2" ~/podman.images ;;
*) exit 64 ;;
esac
""",
    # There is no systemd.
    "systemctl": """
case "$*" in
"disable --now "?*.timer | "stop "?*.service) printf '%s\\n' "$*" >>~/systemctl.log ;;
*) exit 64 ;;
esac
""",
    # There is no cron. The crontab is a file.
    "crontab": """
case "$*" in
-l) cat ~/crontab ;;
-) cat >~/crontab.new && mv ~/crontab.new ~/crontab ;;
*) exit 64 ;;
esac
""",
    # There is no cluster. What it would run has to be a command that Ansible accepts.
    "kubectl": """
printf '%s\\n' "kubectl $*" >>~/kubectl.log
case "$*" in
"create cronjob "*)
    name=$3 image= schedule=
    shift 3
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        case "$1" in --image=?*) image=${1#*=} ;; --schedule=?*) schedule=${1#*=} ;; *) exit 64 ;; esac
        shift
    done
    printf '%s' "$name" | grep -qE '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$' || exit 64
    printf '%s' "$schedule" | grep -qE '^([0-9*/,-]+ ){4}[0-9*/,-]+$' || exit 64
    [ -n "$image" ] && [ "$1" = -- ] && shift
    "$@" --syntax-check
    ;;
"set env cronjob/$(sed -nE 's/^kubectl create cronjob ([^ ]+) .*/\\1/p' ~/kubectl.log) --from=secret/"?*) ;;
*) exit 64 ;;
esac
""",
}
#: Galaxy does not have this checkout. The environment of the quick start comes before all shims,
#: hence a function.
GALAXY = """
ansible-galaxy() {{
    [ "$*" = "collection install qingguo.qgnet" ] || {{ echo "unexpected: ansible-galaxy $*" >&2; return 64; }}
    command ansible-galaxy collection install {archive}
}}
"""


def _authorities() -> str:
    """Return the authorities that programs on this machine trust."""
    named = [
        os.environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
    ]
    places = [*filter(None, named), "/etc/ssl/certs/ca-certificates.crt"]
    files = [Path(place) for place in places if Path(place).is_file()]
    return files[0].read_text(encoding="utf-8") if files else ""


def _quick_start(words: str) -> Block:
    return next(block for block in blocks(ENGLISH / "quickstart.rst") if words in block.text)


def _runs_in_each_terminal() -> str:
    """Return the lines of the quick start that a reader types in each terminal."""
    lines = [
        line
        for block in blocks(ENGLISH / "quickstart.rst", "shell")
        for line in block.text.splitlines()
    ]
    return "".join(f"{line}\n" for line in lines if line.endswith(_IN_EACH))


class Machine:
    """What the first block of the quick start installs: once for all tests and their processes."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.shims = folder / "shims"
        self.archive = folder / "collection.tar.gz"
        self.install_block = _quick_start("-m venv")

    def install(self) -> None:
        """Follow the first block of the quick start, unless another process has done it."""
        self.home.mkdir(exist_ok=True)
        with (self.home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (self.home / "ready").exists():
                return
            self._write_shims()
            self._build()
            terminal = Terminal(self.home, self.environment(self.home), self.home / "install.log")
            try:
                terminal.paste(self.functions() + self.install_block.text)
            finally:
                terminal.stop()
            (self.home / "ready").touch()

    def functions(self) -> str:
        return GALAXY.format(archive=shlex.quote(str(self.archive)))

    def environment(self, home: Path) -> dict[str, str]:
        passed_on = {
            name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)
        }
        # Those of the sessions are at home, and the reader has another one.
        settings = Path.home() / ".config" / "pip" / "pip.conf"
        return {
            **passed_on,
            **({"PIP_CONFIG_FILE": str(settings)} if settings.exists() else {}),
            "PATH": f"{self.shims}:{SYSTEM_PATH}",
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_NOCOLOR": "1",
            # Over a local connection Ansible would work in ~root, whatever HOME says.
            "ANSIBLE_REMOTE_TEMP": str(home / "remote"),
        }

    def _write_shims(self) -> None:
        self.shims.mkdir()
        for name, text in SHIMS.items():
            shim = self.shims / name
            shim.write_text(f"#!/bin/sh\nset -eu\n{text}", encoding="utf-8")
            shim.chmod(0o755)

    def _build(self) -> None:
        program = Path(sys.executable).parent / "ansible-galaxy"
        command = [str(program), "collection", "build", "--output-path", str(self.home), str(ROOT)]
        subprocess.run(command, check=True, capture_output=True)
        (built,) = self.home.glob("qingguo-qgnet-*.tar.gz")
        built.rename(self.archive)


@dataclass(frozen=True)
class Step:
    """What came of one block: what the terminal showed, which calls QG.net received, and how many
    leases were paid.
    """

    block: Block
    shown: str
    calls: list[str]
    paid: int

    @property
    def messages(self) -> list[Any]:
        """What tasks of the module debug showed."""
        shown = re.findall(r"=> (\{\n.*?\n\})$", self.shown, re.MULTILINE | re.DOTALL)
        return [json.loads(text)["msg"] for text in shown]


@dataclass(frozen=True)
class Swap:
    """Text of a guide that cannot be used in a test as it stands, and why."""

    old: str
    new: str
    reason: str


@dataclass
class Reader:
    """A reader with a home and a key.

    ``answers`` are what the reader types when a command asks for it.
    """

    machine: Machine
    home: Path
    sim: Simulator
    answers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answers.setdefault("QG_KEY", self.sim.key)
        self.answers.setdefault("QG_APP_KEY", self.sim.app_key)
        self.answers.setdefault("QG_PASSWORD", "0123456789ab")
        self.crawl = self.home / "crawl"
        self._authorities = self.home / "authorities.pem"
        self._authorities.write_text(
            f"{_authorities()}{self._authority_of_sites()}", encoding="utf-8"
        )
        self._terminals: list[Terminal] = []
        self._terminal: Terminal | None = None
        (self.home / "qgnet").symlink_to(self.machine.home / "qgnet")
        (self.home / ".ansible").mkdir()
        (self.home / ".ansible" / "collections").symlink_to(
            self.machine.home / ".ansible" / "collections"
        )

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the reader, in which QG.net is the simulator."""
        secret = ("QG_KEY", "QG_APP_ID", "QG_APP_KEY")
        simulated = {
            name: value for name, value in self.sim.environment.items() if name not in secret
        }
        trusted = {
            name: str(self._authorities) for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")
        }
        return self.machine.environment(self.home) | simulated | trusted

    def _authority_of_sites(self) -> str:
        """Return the authority of the sites that the simulator's proxies reach by HTTPS."""
        return requests.get(f"{self.sim.control_url}/ca.pem", timeout=60).text

    def open_terminal(self) -> Terminal:
        """Open a terminal, and type what a reader of the quick start types in each one."""
        log = self.home / f"terminal{len(self._terminals)}.log"
        terminal = Terminal(self.home, self.environment, log)
        self._terminals.append(terminal)
        terminal.paste(self.machine.functions() + _runs_in_each_terminal())
        return terminal

    def follow(
        self,
        guide: str,
        swaps: Iterable[Swap] = (),
        *,
        starts_with_key: bool = True,
        begin: str = "",
        end: str | None = None,
    ) -> list[Step]:
        """Paste the blocks of a document, one after the other, and return what came of each.

        These are all, or those from the first one with some words, and before that with others.
        """
        texts = {swap.old: swap.new for swap in swaps}
        used: set[str] = set()
        terminal = self._main_terminal(starts_with_key)
        steps = []
        has_begun = False
        for number, block in enumerate(blocks(document(guide))):
            has_begun = has_begun or begin in block.text
            if end is not None and end in block.text:
                break
            if not has_begun or block == self.machine.install_block:
                continue
            typed = self._typed(block, number)
            for old in [old for old in texts if old in typed]:
                typed = typed.replace(old, texts[old])
                used.add(old)
            steps.append(self._step(terminal, block, typed))
        assert used == set(texts), f"not in the guide: {set(texts) - used}"
        return steps

    def paste(self, guide: str, words: str) -> Step:
        """Paste one block of a document: the first one that has some words."""
        number, block = next(
            (number, block)
            for number, block in enumerate(blocks(document(guide)))
            if words in block.text
        )
        return self._step(self._main_terminal(True), block, self._typed(block, number))

    def _main_terminal(self, starts_with_key: bool) -> Terminal:
        """Return the terminal of the guides, opened with the hosts and the key of the quick
        start.
        """
        if self._terminal is None:
            self._terminal = self.open_terminal()
            if starts_with_key:
                hosts = _quick_start("crawler1:")
                key = _quick_start("read -rs QG_KEY")
                self._terminal.paste(self._typed(hosts, 0) + self._typed(key, 0))
        return self._terminal

    def run_crontab(self, crontab: str) -> list[tuple[CronJob, subprocess.CompletedProcess[str]]]:
        """Run each line of a crontab once, with the variables that make the simulator QG.net."""
        names = self.sim.environment.keys() - {"QG_KEY"} | {"ANSIBLE_REMOTE_TEMP"}
        settings = "".join(
            f"{name}={value}\n" for name, value in self.environment.items() if name in names
        )
        return [(job, job.run(self.home)) for job in cron_jobs(settings + crontab)]

    def close(self) -> None:
        for terminal in self._terminals:
            terminal.stop()

    def _step(self, terminal: Terminal, block: Block, typed: str) -> Step:
        calls = len(self.sim.journal())
        paid = self._paid()
        shown = ""
        if block.is_for_another_terminal:
            other = self.open_terminal()
            (until,) = [words for command, words in _READY.items() if command in typed]
            other.paste(terminal.paste("export -p | grep '^declare -x QG_' || true\n"))
            other.start(typed, until)
            shown = other.shown
        elif typed:
            shown = terminal.paste(typed)
        paths = [call["path"] for call in self.sim.journal()[calls:]]
        return Step(block, shown, paths, self._paid() - paid)

    def _paid(self) -> int:
        """Return how many addresses the reader's keys have ever paid for."""
        return sum(len(key["paid"]) for key in self.sim.state()["keys"].values())

    def _typed(self, block: Block, number: int) -> str:
        """Return what a reader types: the commands; or a file, and the command that plays it if it
        has no name.
        """
        if block.language == "shell":
            return re.sub(
                r"^read -rs (\w+) .*\n",
                lambda match: f"{match[0]}{self.answers[match[1]]}\n",
                block.text,
                flags=re.M,
            )
        if block.language == "python":
            is_whole_program = block.text.startswith("import ")
            return f"python3 - <<'END'\n{block.text}END\n" if is_whole_program else ""
        content: Any = yaml.safe_load(block.text)
        first: dict[str, Any] = content[0] if isinstance(content, list) else {}
        text = block.text
        is_fragment = not first and not block.file
        if is_fragment or "rules" in first:
            return ""
        if first and not {"hosts", "ansible.builtin.import_playbook"} & set(first):
            play = {
                "name": "Example",
                "hosts": "localhost",
                "gather_facts": False,
                "tasks": content,
            }
            text = yaml.safe_dump([play], sort_keys=False)
        name = block.file or f"example{number}.yml"
        saved = f"mkdir -p $(dirname {name})\ncat > {name} <<'END'\n{text}END\n"
        is_played = first and not block.file
        return f"{saved}ansible-playbook -i hosts.yml {name}\n" if is_played else saved
