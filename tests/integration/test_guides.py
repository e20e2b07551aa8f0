# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The READMEs and guides as a reader uses them: what is to be typed is equal in both languages, and works."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from simulator.fixture import Simulator, running_simulator

pytestmark = pytest.mark.newest

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, CHINESE = ROOT / "docs/docsite/rst", ROOT / "docs/zh-CN"
BOTH = {"README": (ROOT / "README.md", ROOT / "README.zh-CN.md")} | {
    path.stem: (path, CHINESE / f"{path.stem}.md") for path in sorted(ENGLISH.glob("*.rst"))
}
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DIRECTIVE = re.compile(r"^\.\. code-block:: (\w+)\n\n((?:   .*\n|\n)+)", re.MULTILINE)
#: What installs something, or belongs into another terminal; the test has done it already.
_DONE = re.compile(
    r"^(apt-get |python3 -m (venv|pip) |\. ~/|ansible-(galaxy|rulebook) |python3 ~/|kubectl |  -- ).*\n", re.MULTILINE
)
PAID = ("/allocate", "/get", "/replace", "/monopolies")


@dataclass(frozen=True)
class Block:
    """One block of a document, with the paragraph before it."""

    language: str
    text: str
    before: str

    @property
    def file(self) -> str | None:
        """The file that the reader is told to save it as."""
        names = re.findall(r"`([\w./-]+\.ya?ml)`", self.before)
        return names[-1] if names else None


def blocks(path: Path) -> list[Block]:
    """All blocks of YAML and of commands."""
    text = path.read_text(encoding="utf-8")
    found = []
    for match in (_DIRECTIVE if path.suffix == ".rst" else _FENCE).finditer(text):
        body = re.sub("^   ", "", match[2], flags=re.MULTILINE) if path.suffix == ".rst" else match[2]
        before = text[: match.start()].rstrip().rpartition("\n\n")[2]
        found.append(Block(match[1], body.strip() + "\n", before))
    return [block for block in found if block.language in ("yaml", "shell")]


@pytest.mark.parametrize("guide", BOTH)
def test_what_is_typed_is_equal_in_both_languages(guide: str) -> None:
    english, chinese = ([(block.language, block.text) for block in blocks(path)] for path in BOTH[guide])
    assert english
    assert english == chinese


OTHER = [
    *ROOT.glob("*.md"),
    *ROOT.glob("roles/*/*.md"),
    *ROOT.glob("tests/*/README.md"),
    *ROOT.glob("extensions/*/*.md"),
]


@pytest.mark.parametrize(
    "path", [*ENGLISH.glob("*.rst"), *CHINESE.glob("*.md"), *OTHER], ids=lambda path: str(path.name)
)
def test_links_lead_to_files_and_blocks_can_be_read(path: Path) -> None:
    """Also on GitHub and Galaxy, which do not know the roles of Sphinx."""
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"github\.com/qingguo/qingguo\.qgnet/(?:blob|tree)/main/([^)#>\s]+)", text):
        assert (ROOT / target).exists(), target
    for target in re.findall(r"\]\(([^):#]+)(?:#[^)]*)?\)", text):
        assert (path.parent / target).exists(), target
    assert not re.search(r":(ref|doc|ansplugin|ansopt):`", text)
    for block in blocks(path):
        assert block.language == "shell" or yaml.safe_load(block.text)


def commands(found: list[Block]) -> Iterator[str]:
    """What a reader types who saves each file and runs each play, in the order of the document."""
    for number, block in enumerate(found):
        if block.language == "shell":
            yield re.sub(r"^(read -rs QG_KEY .*\n)", r"\1@KEY@\n", _DONE.sub("", block.text), flags=re.MULTILINE)
            continue
        content: Any = yaml.safe_load(block.text)
        first: dict[str, Any] = content[0] if isinstance(content, list) else {}
        if (not first and not block.file) or "rules" in first:
            continue
        name = block.file or f"example{number}.yml"
        if first and not {"hosts", "ansible.builtin.import_playbook"} & set(first):
            play = {"name": "Example", "hosts": "localhost", "gather_facts": False, "tasks": content}
            block = Block("yaml", yaml.safe_dump([play], sort_keys=False), "")
        yield f"mkdir -p $(dirname {name})\ncat > {name} <<'END'\n{block.text}END\n"
        if first and not block.file:
            yield f"ansible-playbook -i hosts.yml {name}\n"


