# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The READMEs and guides as a reader uses them: what is to be typed is equal in both languages, and
works.

A reader has followed the quick start, and pastes each block of a guide in its order, into a
terminal in the directory of the quick start. ``SHIMS`` and ``GALAXY`` of
``integration/guide_reader.py`` list the programs that cannot work in a test, and each ``Swap`` is
text that cannot be used as it stands.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml
from integration.guide_blocks import BOTH, CHINESE, ENGLISH, ROOT, block_after, blocks, document
from integration.guide_reader import Machine, Reader, Step, Swap
from integration.terminal import Terminal
from integration.upstreams import free_ports
from qgnet_simulator.running import Simulator, running_simulator
from support import phrases

pytestmark = pytest.mark.newest

#: The address of this machine, and thus of each host of a guide, as QG.net sees it.
HERE = "203.0.113.5"


@pytest.mark.parametrize("guide", BOTH)
def test_what_is_typed_is_equal_in_both_languages(guide: str) -> None:
    english, chinese = ([block.typed for block in blocks(path)] for path in BOTH[guide])
    assert english
    assert english == chinese


OTHER = [
    *ROOT.glob("*.md"),
    *ROOT.glob("roles/*/*.md"),
    *ROOT.glob("tests/*/README.md"),
    *ROOT.glob("extensions/*/*.md"),
]


