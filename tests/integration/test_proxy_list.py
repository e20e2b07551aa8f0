# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role proxy_list: leases as files that other programs read."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from integration.playground import Playground, Run, calls
from qgnet_simulator.running import Simulator
from support import phrases
from support.documents import role_options
from support.parameters import slow_cases

#: The password of the simulator's proxies.
PWD = "0123456789ab"
REFRESH = "qingguo.qgnet.refresh_proxies"
PLAY = """
- hosts: all
  gather_facts: false
  roles: [qingguo.qgnet.proxy_list]
"""
#: The same for all hosts but one, in both ways to skip a role.
SKIPPED = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.STATEMENT: {name: qingguo.qgnet.proxy_list}
      when: inventory_hostname != 'two'
    - name: Read
      qingguo.qgnet.qg_proxy_gateway: {step: info}
      run_once: true
"""
#: The task that writes the lists.
WRITING = "Serve the leases"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "one"


def write(
    sim: Simulator,
    playground: Playground,
    path: Path,
    play: str = PLAY,
    arguments: Sequence[str] = (),
    hosts: Sequence[str] = ("one",),
    **variables: Any,
) -> Run:
    """Run the role for these hosts, of which the host "one" has its list at this path, and others
    beside it.
    """
    return playground.play(
        play,
        inventory="".join(f"{host} ansible_connection=local\n" for host in hosts),
        variables={
            "proxy_list_path": f"{path.parent}/{{{{ inventory_hostname }}}}",
            "proxy_list_count": 2,
            "proxy_list_drain": 5,
            "proxy_list_interval": 4,
            **variables,
        },
        arguments=["--diff", *arguments],
        environment={"QG_KEY": sim.key, "QG_PASSWORD": PWD, "QG_API_URL": sim.api_url},
    )


def servers(sim: Simulator) -> list[str]:
    return sorted(lease["host"] for lease in sim.leases())


@pytest.mark.measured
def test_a_file_of_servers_from_its_first_leases_to_its_removal(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    def write_both(play: str = PLAY, **variables: Any) -> Run:
        return write(sim, playground, path, play, (), ("one", "two"), **variables)

    write_both(proxy_list_command=f"touch {path}.changed").ok()

    # For all hosts, and one lease first, since nothing says how long new ones last.
    assert [call["params"]["Num"] for call in sim.journal() if call["path"] == "/allocate"] == [
        "1",
        "1",
    ]
    assert len(sim.leases()) == 2
    assert path.read_text().splitlines() == servers(sim)
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.with_name("two").read_text().splitlines() == servers(sim)
    assert Path(f"{path}.changed").exists()

    # A refresh takes all from what was recorded, whatever the variables are.
    again = write_both(REFRESH, proxy_list_count=5, proxy_list_path="/nowhere/list").ok()

    assert {task.result["changed"] for task in again.by_host(WRITING).values()} == {False}
    assert len(calls(sim, "/allocate")) == 2

    # While the vendor fails, an existing file is kept, and each run fails.
    sim.fault(path="/query", kind="code", code=-13, times=-1)
    failed = write_both(REFRESH)

    assert failed.rc == 2
    assert f"The list {path} of one: " in " ".join(failed.output.split())
    assert path.read_text().splitlines() == servers(sim)

    write_both(proxy_list_state="absent").ok()

    assert [file.name for file in path.parent.iterdir()] == ["one.changed"]
    assert len(sim.leases()) == 2
    second = write_both(proxy_list_state="absent").ok()
    assert {task.result["changed"] for task in second.by_host("Remove the list").values()} == {
        False
    }
    refreshed = write_both(REFRESH)
    assert refreshed.rc == 2
    assert phrases.WAS_REMOVED in refreshed.output


def test_a_command_that_has_failed_is_run_again(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    needed = path.parent.parent / "needed"
    made = path.parent.parent / "made by the command"
    command = f"cp {needed} '{made}'"

    assert write(sim, playground, path, proxy_list_command=command).rc == 2

    needed.touch()
    again = write(sim, playground, path, REFRESH).ok()
    assert {task.result["changed"] for task in again.by_host(WRITING).values()} == {True}
    assert made.exists()

    made.unlink()
    write(sim, playground, path, REFRESH).ok()
    assert not made.exists()


@pytest.mark.parametrize("seconds", [0, 3600, -3600], ids=["right", "ahead", "corrected"])
def test_a_command_that_a_run_did_not_reach_is_run_once(
    sim: Simulator, playground: Playground, path: Path, seconds: float
) -> None:
    """The run was killed as soon as it had written the list, by any clock."""
    made = path.parent.parent / "made by the command"
    write(sim, playground, path, proxy_list_command=f"touch '{made}'").ok()
    made.unlink()
    then = time.time() + seconds
    os.utime(path, (then, then))

    write(sim, playground, path, REFRESH).ok()
    assert made.exists()

    made.unlink()
    write(sim, playground, path, REFRESH).ok()
    assert not made.exists()


def test_a_command_that_somebody_has_put_into_the_store_is_not_run(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    made = path.parent.parent / "made by the command"
    foreign = path.parent.parent / "made by somebody else"
    # Braces of the command are none of a template.
    command = f"echo '{{{{ x }}}}' >'{made}'"
    write(sim, playground, path, proxy_list_command="{% raw %}" + command + "{% endraw %}").ok()
    assert made.read_text() == "{{ x }}\n"
    made.unlink()
    store = playground.store / "state.sqlite3"
    with contextlib.closing(sqlite3.connect(store)) as database, database:
        [recorded] = database.execute("SELECT options FROM installations").fetchone()
        options = {**json.loads(recorded), "command": f"touch '{foreign}'"}
        database.execute("UPDATE installations SET options = ?", [json.dumps(options)])
    os.utime(path, (0, 0))

    write(sim, playground, path, REFRESH).ok()

    assert made.exists()
    assert not foreign.exists()


def test_a_changed_command_is_run_once(sim: Simulator, playground: Playground, path: Path) -> None:
    made = path.parent.parent / "made by the command"
    write(sim, playground, path, proxy_list_command="true").ok()
    for is_new in (True, False):
        run = write(sim, playground, path, proxy_list_command=f"mkdir '{made}'").ok()
        assert {task.result["changed"] for task in run.by_host(WRITING).values()} == {is_new}
        assert made.exists()


@pytest.mark.measured
def test_check_mode_predicts_and_changes_nothing(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    usual: dict[str, Any] = {"count": 2, "drain": 5, "interval": 4}
    cases: dict[str, dict[str, Any]] = {"one": usual, "format": usual, "path": usual}

    def changes(*arguments: str, **others: dict[str, Any]) -> dict[str, bool]:
        run = write_all(sim, playground, path, {**cases, **others}, *arguments).ok()
        return {host: task.result["changed"] for host, task in run.by_host(WRITING).items()}

    assert changes("--check") == dict.fromkeys(cases, True)
    assert not path.parent.exists()
    assert sim.leases() == []
    assert write(sim, playground, path, REFRESH).rc == 2

    assert changes() == dict.fromkeys(cases, True)
    # As many leases are there, but not the directory.
    elsewhere = {**usual, "path": f"{path.parent}/more/list"}
    predicted = changes("--check", format={**usual, "format": "urls"}, path=elsewhere)
    assert predicted == {"one": False, "format": True, "path": True}
    for host in cases:
        assert path.with_name(host).read_text().splitlines() == servers(sim)
    assert len(calls(sim, "/allocate")) == 2

    write(sim, playground, path, arguments=["--check"], proxy_list_state="absent").ok()

    assert path.exists()


def test_leases_that_may_outlast_their_deadline_are_kept_without_naming_the_product(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    sim.configure(plan={"kind": "longterm", "lifetime": 30}, options={"lease_proxies": False})
    write(sim, playground, path, proxy_list_drain=1200, proxy_list_interval=600).ok()
    held = servers(sim)
    sim.advance(900)
    # By their deadline, they have less than proxy_list_drain left.
    write(sim, playground, path, proxy_list_drain=1200, proxy_list_interval=600).ok()
    assert path.read_text().splitlines() == held
    assert len(held) == 2
    assert servers(sim) == held


@pytest.mark.measured
def test_what_can_be_had_is_written_and_the_run_fails(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    sim.configure(plan={"channels": 2})
    run = write(sim, playground, path, proxy_list_count=3)
    assert run.rc == 2
    assert f"The list {path} of one: " in " ".join(run.output.split())
    assert "the plan's 2 channels" in " ".join(run.output.split())
    assert path.read_text().splitlines() == servers(sim)
    assert len(servers(sim)) == 2


# --- options

Cases = Mapping[str, Mapping[str, Any]]


def write_all(
    sim: Simulator,
    playground: Playground,
    path: Path,
    cases: Cases,
    *arguments: str,
    **environment: str,
) -> Run:
    """Run the role once for all cases: each is a host with options and a file of its own."""
    hosts = {}
    for name, options in cases.items():
        hosts[name] = {"ansible_connection": "local", "proxy_list_path": str(path.with_name(name))}
        for option, value in options.items():
            hosts[name][option if option.startswith("qg_") else f"proxy_list_{option}"] = value
    return playground.play(
        PLAY,
        inventory=json.dumps({"all": {"hosts": hosts}}),
        arguments=arguments,
        environment={"QG_KEY": sim.key, "QG_API_URL": sim.api_url, **environment},
    )


@pytest.mark.measured
def test_each_format_has_the_leases(sim: Simulator, playground: Playground, path: Path) -> None:
    template = playground.write("own.j2", "{% for lease in leases %}[{{ lease.ip }}]{% endfor %}")
    formats: dict[str, dict[str, Any]] = {
        "urls": {"format": "urls", "scheme": "socks5h"},
        "json": {"format": "json"},
        "environment": {"format": "environment"},
        "template": {"template": str(template)},
    }
    cases = {name: {"count": 2, **options} for name, options in formats.items()}

    write_all(sim, playground, path, cases).ok()

    held = servers(sim)
    assert len(held) == 2
    written = {name: path.with_name(name).read_text() for name in formats}
    assert written["urls"].splitlines() == [f"socks5h://{server}" for server in held]
    rows = json.loads(written["json"])
    assert [row["server"] for row in rows] == held
    for row in rows:
        assert sorted(row) == ["expires_at", "ip", "isp", "region", "server", "url"]
        assert row["expires_at"].endswith("+08:00")
    variables = dict(line.split("=", 1) for line in written["environment"].splitlines())
    assert variables["http_proxy"] == variables["HTTPS_PROXY"]
    assert variables["http_proxy"].removeprefix("http://") in held
    leases = sorted(sim.leases(), key=lambda lease: str(lease["host"]))
    assert written["template"] == "".join(f"[{lease['ip']}]" for lease in leases)


@pytest.mark.parametrize(
    "alone", [False, *slow_cases(True)], ids=lambda alone: "alone" if alone else "together"
)
def test_each_option_can_be_set_as_its_type_and_as_text_of_a_command_line(
    sim: Simulator, playground: Playground, path: Path, alone: bool
) -> None:
    """Also by themselves, since one may hide a mistake in another one."""
    sim.configure(plan={"channels": 50})
    template = "{{ leases | map(attribute='ip') | join(' ') }} {{ urls[0] }}"
    typed: dict[str, Any] = {
        "state": "present",
        "path": str(path.with_name("typed")),
        "format": "lines",
        "template": str(playground.write("own.j2", template)),
        "scheme": "socks5h",
        "credentials": True,
        "owner": getpass.getuser(),
        "command": "true --quietly",
        "count": 2,
        "areas": [350500],
        "isp": "telecom",
        "keep_alive": 5,
        "drain": 20,
        "interval": 8,
        "ignore_quota": False,
    }
    assert {f"proxy_list_{name}" for name in typed} == set(role_options("proxy_list"))
    text = {name: str(value) for name, value in typed.items() if isinstance(value, int)}
    text |= {"areas": "350500", "keep_alive": "1h", "format": "urls"}
    cases: dict[str, dict[str, Any]] = {"typed": typed, "text": text}
    if alone:
        # Lines show neither a scheme nor credentials.
        urls = {"format": "urls"}
        cases = {f"{name}-text": {**urls, name: value} for name, value in text.items()}
        for name, value in typed.items():
            others = {} if name == "template" else urls
            cases[name] = {**others, name: str(path.with_name(name)) if name == "path" else value}

    run = write_all(sim, playground, path, cases, QG_PASSWORD=PWD).ok()

    for name, options in cases.items():
        assert path.with_name(name).read_text() != "", name
        mode = 0o600 if "credentials" in options else 0o644
        assert path.with_name(name).stat().st_mode & 0o777 == mode, name
    assert len(path.with_name("count" if alone else "text").read_text().splitlines()) == 2
    assert PWD not in run.output


@pytest.mark.measured
def test_credentials_are_in_a_file_of_the_owner_and_in_no_output(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    secret = {"credentials": True, "format": "urls", "count": 2}
    # Nobody can write there, which is only found when it is tried. Of that, ansible-core 2.16
    # shows a stack of Python.
    playground.is_checked = False
    cases = {"good": secret, "refused": {**secret, "path": "/proc/proxies.txt"}}

    run = write_all(sim, playground, path, cases, "-vvvv", "--diff", QG_PASSWORD=PWD)

    assert run.of(WRITING, "good").status == "ok"
    refused = run.failed(WRITING)["refused"]["msg"]
    assert f"The list /proc/proxies.txt {phrases.CANNOT_BE_WRITTEN}" in refused
    assert phrases.NO_REASON not in refused
    file = path.with_name("good")
    urls = [f"http://{sim.key}:{PWD}@{server}" for server in servers(sim)]
    assert file.read_text().splitlines() == urls
    assert file.stat().st_mode & 0o777 == 0o600
    assert PWD not in run.output


@pytest.mark.measured
def test_a_mistake_is_found_before_anything_is_leased(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    broken = playground.write("broken.j2", "{% for lease in leases %}")
    misspelt = playground.write(
        "misspelt.j2", "{% for lease in leases %}{{ lease.adress }}{% endfor %}"
    )
    foreign = playground.write("foreign.j2", "{{ inventory_hostname }}")
    folder = path.parent.parent
    foreign_file = playground.write("foreign.txt", "of somebody else")
    link = playground.root / "link.txt"
    link.symlink_to(foreign_file)
    mistakes: dict[str, tuple[str, str, str]] = {
        "relative": (
            "path",
            "proxies.txt",
            f"proxy_list_path='proxies.txt' {phrases.NO_ABSOLUTE_PATH}",
        ),
        "none": ("path", "", f"proxy_list_path {phrases.IS_EMPTY}"),
        "slash": ("path", f"{path.parent}/", phrases.NO_ABSOLUTE_PATH),
        "folder": ("path", str(folder), f"{folder} {phrases.IS_A_DIRECTORY}"),
        "theirs": ("path", str(foreign_file), f"{foreign_file} {phrases.NOT_OF_THE_ROLE}"),
        "link": ("path", str(link), f"{link} {phrases.IS_A_LINK}"),
        "nowhere": ("template", "nope.j2", f"=nope.j2 {phrases.CANNOT_BE_READ}"),
        "broken": ("template", str(broken), f"={broken} {phrases.NOTHING_WAS_LEASED}"),
        "misspelt": ("template", str(misspelt), "adress"),
        "foreign": ("template", str(foreign), phrases.NO_OTHER_VARIABLES),
        "owner": ("owner", "nobody-here", f"=nobody-here {phrases.CANNOT_OWN}"),
        "command": ("command", "/none/such --now", f"{phrases.BEGINS_WITH} /none/such"),
        "count": ("count", "three", "proxy_list_count"),
        "format": ("format", "xml", f"proxy_list_format='xml' {phrases.NONE_OF_ITS_VALUES}"),
        "empty": ("qg_key", "", phrases.KEY_IS_EMPTY),
    }
    cases = {name: {option: value} for name, (option, value, _words) in mistakes.items()}

    run = write_all(sim, playground, path, cases)

    failures = {task.host: task.result["msg"] for task in run.tasks if task.status == "failed"}
    for name, (_option, _value, words) in mistakes.items():
        assert words in str(failures[name]), name
    assert calls(sim) == []
    for state, task in (("present", "Look at the list"), ("absent", "Remove the list")):
        cases = {"foreign": {"path": str(foreign_file), "state": state}}
        refused = write_all(sim, playground, path, cases, "--check")
        assert phrases.NOT_OF_THE_ROLE in str(refused.failed(task)["foreign"]["msg"])
    assert write_all(sim, playground, path, cases).rc == 2
    assert foreign_file.read_text(encoding="utf-8") == "of somebody else"
    assert link.is_symlink()


def test_credentials_without_a_password_are_refused_before_anything_is_leased(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    run = write_all(sim, playground, path, {"one": {"credentials": True, "format": "urls"}})
    assert run.rc == 2
    assert f"proxy_list_{phrases.CREDENTIALS_NEED_PASSWORD}" in " ".join(run.output.split())
    assert calls(sim) == []


@pytest.mark.newest
@pytest.mark.parametrize("statement", ["include_role", "import_role"])
def test_a_host_that_skips_the_role_has_no_problem(
    sim: Simulator, playground: Playground, path: Path, statement: str
) -> None:
    write(sim, playground, path, hosts=("one", "two")).ok()

    skipped = SKIPPED.replace("STATEMENT", statement)
    run = write(sim, playground, path, skipped, hosts=("one", "two")).ok()

    problems = {each["host"]: each["problem"] for each in run.of("Read").result["installations"]}
    assert problems == {"one": "", "two": ""}


def test_a_host_that_skips_the_role_after_an_earlier_play_of_it_is_left_as_it_is(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    """Ansible keeps what tasks have registered until the end of the playbook."""
    skipped = SKIPPED.replace("STATEMENT", "include_role")
    two = path.with_name("two")
    count = "{{ 2 if inventory_hostname == 'one' else 3 }}"

    run = write(
        sim, playground, path, f"{PLAY}{skipped}", hosts=("one", "two"), proxy_list_count=count
    ).ok()

    assert len(path.read_text().splitlines()) == len(two.read_text().splitlines()) == 3
    problems = {each["host"]: each["problem"] for each in run.of("Read").result["installations"]}
    assert problems == {"one": "", "two": ""}
    leased = [task.result for task in run.tasks if task.name.endswith("Lease for all hosts")]
    assert [sorted(each["hosts"]) for each in leased] == [["one", "two"], ["one"]]


#: Ways to call the role that did something else than what was meant, without a word, and what the
#: refusal begins with.
CALLS: dict[str, tuple[dict[str, Any], str]] = {
    "a": (
        {"roles": [{"role": "qingguo.qgnet.proxy_list", "count": 5}]},
        "count is no variable of the role",
    ),
    "b": (
        {"roles": [{"role": "qingguo.qgnet.proxy_list", "vars": {"format": "urls"}}]},
        "format is no variable of the role",
    ),
    "c,d": (
        {
            "tasks": [
                {"import_role": {"name": "qingguo.qgnet.proxy_list"}, "run_once": True},
            ]
        },
        "run_once=true would let the role run for one host alone",
    ),
    "f,g": (
        {
            "tasks": [
                {"import_role": {"name": "qingguo.qgnet.egress_whitelist"}, "run_once": True},
            ]
        },
        "run_once=true would let the role run for one host alone",
    ),
}


def test_a_role_that_is_called_in_another_way_than_was_meant(
    sim: Simulator, playground: Playground, path: Path
) -> None:
    plays: list[dict[str, Any]] = []
    for chosen, (how, _refusal) in CALLS.items():
        plays.append({"hosts": chosen, "gather_facts": False, "ignore_errors": True, **how})
    hosts = {}
    for name in "abcdfg":
        hosts[name] = {"ansible_connection": "local", "proxy_list_path": f"{path}{name}"}

    run = playground.play(
        json.dumps(plays, indent=1),
        inventory=json.dumps({"all": {"hosts": hosts}}),
        environment={"QG_KEY": sim.key, "QG_API_URL": sim.api_url},
    )

    for pattern, (_how, refusal) in CALLS.items():
        host = pattern[0]
        failures = [task for task in run.tasks if (task.host, task.status) == (host, "failed")]
        assert failures, pattern
        assert str(failures[0].result["msg"]).startswith(refusal), pattern
    assert sim.leases() == []