@dataclass
class Reader:
    """A reader who pastes a whole document into one shell."""

    sim: Simulator
    folder: Path

    def paste(self, guide: str, *replaced: str) -> str:
        """Paste the blocks of a document, with some text replaced, and return what the shell shows."""
        path = BOTH[guide][0] if guide in BOTH else CHINESE / f"{guide}.md"
        text = "".join(commands(blocks(path))).replace("@KEY@", self.sim.key)
        for old, new in zip(replaced[::2], replaced[1::2], strict=True):
            assert old in text
            text = text.replace(old, new)
        key = {} if "read -rs QG_KEY" in text else {"QG_KEY": self.sim.key}
        typed = f"set -ex\n{text}env | grep ^QG_\necho finished\n".encode()
        # From a pipe, a shell reads byte by byte, so that another one in it goes on where the first stopped.
        place: dict[str, Any] = {"cwd": self.folder, "env": self.environment() | key}
        done = subprocess.run(["bash"], input=typed, capture_output=True, timeout=600, check=False, **place)
        shown = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, shown
        assert done.stdout.endswith(b"finished\n"), shown
        return shown

    def environment(self) -> dict[str, str]:
        quiet = ("QG_KEY", "QG_PRODUCT")
        return {
            **{name: value for name, value in self.sim.environment.items() if name not in quiet},
            **{name: os.environ[name] for name in ("ANSIBLE_COLLECTIONS_PATH", "PYTHONPATH") if name in os.environ},
            "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_NOCOLOR": "1",
        }


LOCAL = "{ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'}"
HOSTS = f"""all: {{hosts: {{bastion: {LOCAL}}}}}
crawlers: {{hosts: {{crawler1: {LOCAL}, crawler2: {LOCAL}, crawler3: {LOCAL}}}}}
"""


def paid(sim: Simulator) -> int:
    """How many calls that pay QG.net has received."""
    return sum(call["path"].endswith(PAID) and call["method"] != "DELETE" for call in sim.journal())


@pytest.fixture
def reader() -> Iterator[Reader]:
    arguments = ["--key", "QGREAL01", "--proxy-port", "0", "--map", "127.0.0.1=203.0.113.5"]
    with tempfile.TemporaryDirectory(prefix="qg-") as folder, running_simulator(arguments) as sim:
        # The processes of a gateway are another user's.
        Path(folder).chmod(0o755)
        yield Reader(sim, Path(folder))


@pytest.fixture
def local_simulator() -> Iterator[Simulator]:
    """What the quick start runs in another terminal."""
    with running_simulator(["--map", "127.0.0.1=203.0.113.5"]) as sim:
        yield sim


@pytest.mark.slow
def test_the_quick_start_leaves_no_variable_behind(reader: Reader, local_simulator: Simulator) -> None:
    shown = reader.paste("quickstart", "http://127.0.0.1:8080", local_simulator.api_url)
    assert len(re.findall(r'"msg": "\d+\.\d+\.\d+\.\d+"', shown)) == 2, shown
    for sim in (reader.sim, local_simulator):
        assert sim.whitelist() == ["203.0.113.5"]
        assert len(sim.leases()) == paid(sim) == 1
    left = dict(re.findall("^(QG_[A-Z_]+)=(.*)$", shown, re.MULTILINE))
    assert left == {name: value for name, value in reader.environment().items() if name.startswith("QG_")}


OTHERS = ("dynamic_dedicated", "dynamic_shared", "static_dedicated", "longterm", "exclusive", "overseas")


@pytest.mark.parametrize("kind", ["share", *(pytest.param(kind, marks=pytest.mark.slow) for kind in OTHERS)])
def test_the_readme_leads_to_a_first_request(reader: Reader, kind: str) -> None:
    reader.sim.configure(plan={"kind": kind})
    shown = reader.paste("README")
    assert re.search(r'"msg": "\d+\.\d+\.\d+\.\d+"', shown), shown
    assert reader.sim.whitelist() == ["203.0.113.5"]
    assert len(reader.sim.leases()) == paid(reader.sim) == 1