def sections(path: Path) -> set[str]:
    """The names that GitHub and Sphinx give to the sections of a document."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".rst":
        titles = re.findall(r"^(\S.*)\n[=~-]+$", text, re.MULTILINE)
        return {re.sub("[^a-z0-9]+", "-", title.lower()).strip("-") for title in titles}
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\s-]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "path", [*ENGLISH.glob("*.rst"), *CHINESE.glob("*.md"), *OTHER], ids=lambda path: str(path.name)
)
def test_links_lead_to_files_and_blocks_can_be_read(path: Path) -> None:
    """Also on GitHub and Galaxy, which do not know the roles of Sphinx."""
    text = path.read_text(encoding="utf-8")
    for target in re.findall(
        r"github\.com/qingguo/qingguo\.qgnet/(?:blob|tree|raw)/[\w.-]+/([^)#>\s]+)", text
    ):
        assert (ROOT / target).exists(), target
    for target, section in re.findall(r"\]\(([^):#]*)(?:#([^)]*))?\)", text):
        assert (path.parent / target).exists(), target
        assert not section or section in sections(path.parent / target if target else path)
    for target, section in re.findall(r"blob/[\w.-]+/([^)#>\s]+)#([^)>\s]+)", text):
        assert section in sections(ROOT / target), f"{target}#{section}"
    for page, section in re.findall(r"/docsite/(\w+)\.html#([\w-]+)", text):
        assert section in sections(ENGLISH / f"{page}.rst"), f"{page}#{section}"
    assert not re.search(r":(ref|doc|ansplugin|ansopt):`", text)
    for block in blocks(path, "yaml"):
        assert yaml.safe_load(block.text)


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which the quick start has installed Ansible and the collection, one for all
    workers.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    installed = Machine(shared / "guides")
    installed.install()
    return installed


@pytest.fixture
def vendor() -> Iterator[Simulator]:
    """QG.net, with one key."""
    with running_simulator(
        ["--key", "QGREAL01", "--proxy-port", "0", "--map", f"127.0.0.1={HERE}"]
    ) as sim:
        yield sim


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qg-") as folder:
        # The processes of a gateway are another user's.
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def reader(machine: Machine, home: Path, vendor: Simulator) -> Iterator[Reader]:
    with contextlib.closing(Reader(machine, home, vendor)) as reader:
        yield reader


def payments(steps: list[Step]) -> list[int]:
    """How many leases each block paid for, without blocks that paid for none."""
    return [step.paid for step in steps if step.paid]


def step_of(steps: list[Step], words: str) -> Step:
    """The step of the block that has some words."""
    (step,) = [step for step in steps if words in step.block.text]
    return step


#: Words of the block with which the quick start begins its trial.
TRIAL = "tests/simulator"


def test_the_quick_start(reader: Reader) -> None:
    steps = reader.follow("quickstart", starts_with_key=False, end=TRIAL)

    assert payments(steps) == [1]
    assert step_of(steps, "qingguo.qgnet.doctor").paid == 0
    assert step_of(steps, "--check --diff").calls.count("/whitelist/add") == 1
    # With the key of the vault.
    assert step_of(steps, "ansible-vault").calls == ["/whitelist/query"]
    assert reader.sim.whitelist() == [HERE]


@pytest.mark.slow
def test_the_trial_of_the_quick_start(reader: Reader) -> None:
    port = free_ports(1)
    swaps = [
        Swap("127.0.0.1:8080", f"127.0.0.1:{port}", "other tests have the port at the same time"),
        Swap("qgnet-simulator --map", f"qgnet-simulator --port {port} --map", "likewise"),
    ]
    reader.paste("quickstart", "Send a request through a leased proxy")

    steps = reader.follow("quickstart", swaps, begin=TRIAL)

    assert [step for step in steps if step.calls or step.paid] == []
    trial = requests.get(f"http://127.0.0.1:{port}/_sim/state", timeout=60).json()["keys"][
        "QGDEMO01"
    ]
    assert trial["whitelist"] == [HERE]
    assert len(trial["paid"]) == 1
    # The trial leaves nothing behind.
    left = reader.open_terminal().paste("env | grep ^QG_ | grep -v ^QG_MINUTE_SECONDS=\n")
    assert (
        dict(line.split("=", 1) for line in left.splitlines()).items() <= reader.environment.items()
    )


#: Instead of make, which would first download the tools of the sessions. ``make demo`` runs what
#: its session runs. ``make test`` would run this test: only what it would run is shown.
MAKE = """#!/bin/sh
set -eu
/usr/bin/make --dry-run "$@"
[ "$*" = test ] || QGNET_DEMO_WAY=loopback exec bash tools/demo/demo.sh
"""


def test_the_first_block_of_the_readme_in_a_clone(tmp_path: Path) -> None:
    """What is typed and what it shows; CI runs all of "make test" in a fresh clone."""
    for readme in BOTH["README"]:
        first = blocks(readme, "shell", "text")
        assert first[0].text.splitlines() == [
            "git clone https://github.com/qingguo/qingguo.qgnet.git",
            "cd qingguo.qgnet",
            "make demo",
            "make test",
        ]
        assert first[1].text == blocks(BOTH["README"][0], "text")[0].text
    make = tmp_path / "bin" / "make"
    make.parent.mkdir()
    make.write_text(MAKE, encoding="utf-8")
    make.chmod(0o755)
    found = tmp_path / "collections" / "ansible_collections" / "qingguo" / "qgnet"
    found.parent.mkdir(parents=True)
    found.symlink_to(tmp_path / "qingguo.qgnet")
    environment = (
        os.environ
        | cloned()
        | {
            "PATH": f"{make.parent}:{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
        }
    )
    terminal = Terminal(tmp_path, environment, tmp_path / "log")
    try:
        shown = terminal.paste(first[0].text)
    finally:
        terminal.stop()

    lines = [line.strip() for line in shown.splitlines()]
    for line in first[1].text.splitlines():
        assert line in lines
    assert "All went as it should" in shown
    assert '"unit(2.21)" "integration(2.21)"' in shown.partition("All went as it should")[2]


def cloned() -> dict[str, str]:
    """Variables with which git clones this checkout instead of the repository."""
    return {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": f"url.{ROOT}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/qingguo/qingguo.qgnet.git",
        "GIT_CONFIG_KEY_1": "safe.directory",
        "GIT_CONFIG_VALUE_1": "*",
    }


def test_the_readme_installs_the_collection_from_its_repository(tmp_path: Path) -> None:
    (install,) = [block for block in blocks(document("README"), "shell") if "galaxy" in block.text]
    home = {"HOME": str(tmp_path), "ANSIBLE_HOME": str(tmp_path / ".ansible")}
    environment = os.environ | cloned() | home
    del environment["ANSIBLE_COLLECTIONS_PATH"]
    terminal = Terminal(tmp_path, environment, tmp_path / "log")
    try:
        terminal.paste(install.text)
        shown = terminal.paste("ansible-doc --list qingguo.qgnet\n")
    finally:
        terminal.stop()

    assert "qingguo.qgnet.qg_whitelist" in shown


@pytest.mark.slow
def test_the_guide_to_the_whitelist(reader: Reader) -> None:
    # An entry that somebody made by hand, as the guide says.
    reader.sim.configure(whitelist=["203.0.113.77"])
    proxy = "http://{{ lookup('qingguo.qgnet.proxy', limit=1) }}"
    swaps = [
        Swap(
            proxy,
            str(reader.sim.proxy_url),
            "leases of the simulator leave as addresses of loopback",
        )
    ]

    steps = reader.follow("whitelist", swaps)

    outcome = f"egress_whitelist: {phrases.THREE_IN_SYNC}"
    assert outcome in step_of(steps, "whitelist.yml").shown
    assert outcome in block_after("whitelist", "whitelist.yml", "text").text
    report = step_of(steps, "qingguo.qgnet.report")
    assert normalized(reported(report)) == normalized(
        block_after("whitelist", "qgnet.report", "text").text
    )
    assert payments(steps) == [1]
    assert sorted(reader.sim.whitelist()) == [HERE, "203.0.113.77"]


@pytest.mark.slow
def test_the_guide_to_leases(reader: Reader) -> None:
    # The city that the guide asks for first has no stock.
    stock = {"areas": [{"area_id": 440100, "area": "广东省广州市", "isp": 2, "available": 100}]}
    reader.sim.configure(
        plan={"kind": "dynamic_dedicated", "channels": 20, "stock": stock}, whitelist=[HERE]
    )
    swaps = [Swap("/opt/crawler/run", "printenv http_proxy", "a program that the reader has")]

    steps = reader.follow("leases", swaps)

    bought = [(step.block.text.splitlines()[0], step.paid) for step in steps if step.paid]
    assert bought == [
        ("- name: Keep five proxies leased", 5),
        # Two of five were released meanwhile.
        ("- name: Keep five proxies that reach a site", 2),
        ("- name: Replace all, to rotate now", 5),
        ("- name: Ensure five leases unattended", 5),
    ]
    released = step_of(steps, "Release all leases")
    assert "/release" in released.calls
    entries = [json.loads(line) for line in (reader.crawl / "paid.jsonl").read_text().splitlines()]
    assert sum(entry["received"] or 0 for entry in entries) == 12
    assert len(reader.sim.leases()) == 5


def reported(step: Step) -> str:
    """What the playbook "report" shows, without the frame of Ansible."""
    return "\n".join("\n".join(lines) for lines in step.messages)


def normalized(report: str) -> str:
    """A report without what differs from run to run: addresses, times, paths, and who ran it."""
    text = re.sub(r"\d+\.\d+\.\d+\.\d+(:\d+)? *", "ADDRESS  ", report)
    text = re.sub(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?", "TIME", text)
    text = re.sub(r"/\S+/hosts\.yml", "PATH/hosts.yml", text)
    text = re.sub(r"TIME +\d+ +this store", "TIME MINUTES this store", text)
    text = re.sub(r"^  \S+ +(\S+ +\d+ +\d+ +\d+)$", r"  USER  \1", text, flags=re.MULTILINE)
    return "\n".join(re.sub(" {2,}", "  ", line).rstrip() for line in text.strip().splitlines())


@pytest.mark.slow
def test_the_guide_to_the_gateway(reader: Reader, home: Path) -> None:
    """Without systemd, which the session "systemd" has: the gateway is a daemon, and a refresh is
    run once.
    """
    reader.sim.configure(plan={"kind": "dynamic_dedicated", "channels": 8})
    # The key of the recipe with several ones, whose whitelist cannot have the host, too.
    accounts = {"key": "QGREAL02", "password": "Hush4all0002"}
    reader.sim.configure(accounts["key"], plan={"kind": "exclusive"}, pwd=accounts["password"])
    port = free_ports(1)
    second_port = free_ports(1)
    slots = free_ports(2)
    (home / "crawl" / "group_vars" / "all").mkdir(parents=True)
    # A daemon, since there is no systemd.
    own = {"service": "daemon", "directory": str(home)}
    variables = "".join(f"proxy_gateway_{name}: {value}\n" for name, value in own.items())
    variables += "".join(f"vault_accounts_{name}: {value}\n" for name, value in accounts.items())
    (home / "crawl" / "group_vars" / "all" / "test.yml").write_text(variables, encoding="utf-8")
    swaps = [
        Swap("127.0.0.1:3128", f"127.0.0.1:{port}", "other tests have the port at the same time"),
        Swap(
            "proxy_gateway_count: 2",
            f"proxy_gateway_count: 2\nproxy_gateway_port: {port}",
            "likewise",
        ),
        Swap("port: 3128", f"port: {port}", "likewise"),
        Swap("port: 3129", f"port: {second_port}", "likewise"),
        Swap("127.0.0.1:3129", f"127.0.0.1:{second_port}", "likewise"),
        Swap("port: 13140", f"port: {slots}", "likewise"),
        Swap("127.0.0.1:13140", f"127.0.0.1:{slots}", "likewise"),
        Swap("127.0.0.1:13141", f"127.0.0.1:{slots + 1}", "likewise"),
        Swap("/etc/", f"{home}/", "tests write only below their own directory"),
    ]
    no_timer = Swap(
        "qingguo.qgnet.refresh_timer", "qingguo.qgnet.refresh_proxies", "there is no systemd"
    )

    with removed_gateways(home):
        steps = reader.follow("gateway", [*swaps, no_timer])
        steps += reader.follow("gateway_operation")

    # Those of the only key, and that of the second one.
    assert payments(steps) == [2, 1]
    assert len({lease["ip"] for lease in reader.sim.leases()}) == 2
    (exit_of_accounts,) = {lease["ip"] for lease in reader.sim.leases(accounts["key"])}
    assert step_of(steps, "account-7:any@127.0.0.1:3129").shown.split()[-1] == exit_of_accounts
    # By HTTP and by SOCKS5, each through its slot.
    of_slots = step_of(steps, "--socks5-hostname").shown.split()
    assert {lease["ip"] for lease in reader.sim.leases()} <= set(of_slots)
    assert len((home / "crawler" / "proxies.txt").read_text().splitlines()) == 2


@contextlib.contextmanager
def removed_gateways(home: Path) -> Iterator[None]:
    try:
        yield
    finally:
        for file in home.glob("*.pid"):
            os.kill(int(file.read_text()), signal.SIGTERM)


@pytest.mark.slow
def test_the_guide_to_operations(reader: Reader, database_url: str) -> None:
    stock = {"areas": [{"area_id": 440100, "area": "广东省广州市", "isp": 2, "available": 100}]}
    reader.sim.configure(plan={"kind": "dynamic_dedicated", "stock": stock})
    words = ("--check --diff", "Send a request through a leased proxy", "first.yml")
    first = [reader.paste("quickstart", each) for each in words]
    url = (
        "postgresql://qgnet@db.example.com/qgnet?sslmode=verify-full&sslrootcert=/etc/qgnet/ca.pem"
    )

    steps = reader.follow("operations", [Swap(url, database_url, "the database of the test")])

    report = step_of(steps, "qingguo.qgnet.report")
    assert normalized(reported(report)) == normalized(
        block_after("operations", "qgnet.report", "text").text
    )
    assert reader.sim.whitelist() == [HERE]
    assert (
        'qgnet_channels_free{key="default"} 4'
        in (reader.home / "metrics" / "qgnet.prom").read_text()
    )
    assert payments(first + steps) == [1, 4]
    assert step_of(steps, "ansible-rulebook --").paid == 4
    assert len((reader.home / "kubectl.log").read_text().splitlines()) == 2
    assert_the_crontab_of_the_guide_runs(reader)
    assert_the_job_of_awx_registers(reader)


def assert_the_job_of_awx_registers(reader: Reader) -> None:
    """A job as AWX has ansible-runner run it: with the environment of the credential alone."""
    reader.sim.configure(whitelist=[])
    shown = blocks(document("operations"), "yaml")
    (kind,) = [yaml.safe_load(block.text) for block in shown if "injectors:" in block.text]
    (playbook,) = [block.text for block in shown if "- name: Register\n" in block.text]
    store = reader.home / "job-store"
    store.mkdir()
    values = {"qg_key": reader.sim.key, "qg_store": str(store)}
    # AWX renders a field that is left empty as empty text.
    settings = {
        name: re.sub(r"{{ (\w+) }}", lambda field: values.get(field[1], ""), template)
        for name, template in kind["injectors"]["env"].items()
    }
    hosts = {"crawlers": {"hosts": {"crawler1": {"ansible_connection": "local"}}}}
    files = {
        "env/envvars": yaml.safe_dump(settings),
        "inventory/hosts.yml": yaml.safe_dump(hosts),
        "project/register.yml": playbook,
    }
    for name, text in files.items():
        path = reader.home / "job" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    job = reader.open_terminal()
    shown_by_job = job.paste(
        "export QG_INVENTORY_ID=production\nansible-runner run ~/job --playbook register.yml\n"
    )

    for guide in BOTH["operations"]:
        (line,) = re.findall("(egress_whitelist: [^`]+)`", guide.read_text(encoding="utf-8"))
        assert line in shown_by_job
    assert reader.sim.whitelist() == [HERE]
    assert (reader.home / "job-store").is_dir()
    example = (ROOT / "examples/awx/credential_type.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(example) == kind


def assert_the_crontab_of_the_guide_runs(reader: Reader) -> None:
    """With a store of its own, and without what the reader has typed."""
    reader.sim.configure(whitelist=[])
    metrics = reader.home / "metrics" / "qgnet.prom"
    metrics.unlink()
    crontab = block_after("operations", "mkdir -p ~/metrics", "text").text

    runs = reader.run_crontab(crontab.replace("QG_KEY=...", f"QG_KEY={reader.sim.key}"))

    assert [run.returncode for _job, run in runs] == [0, 0], runs
    assert reader.sim.whitelist() == [HERE]
    free = 5 - len(reader.sim.leases())
    assert f'qgnet_channels_free{{key="default"}} {free}' in metrics.read_text()
    cap = re.findall("^QG_MAX_NEW_PER_DAY=.*$", crontab, re.MULTILINE)
    gateway = "".join(block.text for block in blocks(document("gateway"), "shell"))
    assert re.findall("QG_MAX_NEW_PER_DAY=.*", gateway) == cap


@pytest.mark.slow
def test_the_guide_to_a_leaked_key(reader: Reader, home: Path) -> None:
    """With a gateway, timers and a crontab; somebody who had the key has added an address."""
    sim = reader.sim
    new_key = "QGREAL02"
    sim.configure(plan={"kind": "dynamic_dedicated", "channels": 8})
    variables = home / "crawl" / "group_vars" / "all"
    variables.mkdir(parents=True)
    own = {"service": "daemon", "directory": str(home), "port": free_ports(1), "count": 2}
    (variables / "test.yml").write_text(
        "".join(f"proxy_gateway_{name}: {value}\n" for name, value in own.items()), "utf-8"
    )
    units = home / "systemd"
    units.mkdir()
    (units / "mine.service").write_text("# qingguo.qgnet.refresh_timer {}\n", "utf-8")
    (units / "other.service").write_text("[Unit]\n", "utf-8")
    crontab = home / "crontab"
    crontab.write_text("# mine\n* * * * * x qingguo.qgnet.metrics\n1 * * * * y\n", "utf-8")

    with removed_gateways(home):
        reader.paste("quickstart", "ansible-vault encrypt")
        reader.paste("gateway", "- qingguo.qgnet.proxy_gateway")
        terminal = reader.open_terminal()
        terminal.paste("export ANSIBLE_VAULT_PASSWORD_FILE=~/.qgnet-vault\n")
        terminal.paste("ansible-playbook -i hosts.yml gateway.yml\n")
        calls = len(sim.journal())
        assert len(sim.leases()) == 2

        # Nothing is bought while the store is refused.
        reader.paste("leaked_key", "chmod g+w")
        for command in (
            "qingguo.qgnet.ensure_leases --extra-vars qg_lease_count=3",
            "qingguo.qgnet.refresh_proxies",
            "gateway.yml",
        ):
            shown = terminal.paste(f"! ansible-playbook -i hosts.yml {command}\n")
            assert phrases.CANNOT_BE_USED in " ".join(shown.split())
        assert len(sim.journal()) == calls

        swap = Swap("/etc/systemd/system", str(units), "tests write only below their directory")
        stopped = reader.follow("leaked_key", [swap], begin="refresh_timer", end="OLD_KEY")

        assert (home / "systemctl.log").read_text("utf-8").splitlines() == [
            "disable --now mine.timer",
            "stop mine.service",
        ]
        assert crontab.read_text("utf-8") == (
            "# mine\n#* * * * * x qingguo.qgnet.metrics\n1 * * * * y\n"
        )
        assert payments(stopped) == []

        sim.configure(whitelist=[HERE, "203.0.113.66"])
        replace_key(sim, new_key)
        reader.answers |= {"OLD_KEY": sim.key, "QG_KEY": new_key}
        asked = """'OLD_KEY') }}"\n"""
        refused = Swap(asked, f"{asked.strip()} || true\n", "a failure ends the terminal")
        old = reader.follow("leaked_key", [refused], begin="OLD_KEY", end="ansible-vault")

        assert '"code": -100' in old[-1].shown

        renewed = reader.follow("leaked_key", begin="ansible-vault", end="203.0.113.66")

        # The new key has what the old one had.
        assert payments(renewed) == []
        assert "203.0.113.66  -         -                  no owner" in renewed[-1].shown

        last = reader.follow("leaked_key", begin="203.0.113.66")

    assert sim.whitelist(new_key) == [HERE]
    assert '"received": 2' in last[-1].shown
    assert '"unknown": 0' in last[-1].shown


