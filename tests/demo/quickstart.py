# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publish an archive on a Galaxy of this machine, and do what the quick start of a README says, without a checkout.

usage: python -m demo.quickstart UV

The home is empty, and the Python has ansible-core and nothing else. Every command runs as it stands, only that uv
stands for pip and that the environment names the Galaxy. The simulator and the playbook run in a network namespace of
their own where that is allowed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import reproducible
import workspace
from lab.galaxy import galaxy

ROOT = workspace.ROOT
LOCKS = ROOT / "tests" / "requirements" / "locks"
READMES = ("README.md", "README.zh-CN.md")
HEADINGS = ("## Quick start\n", "## 快速开始\n")
PORTS = (8080, 8081)
#: The address that the quick start gives to this machine.
REGISTERED = "203.0.113.5"
_BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
# Ansible's own words for a run without an inventory, which the quick start is.
_NO_INVENTORY = re.compile(
    r"^\[WARNING\]: (?:No inventory was parsed|provided hosts list is empty).*(?:\n(?=\S).*)*\n", re.M
)
_FILE = re.compile(r"`(\w+\.yml)`")
_PIP = re.compile(r"^python3 -m pip install ", re.MULTILINE)
COLLECTION = f"{workspace.NAMESPACE}.{workspace.NAME}"


class Step(NamedTuple):
    """A block of the quick start: a file to save, a program that goes on running, or commands."""

    kind: str
    text: str
    name: str = ""