@pytest.mark.slow
def test_the_examples_of_the_whitelist(reader: Reader) -> None:
    (reader.folder / "hosts.yml").write_text(HOSTS, encoding="utf-8")
    (reader.folder / "group_vars").mkdir()
    (reader.folder / "group_vars" / "all.yml").write_text(
        f"vault_qg_key_crawlers: {reader.sim.key}\n", encoding="utf-8"
    )
    # A proxy of the simulator whose exit is a public address; its certificate of d.qg.net is the simulator's own.
    proxy = "http://{{ lookup('qingguo.qgnet.proxy', limit=1) }}"
    plain = "egress_whitelist_sources: [http://d.qg.net/ip]\n        egress_whitelist_proxy:"
    shown = reader.paste("whitelist", proxy, str(reader.sim.proxy_url), "egress_whitelist_proxy:", plain)
    assert "3 hosts: 3 in sync, 1 added" in shown
    assert re.search("203.0.113.5 +crawler1", shown), shown
    assert reader.sim.whitelist() == ["203.0.113.5", "203.0.113.77"]


@pytest.mark.slow
def test_the_examples_of_the_gateway(reader: Reader) -> None:
    """Without systemd: the gateway is a daemon, and a refresh is run once instead of by a timer."""
    reader.sim.configure(plan={"kind": "dynamic_dedicated", "channels": 8})
    (reader.folder / "group_vars").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {"service": "daemon", "directory": str(reader.folder), "port": port}
    variables = "".join(f"proxy_gateway_{name}: {value}\n" for name, value in own.items())
    (reader.folder / "group_vars" / "all.yml").write_text(variables, encoding="utf-8")
    places = ("127.0.0.1:3128", f"127.0.0.1:{port}", "/etc/", f"{reader.folder}/", "refresh_timer", "refresh_proxies")
    try:
        reader.paste("gateway", *places)
    finally:
        for file in reader.folder.glob("*.pid"):
            os.kill(int(file.read_text()), signal.SIGTERM)
    assert paid(reader.sim) == 1
    assert len((reader.folder / "crawler" / "proxies.txt").read_text().splitlines()) == len(reader.sim.leases()) == 2


@pytest.mark.slow
def test_the_examples_of_leases_buy_what_they_say(reader: Reader) -> None:
    reader.sim.configure(plan={"kind": "dynamic_dedicated", "channels": 20}, whitelist=["203.0.113.5"])
    (reader.folder / "hosts.yml").write_text(HOSTS, encoding="utf-8")
    # Leases of one city and of any are not replaced together.
    tries = "ansible-playbook -i hosts.yml example6.yml\n"
    module = "ansible localhost -m qingguo.qgnet.qg_proxy"
    alike = f"{tries}{module}_release -a all=true\n{module}_allocate -a count=5\n"
    reader.paste("leases", "/opt/crawler/run", "printenv http_proxy", tries, alike)
    assert len((reader.folder / "squid-leases.conf").read_text().splitlines()) == 3
    entries = [json.loads(line) for line in (reader.folder / "paid.jsonl").read_text().splitlines()]
    # At first, in one city if none is there, up to five again, five alike, all of them replaced; later, once more.
    assert len(entries) in (4, 5)
    assert paid(reader.sim) == len(entries) + 1
    assert len(reader.sim.leases()) == 5


@pytest.mark.slow
def test_the_examples_of_the_account(reader: Reader) -> None:
    (reader.folder / "hosts.yml").write_text(HOSTS, encoding="utf-8")
    server = {"Suid": "104000001", "Ip": "198.51.100.1", "Run_status": "1", "Order_status": "1"}
    reader.sim.agent(balance="100000.00", instances=[server])
    reader.paste("cloud", "QG_APP_KEY\n", f"QG_APP_KEY\n{reader.sim.app_key}\n")
    assert reader.sim.whitelist() == ["198.51.100.1"]


@pytest.mark.slow
def test_the_examples_of_operations(reader: Reader) -> None:
    """With a directory as store instead of the database."""
    (reader.folder / "hosts.yml").write_text(HOSTS, encoding="utf-8")
    url = "postgresql://qgnet@db.example.com/qgnet?sslmode=verify-full&sslrootcert=/etc/qgnet/ca.pem"
    reader.paste("operations", url, str(reader.folder / "store"))
    assert reader.sim.whitelist() == ["203.0.113.5"]
    assert 'qgnet_channels_free{key="default"} 5' in (reader.folder / "qgnet.prom").read_text()
    assert paid(reader.sim) == 0