def replace_key(sim: Simulator, key: str) -> None:
    """Give the first key another name, as QG.net's user center may do; it keeps all that it has."""
    snapshot = sim.control("GET", "/snapshot")
    keys = snapshot["state"]["keys"]
    # The proxy that listens from the start stays that of the first key.
    keys[key] = {**keys.pop(sim.key), "key": key, "proxy_url": None}
    sim.control("PUT", "/snapshot", snapshot)


@pytest.mark.slow
def test_the_guide_to_troubleshooting(reader: Reader) -> None:
    steps = reader.follow("troubleshooting")

    assert payments(steps) == [2]


@pytest.mark.slow
def test_the_guide_to_the_account(reader: Reader) -> None:
    server = {"Suid": "104000001", "Ip": "198.51.100.1", "Run_status": "1", "Order_status": "1"}
    reader.sim.agent(balance="100000.00", instances=[server])

    steps = reader.follow("cloud")

    assert payments(steps) == []
    assert reader.sim.whitelist() == ["198.51.100.1"]


@pytest.mark.slow
def test_the_guide_to_lines(machine: Machine, home: Path) -> None:
    # An address of its own, since the control port of a tunnel is always the same.
    address = f"127.{random.randint(64, 254)}.{random.randint(0, 254)}.{random.randint(1, 254)}"
    arguments = ["--host", address, "--tunnel-port", "0", "--tunnel-control-port", "9090"]
    with (
        running_simulator(arguments) as sim,
        contextlib.closing(Reader(machine, home, sim)) as reader,
    ):
        sim.configure(plan={"kind": "exclusive_occupancy"})
        tunnel = str(sim.tunnel_url).removeprefix("http://").rstrip("/")

        steps = reader.follow(
            "lines", [Swap("tunnel=tunnel.qg.net:19702", f"tunnel={tunnel}", "the simulator's")]
        )

        assert [call["path"] for call in sim.journal()].count("/proxyip") == 1
        assert step_of(steps, "qg_tunnel_exit").calls == ["/proxyip"]
        lines = sim.state()["keys"][sim.key]["monopolies"]
        assert len(lines) == 2


def test_the_archive_has_what_the_guides_name(machine: Machine) -> None:
    with tarfile.open(machine.archive) as archive:
        names = set(archive.getnames())
        credential = archive.extractfile("examples/awx/credential_type.yml")
        assert credential is not None
        kind = yaml.safe_load(credential)
    assert {"examples/awx/execution-environment.yml", "examples/awx/requirements.yml"} <= names
    assert not any(
        name.startswith(("examples/ci", "tests/support", "tests/integration", "tools"))
        for name in names
    )
    given = {field["id"] for field in kind["inputs"]["fields"]}
    assert kind["injectors"]["env"] == {name.upper(): f"{{{{ {name} }}}}" for name in given}
    assert "qg_max_new_per_day" in given