def steps(text: str) -> list[Step]:
    """Return what the quick start of a README says, as far as it needs no account."""
    section = next((text.split(heading, 1)[1].split("\n## ")[0] for heading in HEADINGS if heading in text), "")
    found = []
    end = 0
    for match in _BLOCK.finditer(section):
        names, body = _FILE.findall(section[end : match.start()]), match["body"]
        end = match.end()
        if match["kind"] in ("yaml", "yml"):
            found.append(Step("file", body, names[-1] if names else ""))
        elif "tests/simulator " in body:
            found.append(Step("server", body))
        elif "read -rs QG_KEY" not in body and not body.startswith("make "):
            found.append(Step("install" if "ansible-galaxy" in body else "commands", body))
    kinds = [step.kind for step in found]
    if kinds != ["install", "server", "file", "commands"] or not found[2].name:
        raise ValueError(f"not an installation, a simulator, a playbook with a name and its run, but {kinds}")
    return found


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of somebody who has just logged in."""
    path = os.pathsep.join((f"{folder}/venv/bin", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"))
    quiet = {"ANSIBLE_NOCOLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return {"HOME": f"{folder}/home", "LC_ALL": "C.UTF-8", "PATH": path, **quiet}


def shell(text: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run commands as they stand."""
    return subprocess.run(
        ["bash", "-euc", text],
        cwd=folder,
        env=environment(folder) | more,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def published(archive: Path, first: Step, uv: str, folder: Path) -> list[str]:
    """Publish the archive, install from there what the quick start says, verify that, and return what is wrong."""
    with galaxy(token="secret") as server:
        here = {"ANSIBLE_GALAXY_SERVER": server.url}
        options = {"LIST": "galaxy", "GALAXY_URL": server.url, "GALAXY_TOKEN": "secret"}
        publisher = {f"ANSIBLE_GALAXY_SERVER_{name}": value for name, value in options.items()}
        publish = f"ansible-galaxy collection publish {shlex.quote(str(archive))}"
        done = [
            shell(publish, folder, HOME=str(folder / "publisher"), **publisher),
            install(first.text, uv, folder, **here),
            shell(f"ansible-galaxy collection verify {COLLECTION}", folder, **here),
        ]
        wrong = [f"{one.args} ended with {one.returncode}:\n{one.stdout}{one.stderr}" for one in done if one.returncode]
        if not any(request.endswith(f"/artifacts/{archive.name}") for request in server.requests):
            wrong.append(f"the quick start does not download {archive.name} from Galaxy")
        return wrong


def install(text: str, uv: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run commands with uv in the place of pip, and with the versions that are tested."""
    with_uv = shlex.join([uv, "pip", "install", "--quiet", "--python", f"{folder}/venv"])
    tested = shlex.join(["--constraint", str(LOCKS / "core-newest.txt")])
    settings = {name: value for name, value in os.environ.items() if name.startswith("UV_") or name == "SSL_CERT_FILE"}
    return shell(_PIP.sub(lambda _: f"{with_uv} {tested} ", text), folder, **settings, **more)


def own_network() -> list[str]:
    """Return the words before a command that give it a network of its own, if that can be had."""
    command = ["unshare", "--net", *(() if os.geteuid() == 0 else ("--user", "--map-root-user"))]
    command += ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    allowed = shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if allowed and allowed.returncode == 0 else []


def listens(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def play(folder: Path, readme: Path) -> list[str]:
    """Start the simulator, run the playbook twice, and return what is wrong."""
    _install, server, file, commands = steps(readme.read_text(encoding="utf-8"))
    (folder / file.name).write_text(file.text, encoding="utf-8")
    log = folder / "simulator.log"
    if any(map(listens, PORTS)):
        return [f"a port of {PORTS} is in use"]
    with log.open("wb") as output:
        simulator = subprocess.Popen(
            ["bash", "-euc", server.text],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + 20
        while not all(map(listens, PORTS)):
            if simulator.poll() is not None or time.monotonic() > end:
                return [f"the simulator does not listen: {log.read_text(encoding='utf-8', errors='replace')}"]
            time.sleep(0.1)
        wrong = []
        for expected in ("changed=1", "changed=0"):
            run = shell(commands.text, folder)
            shown = _NO_INVENTORY.sub("", run.stdout + run.stderr)
            if run.returncode or expected not in shown:
                wrong.append(f"the playbook ended with {run.returncode} and without {expected}:\n{shown}")
            elif "WARNING" in shown or "DEPRECATION" in shown:
                wrong.append(f"the playbook warns:\n{shown}")
            elif expected == "changed=1" and f"+{REGISTERED}" not in shown.replace(" ", ""):
                wrong.append(f"the diff does not show {REGISTERED}:\n{shown}")
        return wrong
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(simulator.pid, signal.SIGTERM)
        simulator.wait()


def documented(folder: Path) -> list[str]:
    """Ask ansible-doc for every plugin of the installed collection, and return what is wrong."""
    kinds = {"module": "modules", "filter": "filter", "lookup": "lookup", "inventory": "inventory"}
    stems = {
        kind: sorted(path.stem for path in (ROOT / "plugins" / name).glob("[!_]*.py")) for kind, name in kinds.items()
    }
    commands = [f"ansible-doc --type {kind} {' '.join(map(_full_name, names))}" for kind, names in stems.items()]
    playbooks = [_full_name(path.stem) for path in (ROOT / "playbooks").glob("*.yml")]
    commands.append(f"ansible-playbook --inventory localhost, --syntax-check {' '.join(playbooks)}")
    shown = {command: shell(command, folder) for command in commands}
    # For roles, ansible-doc warns of the collections of ansible-core itself.
    role = shell(f"ansible-doc --type role {_full_name('egress_whitelist')}", folder)
    if role.returncode or "egress_whitelist_key" not in role.stdout:
        return [f"ansible-doc --type role: {role.stderr}"]
    return [f"{command}: {done.stderr}" for command, done in shown.items() if done.returncode or "WARN" in done.stderr]


def _full_name(name: str) -> str:
    return f"{COLLECTION}.{name}"


def broken_links(folder: Path) -> list[str]:
    """Return which links of the installed READMEs lead nowhere."""
    home = folder / "home" / ".ansible" / "collections" / "ansible_collections" / workspace.NAMESPACE / workspace.NAME
    wrong = []
    for path in sorted([*home.glob("*.md"), *home.glob("roles/*/*.md"), *home.glob("docs/**/*.md")]):
        for target in re.findall(r"\]\(([^)\s#]+)", path.read_text(encoding="utf-8")):
            if "://" not in target and not (path.parent / target).exists():
                wrong.append(f"{path.relative_to(home)} of the archive links to {target}, which is not in it")
    return wrong


def main(arguments: Sequence[str]) -> int:
    """Install, play, and return the exit code."""
    if arguments[0] == "--play":
        wrong = play(Path(arguments[1]), Path(arguments[2]))
        for reason in wrong:
            print(f"quickstart: {reason}", file=sys.stderr)
        return 1 if wrong else 0
    archive = reproducible.build(workspace.CACHE / "quickstart-archive")
    return max(follow(ROOT / name, archive, arguments[0]) for name in READMES)


def follow(readme: Path, archive: Path, uv: str) -> int:
    """Do what a README says in a new home, and return the exit code."""
    folder = workspace.CACHE / "quickstart"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "home").mkdir(parents=True)
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, f"{folder}/venv"], check=True)
    core = [uv, "pip", "sync", "--quiet", "--python", f"{folder}/venv", "--require-hashes", str(LOCKS / "ansible.txt")]
    subprocess.run(core, check=True)
    first, *_others = steps(readme.read_text(encoding="utf-8"))
    wrong = published(archive, first, uv, folder)
    if not wrong:
        wrong = [*documented(folder), *broken_links(folder)]
        command = [*own_network(), sys.executable, __file__, "--play", str(folder), str(readme)]
        if subprocess.run(command, check=False).returncode:
            wrong.append(f"the quick start of {readme.name} fails")
    for reason in wrong:
        print(f"quickstart: {reason}", file=sys.stderr)
    if not wrong:
        print(f"quickstart: {readme.name} works as it stands, with {archive.name} from a Galaxy and without a checkout")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
